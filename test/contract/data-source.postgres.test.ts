import { expect } from 'chai';
import { codeOf } from '../../src/base/errors.js';
import type { PostgresDefinition } from '../../src/connectors/definition.js';
import { parseQuery } from '../../src/connectors/postgres-query.js';
import { createDataSource } from '../../src/connectors/registry.js';
import type { DataSource, FetchResult } from '../../src/ports/data-source.js';
import { type Log, silent } from '../../src/ports/log.js';
import { TestPostgresServer } from '../support/postgres-server.js';
import { needs } from '../support/servers.js';
import { until } from '../support/until.js';
import { contextOf, rejection } from '../unit/connectors/harness.js';
import { dataSourceContract, maxValueBytes } from './data-source.contract.js';

describe('a PostgreSQL server', () => {
  let server: TestPostgresServer;

  before(async function () {
    needs(this, 'postgres', 'postgresql');
    this.timeout(60_000);
    server = await TestPostgresServer.started();
    await server.sql('create table item (id text primary key, value bytea not null)');
  });
  after(() => server?.close());

  for (const prepare of [true, false]) {
    dataSourceContract(`postgres${prepare ? '' : ', unprepared'}`, async () => {
      await server.sql('truncate item');
      const again = (): Promise<DataSource> =>
        createDataSource(
          { type: 'postgres', url: server.url(), query: 'select value from item where id = $1', prepare },
          contextOf({ maxValueBytes }),
        );
      return {
        source: await again(),
        set: async (key, value) => {
          const upsert = 'insert into item values ($1, $2) on conflict (id) do update set value = excluded.value';
          await server.sql(upsert, [key, Buffer.from(value)]);
        },
        remove: async (key) => void (await server.sql('delete from item where id = $1', [key])),
        holds: (key) => !key.includes('\0'),
        down: () => server.kill(),
        up: () => server.start(),
        silence: async () => void (await server.sql('begin; lock table item in access exclusive mode')),
        speak: async () => void (await server.sql('rollback')),
        named: /postgres at 127\.0\.0\.1:\d+ /,
        secrets: [server.password],
        again,
        close: async () => {},
      };
    });
  }

  describe('rows', () => {
    let sources: DataSource[] = [];

    before(async () => {
      await server.sql(`create table kinds (id int primary key, doc jsonb, bin bytea, big bigint, exact numeric, share
        float8, yes boolean, at timestamptz, keep interval, until timestamptz, note text)`);
      await server.sql(`insert into kinds values
        (1, '{"a": [1, 2.50]}', '\\x00ff', 9007199254740993, 1.50, 0.1, true, '2026-01-02 03:04:05.678901+02', '1 day 00:00:01.5',
         'infinity', 'é'),
        (2, null, null, 7, null, 'NaN', false, null, null, null, null)`);
      await server.sql('create table pair (id uuid primary key, name varchar(20))');
    });
    afterEach(async () => {
      await Promise.all(sources.map((source) => source.close?.()));
      sources = [];
    });

    const open = async (
      query: string,
      more: Partial<PostgresDefinition> = {},
      log: Log = silent,
    ): Promise<DataSource> => {
      const definition = { type: 'postgres' as const, url: server.url(), query, ...more };
      const source = await createDataSource(definition, contextOf({ maxValueBytes, log }));
      sources.push(source);
      return source;
    };
    const signal = (): AbortSignal => new AbortController().signal;
    const plain = (result: unknown): unknown =>
      result instanceof Uint8Array ? [...result] : result instanceof Error ? (codeOf(result) ?? result) : result;
    /** Asked for alone and along with others; both must say the same. */
    const bothWays = async (source: DataSource, key: string): Promise<unknown> => {
      const alone = await source.fetch(key, { signal: signal() });
      const [together] = (await source.fetchMany!([key, '-1'], { signal: signal() })) as readonly FetchResult[];
      expect(plain(together)).to.deep.equal(plain(alone));
      return plain(alone);
    };

    const of = (columns: string): string => `select ${columns} from kinds where id = $1`;
    const rows: readonly (readonly [name: string, query: string, key: string, expected: unknown])[] = [
      ['text', of('note'), '1', 'é'],
      ['JSON as the database writes it', of('doc'), '1', '{"a": [1, 2.50]}'],
      ['bytes', of('bin'), '1', [0, 255]],
      ['an integer beyond 2^53', of('big'), '1', '9007199254740993'],
      ['a decimal with its zeros', of('exact'), '1', '1.50'],
      ['a boolean', of('yes'), '1', 'true'],
      ['a single NULL', of('note'), '2', null],
      ['no row', of('note'), '3', null],
      ['a key that the type cannot hold', of('note'), 'one', null],
      ['a key beyond the range of the type', of('note'), '99999999999', null],
      [
        'several columns as JSON',
        of('id, doc, bin, big, exact, share, yes, note'),
        '1',
        '{"id":1,"doc":{"a": [1, 2.50]},"bin":"AP8=","big":"9007199254740993","exact":"1.50","share":0.1,"yes":true,"note":"é"}',
      ],
      ['NULL and NaN among several columns', of('big, share, note'), '2', '{"big":7,"share":"NaN","note":null}'],
      ['the first row of many', 'select note from kinds where id >= $1 order by id', '1', 'é'],
      ['parameters in text and comments', `${of("'$2' || note")} -- $3 ;`, '1', '$2é'],
      ['a query that ends in a semicolon', `${of('note')};`, '1', 'é'],
      [
        'a query with a common table',
        'with k as (select $1::int as id) select note from kinds join k using (id)',
        '1',
        'é',
      ],
      ['a query that names the key twice', 'select note from kinds where id = $1 and id + 0 = $1', '1', 'é'],
    ];
    for (const [name, query, key, expected] of rows) {
      it(`are answered with ${name}`, async () => {
        const source = await open(query);
        const isPlain = /^-?\d{1,9}$/.test(key);
        if (isPlain) expect(await bothWays(source, key)).to.deep.equal(expected);
        else expect(plain(await source.fetch(key, { signal: signal() }))).to.deep.equal(expected);
      });
    }

    it('are asked for alone where the type may refuse the key, so that no other key fails with it', async () => {
      const source = await open(of('note'));
      const found = await source.fetchMany!(['1', ' 1 ', 'one', '3'], { signal: signal() });
      expect(found).to.deep.equal(['é', undefined, undefined, null]);
      expect(await source.fetch(' 1 ', { signal: signal() })).to.equal('é');
    });

    it('tell their version and how long they stay good', async () => {
      const source = await open(of('note, big, at, keep, until'), { versionColumn: 'at', ttlColumn: 'keep' });
      const value = '{"note":"é","big":"9007199254740993","until":"infinity"}';
      const version = Date.parse('2026-01-02T03:04:05+02:00') + 678.901;
      expect(await bothWays(source, '1')).to.deep.equal({ value, version, ttlMs: 86_401_500 });
      expect(await bothWays(source, '2')).to.deep.equal({ value: '{"note":null,"big":7,"until":null}' });
      const moments = await open(of('note, until'), { ttlColumn: 'until' });
      expect(await bothWays(moments, '1')).to.deep.equal({ value: 'é', ttlMs: Number.POSITIVE_INFINITY });
      const at = await open(of('note, at, id'), { versionColumn: 'id', ttlColumn: 'at' });
      const expiresAt = new Date('2026-01-02T03:04:05.678+02:00');
      expect(await bothWays(at, '1')).to.deep.equal({ value: 'é', version: 1, expiresAt });
    });

    it('tell their tags', async () => {
      const rows: readonly (readonly [column: string, tags: readonly string[] | undefined])[] = [
        ["array['a', 'b c', 'é', '{', 'null']", ['a', 'b c', 'é', '{', 'null']],
        ["array['a']::varchar[]", ['a']],
        ["'{}'::text[]", []],
        ["'one, tag'", ['one, tag']],
        [`'["a","b"]'::jsonb`, ['a', 'b']],
        ['null::text[]', undefined],
      ];
      for (const [column, tags] of rows) {
        const source = await open(of(`note, ${column} as labels`), { tagsColumn: 'labels' });
        expect(await bothWays(source, '1'), column).to.deep.equal({ value: 'é', ...(tags && { tags }) });
      }
    });

    const failing: readonly (readonly [string, string, Partial<PostgresDefinition>, RegExp])[] = [
      [
        'a missing table',
        'select a from nowhere where id = $1',
        {},
        /says: relation "nowhere" does not exist \(42P01\)/,
      ],
      ['a query that is none', 'selec $1', {}, /says: syntax error/],
      ['a missing version', of('note'), { versionColumn: 'v' }, /no column 'v', which versionColumn names/],
      [
        'a version that is none',
        of('note, doc'),
        { versionColumn: 'note' },
        /versionColumn 'note' holds what is no version/,
      ],
      ['a number as time to live', of('note, big'), { ttlColumn: 'big' }, /make_interval\(secs => big\)/],
      ['missing tags', of('note'), { tagsColumn: 'labels' }, /no column 'labels', which tagsColumn names/],
      [
        'tags that begin as JSON and are none',
        of("note, '[oops' as labels"),
        { tagsColumn: 'labels' },
        /tagsColumn 'labels' is no JSON array of texts/,
      ],
      ['nothing but a version', of('big'), { versionColumn: 'big' }, /returns no column for the value/],
      ['two columns of one name', of('note, doc as note'), {}, /two columns 'note'/],
      ['a division by zero', 'select 1 / (id - 1) from kinds where id = $1', {}, /division by zero \(22012\)/],
    ];
    for (const [name, query, more, says] of failing) {
      it(`fail on ${name}, when they are asked for`, async () => {
        const error = await rejection(Promise.resolve((await open(query, more)).fetch('1', { signal: signal() })));
        expect(error.code).to.equal('DATA_SOURCE_FAILED');
        expect(error.message).to.match(says).and.not.include('\n');
      });
    }

    const refused: readonly (readonly [string, Partial<PostgresDefinition>, RegExp])[] = [
      ['a query without the key', { query: "select '$1'" }, /source\.query: has no parameter for the key/],
      ['another parameter', { query: 'select $2' }, /has the parameter \$2, but only \$1/],
      ['two statements', { query: 'select $1; drop table kinds' }, /has more than one statement/],
      [
        'a certificate that is not there',
        { url: 'postgres://u:hunter2@h/d?sslrootcert=/nowhere.pem' },
        /source\.url: cannot be used: ENOENT/,
      ],
    ];
    for (const [name, more, says] of refused) {
      it(`keep a node from starting with ${name}`, async () => {
        const error = await rejection(open(of('note'), more));
        expect(error.code).to.equal('INVALID_ARGUMENT');
        expect(error.message).to.match(says).and.not.include('hunter2');
      });
    }

    it('of a hundred keys come with one query that uses the index', async () => {
      await server.sql('insert into pair select gen_random_uuid(), i::text from generate_series(1, 20000) as i');
      await server.sql('analyze pair');
      const pairs = (await server.sql('select id, name from pair limit 100')) as { id: string; name: string }[];
      const source = await open('select name from pair where id = $1');
      const keys = pairs.map(({ id }) => id);
      await source.fetchMany!(keys, { signal: signal() });
      await server.forget();
      expect(await source.fetchMany!(keys, { signal: signal() })).to.deep.equal(pairs.map(({ name }) => name));
      const [statement, ...more] = await server.statements();
      expect(more).to.deep.equal([]);
      expect(statement).to.include('unnest($1::pg_catalog.uuid[])');
      const text = parseQuery(
        { type: 'postgres', url: '', query: 'select name from pair where id = $1' },
        'ks',
      ).together('uuid');
      const plan = await server.sql(`explain ${text.replace('$1', `array['${keys[0]}']`)}`);
      expect(JSON.stringify(plan)).to.include('Index Scan using pair_pkey');
    });

    it('of a query that no other can hold are asked for one by one, and the log says so once', async () => {
      const lines: string[] = [];
      const log: Log = { write: (_, message) => void lines.push(message) };
      const source = await open('update kinds set note = note where id = $1 returning note', {}, log);
      expect(await source.fetchMany!(['1', '2'], { signal: signal() })).to.deep.equal([undefined, undefined]);
      expect(source.fetchMany).to.equal(undefined);
      expect(lines).to.deep.equal(['keys are asked for one by one: the query cannot be asked for many at once']);
      expect(await source.fetch('1', { signal: signal() })).to.equal('é');
    });

    it('of which one makes the query fail are asked for one by one', async () => {
      const source = await open('select (10 / (id - 1))::text from kinds where id = $1');
      const both = await source.fetchMany!(['1', '2'], { signal: signal() });
      expect(both).to.deep.equal([undefined, undefined]);
      expect(await source.fetch('2', { signal: signal() })).to.equal('10');
      expect(await source.fetchMany!(['2', '3'], { signal: signal() })).to.deep.equal(['10', null]);
    });

    it('are read on after a column has changed its type, on connections that knew the old one', async () => {
      await server.sql('create table moved (id int primary key, value int); insert into moved values (1, 1)');
      const source = await open('select value from moved where id = $1', { maxConnections: 1 });
      expect(await bothWays(source, '1')).to.equal('1');
      await server.sql("alter table moved alter value type text using 'n' || value, alter id type bigint");
      await server.sql("insert into moved values (5000000000, 'big')");
      expect(await source.fetch('1', { signal: signal() })).to.equal('n1');
      expect(await source.fetch('5000000000', { signal: signal() })).to.equal('big');
      expect(await bothWays(source, '1')).to.equal('n1');
    });

    for (const tls of [false, true]) {
      it(`that nobody waits for any more are no longer worked on by the server${tls ? ', over TLS' : ''}`, async function () {
        if (tls) {
          needs(this, 'openssl', 'openssl');
          await server.takeTls();
        }
        const url = `${server.url()}${tls ? '?sslmode=no-verify' : ''}`;
        await expectCancelled(await open('select pg_sleep(60)::text || $1', { url, statementTimeoutMs: 60_000 }), tls);
      });
    }

    const expectCancelled = async (source: DataSource, tls: boolean): Promise<void> => {
      const stop = new AbortController();
      const waiting = rejection(Promise.resolve(source.fetch('k', { signal: stop.signal })));
      const running =
        "select count(*)::int as n from pg_stat_activity where state = 'active' and query like '%pg_sleep(60)%' and application_name = 'distcache'";
      const count = async (): Promise<number> => (await server.sql(running))[0]!.n as number;
      await until('the statement runs', async () => (await count()) === 1);
      const [secured] = await server.sql(
        "select bool_and(ssl) as ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'distcache'",
      );
      expect(secured!.ssl).to.equal(tls);
      stop.abort();
      expect((await waiting).code).to.equal('ABORTED');
      await until('the statement is cancelled', async () => (await count()) === 0, 5000);
      await until('its connection is gone', async () => (await server.connections()) === 0, 5000);
    };

    it('that take longer than statementTimeout are given up by the server', async () => {
      const source = await open('select pg_sleep(60)::text || $1', { statementTimeoutMs: 50 });
      const error = await rejection(Promise.resolve(source.fetch('k', { signal: signal() })));
      expect(error.code).to.equal('TIMEOUT');
      expect(error.message).to.match(/postgres at .* says: canceling statement due to statement timeout \(57014\)/);
    });

    it('of any number of callers come over maxConnections connections', async () => {
      // Those of sources that were closed are gone when the server has noticed.
      await until('there are no connections', async () => (await server.connections()) === 0);
      const source = await open('select pg_sleep(0.05)::text || $1', { maxConnections: 2 });
      const all = Promise.all(Array.from({ length: 8 }, (_, i) => source.fetch(`k${i}`, { signal: signal() })));
      let most = 0;
      let isOver = false;
      void all.then(() => {
        isOver = true;
      });
      while (!isOver) most = Math.max(most, await server.connections());
      expect(await all).to.deep.equal(Array.from({ length: 8 }, (_, i) => `k${i}`));
      expect(most).to.be.within(1, 2);
    });

    it('far larger than a value may be are not taken in', async () => {
      const source = await open('select repeat($1, 100000000)', { maxConnections: 1 });
      const before = process.memoryUsage().rss;
      const error = await rejection(Promise.resolve(source.fetch('k', { signal: signal() })));
      expect(error.code).to.equal('VALUE_TOO_LARGE');
      expect(process.memoryUsage().rss - before).to.be.below(60e6);
      expect(await (await open(of('note'))).fetch('1', { signal: signal() })).to.equal('é');
    });
  });
});
