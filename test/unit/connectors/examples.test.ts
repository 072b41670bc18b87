import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { DataSource } from '../../../src/ports/data-source.js';
import { loaded } from '../config/support.js';
import { textOf, useSources } from './harness.js';

const folder = fileURLToPath(new URL('../../../examples/sources', import.meta.url));

describe('the examples of data sources', () => {
  const harness = useSources();

  /** The only source of an example, made as a node would make it. */
  const open = async (file: string, baseDir = folder): Promise<DataSource> => {
    const { config, warnings } = loaded(await readFile(join(folder, file), 'utf8'));
    expect(warnings).to.deep.equal([]);
    expect(config.keyspaces).to.have.length(1);
    return harness.create(config.keyspaces[0]!.source, { baseDir });
  };

  it('are there for every kind that reads something', async () => {
    const files = (await readdir(folder)).filter((file) => file.endsWith('.yaml'));
    expect(files.map((file) => file.replace('.yaml', '')).sort()).to.deep.equal(
      ['directory', 'http', 'module', 'postgres', 'redis', 'sqlite'].sort(),
    );
  });

  for (const file of ['http.yaml', 'postgres.yaml', 'redis.yaml']) {
    it(`${file} can be started with while nothing is there to be asked`, async () => {
      expect((await open(file)).fetch).to.be.a('function');
    });
  }

  it('directory.yaml has what the page says', async () => {
    expect(await textOf(await open('directory.yaml'), 'hello.txt')).to.equal('Hello from a file.\n');
  });

  it('module.yaml has what the page says, and takes many keys', async () => {
    const source = await open('module.yaml');
    expect([await textOf(source, '12'), await textOf(source, 'x')]).to.deep.equal(['144', null]);
    const signal = new AbortController().signal;
    expect(await source.fetchMany?.(['12', 'x', '13'], { signal })).to.deep.equal(['144', null, '169']);
  });

  it('sqlite.yaml has what the page says, after cities.sql was run', async () => {
    const database = new DatabaseSync(join(harness.folder, 'cities.db'));
    database.exec(await readFile(join(folder, 'cities.sql'), 'utf8'));
    database.close();
    expect(await textOf(await open('sqlite.yaml', harness.folder), 'paris')).to.equal('{"name":"Paris"}');
  });
});
