import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { SourceDefinition } from '../../src/connectors/definition.js';
import { createDataSource } from '../../src/connectors/registry.js';
import type { DataSource } from '../../src/ports/data-source.js';
import { CountingSource } from '../support/counting-source.js';
import { FakeSource } from '../support/fake-source.js';
import { contextOf } from '../unit/connectors/harness.js';
import { dataSourceContract, maxValueBytes, type Tested } from './data-source.contract.js';

dataSourceContract('fake', async () => {
  const source = new FakeSource(maxValueBytes);
  return {
    source,
    set: async (key, value) => void source.values.set(key, value),
    remove: async (key) => void source.values.delete(key),
    holds: (key) => key.isWellFormed(),
    down: async () => {
      source.isDown = true;
    },
    up: async () => {
      source.isDown = false;
    },
    silence: async () => source.silence(),
    speak: async () => source.speak(),
    named: /the fake source/,
    again: async () => source,
    close: async () => {},
  };
});

/** Sources that read files of a folder. */
async function inFolder(
  definition: SourceDefinition,
  means: (folder: string) => Promise<Pick<Tested, 'set' | 'remove' | 'holds'> & { close?(): void }>,
): Promise<Tested> {
  const folder = await mkdtemp(join(tmpdir(), 'distcache-contract-'));
  const { close, ...rest } = await means(folder);
  const again = (): Promise<DataSource> => createDataSource(definition, contextOf({ baseDir: folder, maxValueBytes }));
  return {
    source: await again(),
    ...rest,
    again,
    close: async () => {
      close?.();
      await rm(folder, { recursive: true });
    },
  };
}

dataSourceContract('sqlite', () =>
  inFolder({ type: 'sqlite', file: 'items.db', query: 'select value from item where id = :key' }, async (folder) => {
    const database = new DatabaseSync(join(folder, 'items.db'));
    database.exec('pragma synchronous = off; create table item (id text primary key, value blob not null)');
    return {
      set: async (key, value) => {
        database.prepare('insert or replace into item values (?, ?)').run(key, value);
      },
      remove: async (key) => void database.prepare('delete from item where id = ?').run(key),
      close: () => database.close(),
    };
  }),
);

/** The file of a key. Throws where it lies elsewhere than in the folder: hostile keys must not write what they name. */
function fileIn(folder: string, key: string): string {
  const file = resolve(folder, key);
  if (!file.startsWith(folder + sep)) throw new Error(`a test would have written ${file}`);
  return file;
}

dataSourceContract('directory', () =>
  inFolder({ type: 'directory', path: '.' }, async (folder) => ({
    set: async (key, value) => {
      const file = fileIn(folder, key);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, value);
    },
    remove: (key) => rm(fileIn(folder, key)),
    holds: (key) => !/[\0\\]/.test(key) && key.split('/').every((part) => !['', '.', '..'].includes(part)),
  })),
);

const moduleText = `
import { existsSync, readFileSync } from 'node:fs';
const file = (key) => new URL('items/' + Buffer.from(key).toString('hex') + '-', import.meta.url);
const one = (key) => {
  if (!key.isWellFormed() || !existsSync(file(key))) return null;
  return readFileSync(file(key));
};
export default { fetch: one, fetchMany: (keys) => new Map(keys.map((key) => [key, one(key)])) };`;

dataSourceContract('module', async () => {
  const tested = await inFolder({ type: 'module', path: 'source.mjs' }, async (folder) => {
    await mkdir(join(folder, 'items'));
    await writeFile(join(folder, 'source.mjs'), moduleText);
    const file = (key: string): string => join(folder, 'items', `${Buffer.from(key).toString('hex')}-`);
    return { set: (key, value) => writeFile(file(key), value), remove: (key) => rm(file(key)) };
  });
  return { ...tested, isUnbounded: true };
});

dataSourceContract('http', async () => {
  const values = new Map<string, Uint8Array>();
  let server = await CountingSource.start((key) => values.get(key));
  const { template } = server;
  const again = (): Promise<DataSource> =>
    createDataSource(
      { type: 'http', url: template.replace('//', '//user:s3cret@'), headers: { 'x-token': 's3cret' } },
      contextOf({ maxValueBytes }),
    );
  return {
    source: await again(),
    set: async (key, value) => void values.set(key, value),
    remove: async (key) => void values.delete(key),
    // No URL can carry these as they are.
    holds: (key) => key !== '.' && key !== '..',
    down: () => server.stop(),
    up: async () => {
      server = await CountingSource.start((key) => values.get(key), Number(new URL(template).port));
    },
    silence: async () => server.hold(),
    speak: async () => server.release(),
    named: /http:\/\/127\.0\.0\.1:\d+ /,
    secrets: ['s3cret', 'user'],
    again,
    close: () => server.stop(),
  };
});
