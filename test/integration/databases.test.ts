import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { cli } from '../support/cli.js';
import { TestPostgresServer } from '../support/postgres-server.js';
import { type RealNode, RealNodes } from '../support/real-nodes.js';
import { TestRedisServer } from '../support/redis-server.js';
import { needs } from '../support/servers.js';
import { pause, until } from '../support/until.js';

/** Loads per second and burst that the nodes may ask of the database. */
const perSecond = 40;
const burst = 20;
const failures = 3;
const resetMs = 1000;

const numbers = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const textOf = (value: Uint8Array | undefined | null): string | undefined =>
  value ? Buffer.from(value).toString() : undefined;

describe('integration: real databases behind the cache', function () {
  this.timeout(60_000);
  let postgres: TestPostgresServer;
  let redis: TestRedisServer;
  let nodes: RealNodes;
  let cluster: readonly RealNode[];
  let alone: RealNode;

  before(async function () {
    needs(this, 'postgres', 'postgresql');
    needs(this, 'redis-server', 'redis-server');
    [postgres, redis, nodes] = await Promise.all([
      TestPostgresServer.started(),
      // What it had is there again after a crash.
      TestRedisServer.started('--appendonly', 'yes', '--appendfsync', 'always'),
      RealNodes.open(),
    ]);
    await postgres.sql(`create table item (id text primary key, value text not null);
      insert into item select 'k' || i, 'row ' || i from generate_series(0, 999) as i`);
    await redis.command('mset', ...numbers('k', 1000).flatMap((key, i) => [`s:${key}`, `string ${i}`]));
    const source = `{ type: postgres, url: "\${DATABASE_URL}", query: "select value from item where id = $1" }`;
    const guards = `rateLimit: { rate: ${perSecond}/s, burst: ${burst} }, breaker: { failures: ${failures}, reset: ${resetMs}ms }`;
    const config = `
admin: false
keyspaces:
  rows: { maxBytes: 8MiB, source: ${source} }
  strings: { maxBytes: 8MiB, source: { type: redis, url: "${redis.url()}", prefix: "s:" } }
  limited: { maxBytes: 8MiB, readTimeout: 30s, batch: { maxKeys: 1 }, rateLimit: { rate: 20/s, burst: 10 }, source: ${source} }
  guardedStrings: { maxBytes: 8MiB, defaultTtl: 200ms, staleIfError: 1m, readTimeout: 400ms, ${guards}, source: { type: redis, url: "${redis.url()}", prefix: "s:" } }
  guarded: { maxBytes: 8MiB, defaultTtl: 200ms, staleIfError: 1m, readTimeout: 400ms, ${guards}, source: ${source} }
`;
    const env = { DATABASE_URL: postgres.url() };
    cluster = await nodes.cluster(['one', 'two'], { config, env });
    alone = await nodes.start({ name: 'alone', config, env });
  });
  after(async () => {
    await nodes?.close();
    await Promise.all([postgres?.close(), redis?.close()]);
  });

  const statements = async (): Promise<readonly string[]> =>
    (await postgres.statements()).filter((statement) => statement.startsWith('select') && statement.includes('item'));

  it('100 cold keys of one node are a few statements at PostgreSQL, not 100', async () => {
    const client = nodes.client(cluster.slice(0, 1));
    await client.getMany('rows', ['k900', 'k901', 'k902', 'k903']);
    const keys = numbers('k', 100);
    await postgres.forget();
    const found = await client.getMany('rows', keys);
    expect(found.map(({ value }) => textOf(value))).to.deep.equal(keys.map((_, i) => `row ${i}`));
    // Each of the two nodes owns about half of them, and asks for these.
    expect((await statements()).length).to.be.within(2, 6);
    await postgres.forget();
    expect(await client.getMany('rows', keys)).to.have.length(100);
    expect(await statements()).to.deep.equal([]);
  });

  it('as do 100 cold keys that 100 callers ask of both nodes at once, some of which are not there', async () => {
    const keys = [...numbers('k', 200).slice(110), ...numbers('none', 10)];
    const clients = cluster.map((node) => nodes.client([node]));
    await postgres.forget();
    const found = await Promise.all(
      keys.flatMap((key) => clients.map((client) => client.getMany('rows', [key]).then(([lookup]) => lookup?.value))),
    );
    const expected = keys.flatMap((key) => Array(2).fill(key.startsWith('none') ? undefined : `row ${key.slice(1)}`));
    expect(found.map((value) => textOf(value))).to.deep.equal(expected);
    expect((await statements()).length).to.be.below(keys.length / 2);
  });

  it('100 cold keys are a few MGETs at Redis, and no GET', async () => {
    const client = nodes.client(cluster.slice(1));
    await client.getMany('strings', ['k900', 'k901', 'k902', 'k903']);
    const keys = numbers('k', 100);
    await redis.forget();
    const found = await client.getMany('strings', keys);
    expect(found.map(({ value }) => textOf(value))).to.deep.equal(keys.map((_, i) => `string ${i}`));
    const { mget = 0, get = 0, pttl = 0 } = await redis.calls();
    expect(mget + get).to.be.within(2, 6);
    expect(pttl).to.equal(100);
  });

  describe('under load', () => {
    let client: Client;
    const keys = numbers('k', 5);
    let keyspace: 'guarded' | 'guardedStrings';
    const seen = new Map<string, number>();
    const wrong: unknown[] = [];
    let isOver: boolean;
    let load: Promise<void>;

    const count = (outcome: string): number => seen.get(outcome) ?? 0;
    const circuit = async (): Promise<string | undefined> => (await client.keyspace(keyspace)).source?.breaker?.state;
    const becomes = (state: string): Promise<void> =>
      until(`the circuit is ${state}`, async () => (await circuit()) === state);

    /** Some 200 reads a second, of keys whose time to live is a fifth of one. */
    const read = async (): Promise<void> => {
      for (let i = 0; !isOver; i++) {
        const key = keys[i % keys.length]!;
        client.get(keyspace, key).then(
          ({ outcome, value }) => {
            seen.set(outcome, count(outcome) + 1);
            if (!textOf(value)?.endsWith(` ${key.slice(1)}`)) wrong.push(value);
          },
          (error) => wrong.push(error),
        );
        await pause(5);
      }
    };

    const begin = async (of: typeof keyspace): Promise<void> => {
      keyspace = of;
      client = nodes.client([alone]);
      for (const key of keys) await client.get(keyspace, key);
      seen.clear();
      isOver = false;
      load = read();
      await until('values are loaded again as they expire', () => count('load') > 10);
    };
    afterEach(async () => {
      isOver = true;
      await load;
      expect(wrong.splice(0).slice(0, 3).map(String)).to.deep.equal([]);
    });

    /** How often the server was asked for a key, or for some, in its own count. */
    const servers = {
      guarded: { server: () => postgres, asked: async () => (await statements()).length },
      guardedStrings: {
        server: () => redis,
        asked: async () => {
          const { get = 0, mget = 0 } = await redis.calls();
          return get + mget;
        },
      },
    };
    for (const [name, of] of [
      ['the database', 'guarded'],
      ['Redis', 'guardedStrings'],
    ] as const) {
      it(`${name} is killed: the circuit opens, old values are served, and it is found when it is back`, async () => {
        await begin(of);
        const { server, asked } = servers[of];
        await server().kill();
        await becomes('open');
        seen.clear();
        await until('old values are served', () => count('stale') > 50);
        expect(count('load')).to.equal(0);
        await postgres.forget();
        await server().start();
        const startedMs = performance.now();
        await becomes('closed');
        seen.clear();
        await until('values are loaded again', () => count('load') > 10);
        const questions = await asked();
        const seconds = (performance.now() - startedMs) / 1000;
        expect(questions).to.be.within(1, burst + perSecond * (seconds + 1));
      });
    }

    it('the database goes silent: one statement at a time finds out, once in the reset time', async () => {
      await begin('guarded');
      // A statement that waits for a lock is not logged yet, so the server is asked what it works on.
      const active = `select pid || ' since ' || query_start as statement from pg_stat_activity
        where application_name = 'distcache' and state = 'active' and query like '%item%'`;
      // Within a transaction the server would go on telling what it saw first.
      const running = async (): Promise<readonly unknown[]> => {
        await postgres.sql('select pg_stat_clear_snapshot()');
        return (await postgres.sql(active)).map(({ statement }) => statement);
      };
      const probes = new Set<unknown>();
      let most = 0;
      await postgres.sql('begin; lock table item in access exclusive mode');
      try {
        await becomes('open');
        await until('what began before that is over', async () => (await running()).length === 0);
        seen.clear();
        const fromMs = performance.now();
        while (performance.now() - fromMs < 3.5 * resetMs) {
          const now = await running();
          most = Math.max(most, now.length);
          for (const statement of now) probes.add(statement);
          await pause(20);
        }
        const seconds = (performance.now() - fromMs) / 1000;
        expect(most).to.equal(1);
        expect(probes.size).to.be.within(2, Math.floor((seconds * 1000) / resetMs) + 1);
        expect(count('load')).to.equal(0);
        expect(count('stale')).to.be.above(100);
      } finally {
        await postgres.sql('rollback');
      }
      await becomes('closed');
      await until('values are loaded again', () => count('load') > 10);
    });
  });

  it('the database is asked no more often than the bucket allows, however many keys are asked for', async () => {
    const client = nodes.client([alone]);
    await postgres.forget();
    const fromMs = performance.now();
    const reads = numbers('k', 300).map((key) =>
      client.get('limited', key).then(
        () => 'read',
        ({ code }) => code as string,
      ),
    );
    const outcomes = await Promise.all(reads);
    const given = await statements();
    const seconds = (performance.now() - fromMs) / 1000;
    expect([...new Set(outcomes)].sort()).to.deep.equal(['DATA_SOURCE_RATE_LIMITED', 'read']);
    expect(given.length).to.equal(outcomes.filter((outcome) => outcome === 'read').length);
    expect(given.length).to.be.within(10, 10 + 20 * seconds);
  });

  describe('that are not there yet', () => {
    it('keep no node from starting; its loads fail by name and without secrets until they are', async () => {
      await postgres.kill();
      const config = (url: string): string =>
        `admin: false\nkeyspaces:\n  rows: { maxBytes: 8MiB, source: { type: postgres, url: "${url}", query: "select value from item where id = $1" } }`;
      const node = await nodes.start({ name: 'early', config: config(postgres.url()) });
      const get = (): ReturnType<typeof cli> => cli(['get', 'rows', 'k1', '--json', '--addr', node.grpc]);
      const failed = await get();
      expect(failed.exit).to.equal(1);
      expect(JSON.parse(failed.stdout.toString()).error.code).to.equal('DATA_SOURCE_FAILED');
      expect(failed.stderr).to.match(/postgres at 127\.0\.0\.1:\d+ refused the connection; is it running\?/);
      await postgres.start();
      expect(JSON.parse((await get()).stdout.toString())).to.include({ value: 'row 1', outcome: 'load' });
      for (const text of [failed.stderr, failed.stdout.toString(), node.stderr, node.stdout]) {
        expect(text).to.not.include(postgres.password);
      }
    });
  });
});
