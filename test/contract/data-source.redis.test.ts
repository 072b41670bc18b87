import { createDataSource } from '../../src/connectors/registry.js';
import type { DataSource } from '../../src/ports/data-source.js';
import { TestRedisServer } from '../support/redis-server.js';
import { needs } from '../support/servers.js';
import { contextOf } from '../unit/connectors/harness.js';
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
      return {
        source: await again(),
        set: (key, value) => set(key, Buffer.from(value)),
        remove: async (key) => {
          had.delete(key);
          await owner(key).command('del', `item:${key}`);
        },
        down: async () => void (await Promise.all(nodes.map((node) => node.kill()))),
        up: async () => {
          await Promise.all(nodes.map((node) => node.start()));
          await TestRedisServer.whole(nodes);
          for (const [key, value] of had) await set(key, value);
        },
        silence: async () => void (await Promise.all(nodes.map((node) => node.freeze()))),
        speak: async () => {
          for (const node of nodes) node.thaw();
        },
        named: /redis at 127\.0\.0\.1:\d+ /,
        again,
        close: async () => {},
      };
    });
  }
});
