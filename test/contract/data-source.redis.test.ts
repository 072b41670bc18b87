import { expect } from 'chai';
import type { RedisDefinition } from '../../src/connectors/definition.js';
import { createDataSource } from '../../src/connectors/registry.js';
import type { DataSource, FetchResult } from '../../src/ports/data-source.js';
import { TestRedisServer } from '../support/redis-server.js';
import { needs } from '../support/servers.js';
import { until, within } from '../support/until.js';
import { contextOf, rejection } from '../unit/connectors/harness.js';
import { dataSourceContract, maxValueBytes } from './data-source.contract.js';

const password = 's3cret-of-redis';

describe('a Redis server', () => {
  let server: TestRedisServer;

  before(async function () {
    needs(this, 'redis-server', 'redis-server');
    server = await TestRedisServer.started();
  });
  after(() => server?.close());

  dataSourceContract('redis', async () => {
    await server.command('flushall');
    // The server keeps nothing on disk, so what it had when it went is set again.
    const had = new Map<string, Buffer>();
    const set = async (key: string, value: Buffer): Promise<void> => {
      had.set(key, value);
      await server.command('set', `item:${key}`, value);
    };
    const again = (): Promise<DataSource> =>
      createDataSource(
        { type: 'redis', url: server.url().replace('//', `//default:${password}@`), prefix: 'item:' },
        contextOf({ maxValueBytes }),
      );
    return {
      source: await again(),
      set: (key, value) => set(key, Buffer.from(value)),
      remove: async (key) => {
        had.delete(key);
        await server.command('del', `item:${key}`);
      },
      down: () => server.kill(),
      up: async () => {
        await server.start();
        for (const [key, value] of had) await set(key, value);
      },
      silence: () => server.freeze(),
      speak: async () => server.thaw(),
      named: /redis at 127\.0\.0\.1:\d+ /,
      secrets: [password],
      again,
      close: async () => {},
    };
  });

  describe('strings', () => {
    const signal = (): AbortSignal => new AbortController().signal;
    const sources: DataSource[] = [];
    const open = async (more: Partial<RedisDefinition> = {}, overrides = {}): Promise<DataSource> => {
      const definition = { type: 'redis' as const, url: server.url(), ...more };
      const source = await createDataSource(definition, contextOf({ maxValueBytes, ...overrides }));
      sources.push(source);
      return source;
    };
    beforeEach(async () => void (await server.command('flushall')));
    afterEach(() => Promise.all(sources.splice(0).map((source) => source.close?.())));

    it('live as long as Redis has left for them', async () => {
      const source = await open();
      await server.command('set', 'k', 'v', 'px', '60000');
      const [alone, [together]] = await Promise.all([
        source.fetch('k', { signal: signal() }),
        source.fetchMany!(['k'], { signal: signal() }) as Promise<readonly FetchResult[]>,
      ]);
      for (const found of [alone, together]) {
        expect(found).to.have.property('value').that.deep.equals(Buffer.from('v'));
        expect(found).to.have.property('ttlMs').that.is.within(50_000, 60_000);
      }
      await server.command('persist', 'k');
      expect(await source.fetch('k', { signal: signal() })).to.deep.equal(Buffer.from('v'));
    });

    it('of a hundred keys come with one MGET and a PTTL each, in one go', async () => {
      const source = await open();
      const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
      await server.command('mset', ...keys.flatMap((key) => [key, `of ${key}`]));
      await source.fetch('warm', { signal: signal() });
      await server.forget();
      const found = await source.fetchMany!(keys, { signal: signal() });
      expect(found).to.deep.equal(keys.map((key) => Buffer.from(`of ${key}`)));
      const { mget, pttl, get } = await server.calls();
      expect({ mget, pttl, get }).to.deep.equal({ mget: 1, pttl: 100, get: undefined });
    });

    it('are told from what is none: a list fails its own key, among others too', async () => {
      const source = await open();
      await server.command('rpush', 'list', 'a');
      await server.command('set', 'k', 'v');
      const error = await rejection(Promise.resolve(source.fetch('list', { signal: signal() })));
      expect(error.code).to.equal('DATA_SOURCE_FAILED');
      expect(error.message).to.match(/redis at 127\.0\.0\.1:\d+ says: WRONGTYPE/);
      const together = await source.fetchMany!(['list', 'k', 'none'], { signal: signal() });
      expect(together).to.deep.equal([undefined, Buffer.from('v'), null]);
    });

    it('of another database are read from there, or not at all', async () => {
      await server.command('select', '3');
      await server.command('set', 'k', 'of 3');
      await server.command('select', '0');
      await server.command('set', 'k', 'of 0');
      const three = await open({ url: `${server.url()}/3` });
      expect(await three.fetch('k', { signal: signal() })).to.deep.equal(Buffer.from('of 3'));
      const none = await open({ url: `${server.url()}/99` });
      const error = await rejection(Promise.resolve(none.fetch('k', { signal: signal() })));
      expect(error.message).to.match(/says: ERR DB index is out of range/);
    });

    it('of a server that asks for a password are not read without it, and nothing tells the wrong one', async () => {
      await server.command('config', 'set', 'requirepass', 'right');
      try {
        for (const credentials of ['', `:${password}@`]) {
          const source = await open({ url: server.url().replace('//', `//${credentials}`) });
          const error = await rejection(Promise.resolve(source.fetch('k', { signal: signal() })));
          expect(error.code).to.equal('DATA_SOURCE_FAILED');
          expect(error.message)
            .to.match(/says: (NOAUTH|WRONGPASS)/)
            .and.not.include(password);
        }
        const source = await open({ url: server.url().replace('//', '//:right@') });
        expect(await source.fetch('k', { signal: signal() })).to.equal(null);
      } finally {
        await server.command('config', 'set', 'requirepass', '');
      }
    });

    it('of a server that went silent are given up, and what was asked for does not stay in line', async () => {
      const source = await open({}, { readTimeoutMs: 100 });
      await server.command('set', 'k', 'v');
      await source.fetch('k', { signal: signal() });
      await server.freeze();
      const error = await rejection(Promise.resolve(source.fetch('k', { signal: signal() })));
      server.thaw();
      expect(error.code).to.equal('DATA_SOURCE_FAILED');
      expect(error.message).to.match(/went silent|broke the connection/);
      expect(await source.fetch('k', { signal: signal() })).to.deep.equal(Buffer.from('v'));
    });

    const refused: readonly (readonly [string, Partial<RedisDefinition>, RegExp])[] = [
      ['a path that is no number', { url: 'redis://u:hunter2@h/cache' }, /source\.url: has a path that is no number/],
      ['parameters', { url: 'redis://u:hunter2@h?family=6' }, /source\.url: has parameters/],
      ['another protocol', { url: 'http://u:hunter2@h' }, /starts with http:, allowed are redis: and rediss:/],
      ['no URL', { url: 'hunter2' }, /source\.url: is no URL/],
      ['a database of a cluster', { url: 'redis://u:hunter2@h/1', cluster: true }, /a cluster has database 0 only/],
      ['a node that is no address', { nodes: ['h'] }, /source\.nodes: holds 'h', which is no host:port/],
    ];
    for (const [name, more, says] of refused) {
      it(`keep a node from starting with ${name}`, async () => {
        const error = await rejection(open(more));
        expect(error.code).to.equal('INVALID_ARGUMENT');
        expect(error.message).to.match(says).and.not.include('hunter2');
      });
    }
  });
});

describe('a Redis cluster', function () {
  this.timeout(30_000);
  let nodes: readonly TestRedisServer[] = [];

  before(async function () {
    needs(this, 'redis-server', 'redis-server');
    nodes = await TestRedisServer.cluster();
  });
  after(() => Promise.all(nodes.map((node) => node.close())));

  const definitions = {
    'cluster: true': () => ({ url: nodes[0]!.url(), cluster: true }),
    'several nodes, the first of which is not there': () => ({
      url: 'redis://127.0.0.1:9',
      nodes: nodes.map(({ port }) => `127.0.0.1:${port}`),
    }),
  };
  for (const [name, definition] of Object.entries(definitions)) {
    dataSourceContract(`redis, ${name}`, async () => {
      for (const node of nodes) await node.command('flushall');
      const again = (): Promise<DataSource> =>
        createDataSource({ type: 'redis', ...definition(), prefix: 'item:' }, contextOf({ maxValueBytes }));
      const had = new Map<string, Buffer>();
      const owner = (key: string): TestRedisServer => nodes[TestRedisServer.partOf(`item:${key}`, nodes.length)]!;
      const set = async (key: string, value: Buffer): Promise<void> => {
        had.set(key, value);
        await owner(key).command('set', `item:${key}`, value);
      };
      const down = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.kill())));
      const up = async (): Promise<void> => {
        await Promise.all(nodes.map((node) => node.start()));
        await TestRedisServer.whole(nodes);
        for (const [key, value] of had) await set(key, value);
      };
      return {
        source: await again(),
        set: (key, value) => set(key, Buffer.from(value)),
        remove: async (key) => {
          had.delete(key);
          await owner(key).command('del', `item:${key}`);
        },
        // A cluster takes two seconds to come back, so once will do.
        ...(name === 'cluster: true' && { down, up }),
        silence: async () => void (await Promise.all(nodes.map((node) => node.freeze()))),
        speak: async () => {
          for (const node of nodes) node.thaw();
        },
        named: /redis at 127\.0\.0\.1:\d+ (and the other nodes|broke the connection)/,
        again,
        close: async () => {},
      };
    });
  }

  // The last of them: the cluster is not whole after it.
  describe('that loses a node', () => {
    it('goes on without it, fails its keys at once, and follows them to where they went', async () => {
      const [first, gone, last] = nodes as readonly [TestRedisServer, TestRedisServer, TestRedisServer];
      const keyOf = (part: number): string =>
        Array.from({ length: 100 }, (_, i) => `k${i}`).find(
          (key) => TestRedisServer.partOf(key, nodes.length) === part,
        )!;
      const [kept, lost] = [keyOf(2), keyOf(1)];
      await last.command('set', kept, 'kept');
      await gone.command('set', lost, 'lost');
      const source = await createDataSource(
        { type: 'redis', url: first.url(), cluster: true },
        contextOf({ maxValueBytes }),
      );
      const fetchOf = async (key: string): Promise<unknown> =>
        source.fetch(key, { signal: new AbortController().signal });
      try {
        expect(await Promise.all([kept, lost].map(fetchOf))).to.deep.equal([Buffer.from('kept'), Buffer.from('lost')]);
        await gone.kill();
        const callers = Array.from({ length: 50 }, () => rejection(fetchOf(lost)));
        for (const { code } of await within(10_000, 'failing', Promise.all(callers))) {
          expect(code).to.equal('DATA_SOURCE_FAILED');
        }
        expect(await fetchOf(kept)).to.deep.equal(Buffer.from('kept'));

        await first.take(lost, [first, last]);
        await first.command('set', lost, 'found');
        await until('the key is found where it went', async () => {
          const found = await fetchOf(lost).catch(() => undefined);
          return Buffer.from('found').equals(Buffer.from((found as Uint8Array | null) ?? ''));
        });
        expect(await fetchOf(kept)).to.deep.equal(Buffer.from('kept'));
      } finally {
        await source.close?.();
      }
    });
  });
});
