import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { checkSameTokens } from '../../../src/doctor/secrets.js';
import { checkSources } from '../../../src/doctor/sources.js';
import { systemClock } from '../../../src/platform/clock.js';
import { loaded } from '../config/support.js';
import { expectAdvice, lines } from './support.js';

describe('doctor: sources', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distcache-doctor-'));
    const database = new DatabaseSync(join(folder, 'c.db'));
    database.exec('create table city (id text, json text)');
    database.close();
    await writeFile(join(folder, 'source.mjs'), 'throw new Error("somebody ran this");');
  });
  after(() => rm(folder, { recursive: true }));

  const rows: readonly { name: string; source: string; found: string }[] = [
    {
      name: 'a database and its query',
      source: 'sqlite, file: c.db, query: "select json from city where id = :key"',
      found: 'ok keyspaces.ks.source: sqlite: opens',
    },
    {
      name: 'a query that does not fit its database',
      source: 'sqlite, file: c.db, query: "select json from town where id = :key"',
      found: 'fail keyspaces.ks.source: it refuses to start: keyspaces.ks.source.query: does not fit',
    },
    {
      name: 'no database',
      source: 'sqlite, file: gone.db, query: "select :key"',
      found: 'fail keyspaces.ks.source: it refuses to start: keyspaces.ks.source.file: there is no database file',
    },
    { name: 'a folder', source: 'directory, path: .', found: 'ok keyspaces.ks.source: directory: opens' },
    {
      name: 'no folder',
      source: 'directory, path: gone',
      found: 'fail keyspaces.ks.source: it refuses to start: keyspaces.ks.source.path: there is no folder',
    },
    {
      name: 'a module, which is not run',
      source: 'module, path: source.mjs',
      found: 'ok keyspaces.ks.source: there is a module',
    },
    {
      name: 'no module',
      source: 'module, path: gone.mjs',
      found: 'fail keyspaces.ks.source: it refuses to start: keyspaces.ks.source.path: there is no module file',
    },
    {
      name: 'a server, which is not asked',
      source: 'redis, url: "redis://127.0.0.1:1"',
      found: 'ok keyspaces.ks.source: redis: is well described',
    },
    {
      name: 'a database server, which is not asked',
      source: 'postgres, url: "postgres://u:secret@127.0.0.1:1/d", query: "select $1"',
      found: 'ok keyspaces.ks.source: postgres: is well described',
    },
    {
      name: 'a web server, which is not asked',
      source: 'http, url: "http://127.0.0.1:1/{key}"',
      found: 'ok keyspaces.ks.source: http: is well described',
    },
  ];
  for (const { name, source, found } of rows) {
    it(`as a node would open them: ${name}`, async () => {
      const { config } = loaded(`keyspaces: { ks: { maxBytes: 1MiB, source: { type: ${source} } } }`);
      const checks = await checkSources({ config, baseDir: folder, clock: systemClock });
      expect(lines(checks)).to.have.length(1);
      expect(lines(checks)[0]).to.include(found);
      expectAdvice(checks);
    });
  }
});

describe('doctor: tokens of two callers', () => {
  it('that are the same are told, and not shown', () => {
    const checks = checkSameTokens([
      { name: 'a', token: 'hunter2' },
      { name: 'b', token: 'x' },
      { name: 'c', token: 'hunter2' },
    ]);
    expect(lines(checks)).to.deep.equal(['fail auth.tokens: it refuses to start: a and c have the same token']);
    expectAdvice(checks);
  });
});
