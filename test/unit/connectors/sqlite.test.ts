import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { timedOut } from '../../../src/base/errors.js';
import type { DataSource } from '../../../src/ports/data-source.js';
import { hostileKeys } from '../../support/hostile-keys.js';
import { fetchOf, rejection, textOf, useSources } from './harness.js';

describe('the sqlite source', () => {
  const harness = useSources();
  const byId = 'select json from city where id = :key';

  const write = (statements: string): void => {
    const database = new DatabaseSync(join(harness.folder, 'cities.db'));
    database.exec(statements);
    database.close();
  };
  const open = (query: string, overrides = {}): Promise<DataSource> =>
    harness.create({ type: 'sqlite', file: 'cities.db', query }, overrides);

  beforeEach(() => {
    write(
      `create table city(id text primary key, json text, bytes blob, big integer, share real);
       insert into city values ('paris', '{"name":"Paris"}', x'00ff80', 9007199254740993, 0.5), ('void', null, null, 7, null), ('blank', '', x'', 0, 1)`,
    );
  });

  const tagged: readonly (readonly [name: string, column: string, expected: unknown])[] = [
    ['one', "'site, home'", { value: 'paris', tags: ['site, home'] }],
    ['several, in a JSON array', "json_array('a', 'é')", { value: 'paris', tags: ['a', 'é'] }],
    ['none', 'null', 'paris'],
  ];
  for (const [name, column, expected] of tagged) {
    it(`tells tags of a row that has ${name}, which are no part of the value`, async () => {
      const query = `select ${column} as labels, id from city where id = :key`;
      const source = await harness.create({ type: 'sqlite', file: 'cities.db', query, tagsColumn: 'labels' });
      expect(await fetchOf(source, 'paris')).to.deep.equal(expected);
      expect(await fetchOf(source, 'london')).to.equal(null);
    });
  }

  const untagged: readonly (readonly [name: string, columns: string, says: RegExp])[] = [
    ['a column that is not there', 'id', /sqlite: tagsColumn 'labels' names no column of the query/],
    ['no column for the value', 'id as labels', /tagsColumn 'labels' is the only column/],
    ['a number', 'id, 7 as labels', /tagsColumn 'labels' is no text/],
    ['what begins as JSON and is none', "id, '[a' as labels", /tagsColumn 'labels' is no JSON array of texts/],
  ];
  for (const [name, columns, says] of untagged) {
    it(`fails where tags should be and there is ${name}`, async () => {
      const query = `select ${columns} from city where id = :key`;
      const source = await harness.create({ type: 'sqlite', file: 'cities.db', query, tagsColumn: 'labels' });
      const error = await rejection(fetchOf(source, 'paris'));
      expect(error.code).to.equal('DATA_SOURCE_FAILED');
      expect(error.message).to.match(says).and.not.include('\n');
    });
  }

  const rows: readonly [name: string, query: string, key: string, expected: string | Uint8Array | null][] = [
    ['text', byId, 'paris', '{"name":"Paris"}'],
    ['empty text', byId, 'blank', ''],
    ['a blob, bit for bit', 'select bytes from city where id = :key', 'paris', Uint8Array.of(0, 255, 128)],
    ['an empty blob', 'select bytes from city where id = :key', 'blank', new Uint8Array()],
    ['an integer beyond 2^53, exactly', 'select big from city where id = :key', 'paris', '9007199254740993'],
    ['a fraction', 'select share from city where id = :key', 'paris', '0.5'],
    ['no row', byId, 'london', null],
    ['a single NULL', byId, 'void', null],
    [
      'several columns as JSON',
      'select id, bytes, big, share from city where id = :key',
      'paris',
      '{"id":"paris","bytes":"AP+A","big":"9007199254740993","share":0.5}',
    ],
    ['NULL among several columns', 'select json, big from city where id = :key', 'void', '{"json":null,"big":7}'],
    ['$key', 'select json from city where id = $key', 'paris', '{"name":"Paris"}'],
    ['@key', 'select json from city where id = @key', 'paris', '{"name":"Paris"}'],
    ['?', 'select json from city where id = ?', 'paris', '{"name":"Paris"}'],
    ['? twice', 'select json from city where id = ? and id = ?', 'paris', '{"name":"Paris"}'],
    ['?1 twice', 'select json from city where id = ?1 and id = ?1', 'paris', '{"name":"Paris"}'],
    [':key and $key', 'select json from city where id = :key and id = $key', 'paris', '{"name":"Paris"}'],
    [
      'what looks like parameters in literals and comments',
      `select '?:other' || "id" from city /* ? :x */ where id = :key -- $y`,
      'paris',
      '?:otherparis',
    ],
    ['an integer column', 'select id from city where big = :key', '7', 'void'],
  ];
  for (const [name, query, key, expected] of rows) {
    it(`answers with ${name}`, async () => {
      expect(await fetchOf(await open(query), key)).to.deep.equal(expected);
    });
  }

  for (const [name, key] of hostileKeys) {
    it(`takes ${name} for a key and nothing else`, async () => {
      const source = await open(byId);
      expect(await textOf(source, key)).to.equal(null);
      const database = new DatabaseSync(join(harness.folder, 'cities.db'));
      database.prepare('insert into city(id, json) values (?, ?)').run(key, 'mine');
      database.close();
      expect(await textOf(source, key)).to.equal('mine');
      expect(await textOf(source, 'paris')).to.equal('{"name":"Paris"}');
    });
  }

  it('does not mistake a lone surrogate for U+FFFD', async () => {
    write(`insert into city(id, json) values ('\ufffd', 'wrong')`);
    expect(await textOf(await open(byId), '\ud800')).to.equal(null);
  });

  it('sees rows that are written while it is open', async () => {
    const source = await open(byId);
    expect(await textOf(source, 'oslo')).to.equal(null);
    write(`insert into city(id, json) values ('oslo', 'Oslo')`);
    expect(await textOf(source, 'oslo')).to.equal('Oslo');
  });

  it('cannot write, whatever the query says', async () => {
    const source = await open("update city set json = 'changed' where id = :key returning json");
    expect((await rejection(fetchOf(source, 'paris'))).code).to.equal('DATA_SOURCE_FAILED');
    expect(await textOf(await open(byId), 'paris')).to.equal('{"name":"Paris"}');
  });

  it('refuses a value above limits.maxValueBytes, and takes one of exactly that size', async () => {
    write(`insert into city(id, json) values ('fits', '${'é'.repeat(512)}'), ('over', '${'é'.repeat(512)}!')`);
    const source = await open(byId);
    expect(await textOf(source, 'fits')).to.have.length(512);
    const error = await rejection(fetchOf(source, 'over'));
    expect(error.code).to.equal('VALUE_TOO_LARGE');
    expect(error.message).to.include('limits.maxValueBytes').and.include('1025');
  });

  it('fails, and recovers, when another process holds the file locked', async () => {
    const source = await open(byId);
    const writer = new DatabaseSync(join(harness.folder, 'cities.db'));
    writer.exec('begin exclusive');
    const error = await rejection(fetchOf(source, 'paris'));
    writer.exec('rollback');
    writer.close();
    expect(error.code).to.equal('DATA_SOURCE_FAILED');
    expect(error.message).to.match(/locked/);
    expect(await textOf(source, 'paris')).to.equal('{"name":"Paris"}');
  });

  it('does not ask for a caller who has left', async () => {
    const source = await open(byId);
    expect((await rejection(fetchOf(source, 'paris', AbortSignal.abort()))).code).to.equal('ABORTED');
    const late = timedOut('the load', 5);
    expect(await rejection(fetchOf(source, 'paris', AbortSignal.abort(late)))).to.equal(late);
  });

  it('may be closed twice', async () => {
    const source = await open(byId);
    await source.close?.();
    await source.close?.();
    expect((await rejection(fetchOf(source, 'paris'))).code).to.equal('DATA_SOURCE_FAILED');
  });

  const refusals: readonly [name: string, file: string, query: string, message: RegExp][] = [
    ['a missing file', 'missing.db', byId, /^keyspaces\.cities\.source\.file: there is no database file .*missing\.db/],
    ['a folder', 'folder', byId, /source\.file: .*folder is not a file/],
    ['a file that is no database', 'notes.txt', byId, /source\.file: .*notes\.txt does not open .*not a database/],
    [
      'a missing table',
      'cities.db',
      'select a from town where id = :key',
      /source\.query: does not fit .*no such table: town/,
    ],
    ['a query that is none', 'cities.db', 'selec :key', /source\.query: does not fit .*syntax error/],
    ['a query without the key', 'cities.db', "select ':key' from city", /source\.query: has no parameter for the key/],
    ['another parameter', 'cities.db', 'select json from city where id = :id', /has the parameter :id, but only :key/],
    ['a second number', 'cities.db', 'select json from city where id = ?2', /has the parameter \?2/],
    ['mixed parameters', 'cities.db', 'select json from city where id = :key or id = ?', /mixes :key with \?/],
  ];
  for (const [name, file, query, message] of refusals) {
    it(`refuses ${name} when it opens`, async () => {
      await mkdir(join(harness.folder, 'folder'));
      await writeFile(
        join(harness.folder, 'notes.txt'),
        'no database, but long enough to look for a header in it. '.repeat(20),
      );
      const error = await rejection(harness.create({ type: 'sqlite', file, query }));
      expect(error.code).to.equal('INVALID_ARGUMENT');
      expect(error.message).to.match(message).and.not.include('\n');
    });
  }
});
