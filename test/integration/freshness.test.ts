import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import type { Lookup } from '../../src/ports/cache.js';
import { cli, type Ended } from '../support/cli.js';
import { CountingSource } from '../support/counting-source.js';
import { configOf, httpSource, type RealNode, RealNodes } from '../support/real-nodes.js';
import { seeded } from '../support/seeded.js';
import { until } from '../support/until.js';

const keysPerRow = 12;
const text = ({ value }: Lookup): string | undefined => value && Buffer.from(value).toString();

interface Write {
  readonly name: string;
  readonly is: 'put' | 'delete';
  /** Leaves `value` under every key, or nothing, and returns once the cache says that it is done. */
  run(client: Client, node: RealNode, keys: readonly string[], value: string): Promise<void>;
}

const succeed = (ended: Ended): void => {
  expect(ended, ended.stderr).to.deep.include({ exit: 0, stderr: '' });
};
const entriesOf = (keys: readonly string[], value: string) => keys.map((key) => ({ key, value: Buffer.from(value) }));
const linesOf = (keys: readonly string[], value: string): string =>
  keys.map((key) => JSON.stringify({ key, value })).join('\n');

const writes: readonly Write[] = [
  {
    name: 'put',
    is: 'put',
    run: async (client, _, keys, value) => {
      const results = await Promise.all(entriesOf(keys, value).map((entry) => client.put('ks', entry)));
      for (const { unreached } of results) expect(unreached).to.deep.equal([]);
    },
  },
  {
    name: 'delete',
    is: 'delete',
    run: async (client, _, keys) => {
      const results = await Promise.all(keys.map((key) => client.delete('ks', key)));
      for (const { unreached } of results) expect(unreached).to.deep.equal([]);
    },
  },
  {
    name: 'putMany',
    is: 'put',
    run: async (client, _, keys, value) => {
      const result = await client.putMany('ks', entriesOf(keys, value));
      expect(result).to.deep.equal({ written: keys.length, unreached: [] });
    },
  },
  {
    name: 'deleteMany',
    is: 'delete',
    run: async (client, _, keys) => {
      expect(await client.deleteMany('ks', keys)).to.deep.equal({ written: keys.length, unreached: [] });
    },
  },
  {
    name: 'distcache put --from',
    is: 'put',
    run: async (_, { grpc }, keys, value) => {
      succeed(await cli(['put', 'ks', '--from', '-', '--addr', grpc], { input: linesOf(keys, value) }));
    },
  },
  {
    name: 'distcache delete',
    is: 'delete',
    run: async (_, { grpc }, keys) => {
      succeed(await cli(['delete', 'ks', ...keys, '--addr', grpc]));
    },
  },
];

describe('integration: after a write no node answers with the older value', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let source: CountingSource;
  let cluster: readonly RealNode[];
  let clients: readonly Client[];
  let generation = 0;

  before(async () => {
    nodes = await RealNodes.open();
    source = await CountingSource.start(() => `source ${generation}`);
    // No read or write may run out of time only because the source is made to wait.
    const config = configOf(httpSource(source.template), { keyspace: 'readTimeout: 30s, writeTimeout: 30s' });
    cluster = await nodes.cluster(['one', 'two', 'three'], { config });
    clients = cluster.map((node) => nodes.client([node]));
  });
  after(async () => {
    await nodes.close();
    await source.stop();
  });
  beforeEach(() => {
    generation++;
    source.forget();
  });
  afterEach(() => source.release());

  const readAll = async (keys: readonly string[]): Promise<readonly Lookup[]> =>
    (await Promise.all(clients.map((client) => client.getMany('ks', keys)))).flat();

  const newer = (write: Write): string => (write.is === 'put' ? `put ${generation}` : `source ${generation}`);

  async function expectOnly(value: string, keys: readonly string[]): Promise<void> {
    // Twice: what a first read stores, the second is answered with.
    for (let round = 0; round < 2; round++) {
      expect(new Set((await readAll(keys)).map(text))).to.deep.equal(new Set([value]));
    }
  }

  for (const write of writes) {
    for (const [index, at] of ['first', 'second', 'third'].entries()) {
      it(`${write.name} on the ${at} node, with hot copies on all others`, async () => {
        const keys = Array.from({ length: keysPerRow }, (_, n) => `${write.name} ${at} ${n}`);
        await readAll(keys);
        const before = await readAll(keys);
        expect(new Set(before.map(({ outcome }) => outcome))).to.deep.equal(new Set(['hit', 'hot']));
        expect(before.filter(({ outcome }) => outcome === 'hot')).to.have.length(keysPerRow * 2);

        generation++;
        await write.run(clients[index]!, cluster[index]!, keys, `put ${generation}`);
        await expectOnly(newer(write), keys);
      });
    }

    it(`${write.name} that falls into loads under way on every node`, async () => {
      const keys = Array.from({ length: keysPerRow }, (_, n) => `${write.name} loading ${n}`);
      source.hold();
      const waiting = readAll(keys);
      await until('all keys are being loaded', () => source.underway === keysPerRow);

      generation++;
      source.letPass();
      await write.run(clients[0]!, cluster[0]!, keys, `put ${generation}`);
      expect(source.underway, 'loads still under way').to.equal(keysPerRow);
      // The other half is left as the write left it, for the loads to find when they end.
      await expectOnly(newer(write), keys.slice(keysPerRow / 2));

      source.release();
      // They began before the write, so the older value is theirs to have.
      for (const lookup of await waiting) expect(text(lookup)).to.be.oneOf([`source ${generation - 1}`, newer(write)]);
      await expectOnly(newer(write), keys);
    });
  }

  for (const is of ['put', 'delete'] as const) {
    it(`${is} in the middle of a load of 500 ms, by the clock`, async () => {
      const key = `${is} by the clock`;
      source.delayMs = 500;
      const waiting = readAll([key]);
      await until('the key is being loaded', () => source.underway === 1);
      generation++;
      if (is === 'put') await clients[1]!.put('ks', { key, value: Buffer.from(`put ${generation}`) });
      else await clients[1]!.delete('ks', key);
      const expected = `${is === 'put' ? 'put' : 'source'} ${generation}`;
      await expectOnly(expected, [key]);
      await waiting;
      source.delayMs = 0;
      await expectOnly(expected, [key]);
    });
  }

  it('whatever is written, read and deleted at once: a read never goes behind what had been written when it began', async () => {
    const seed = process.env.SEED ?? '7';
    const random = seeded(seed);
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    const current = new Map(keys.map((key) => [key, 0]));
    const settled = new Map(keys.map((key) => [key, 0]));
    const documents = source.documents;
    source.documents = (key) => String(current.get(key) ?? 0);
    const anyClient = (): Client => random.pick(clients);
    let reads = 0;
    let writing = true;

    const writer = async (key: string): Promise<void> => {
      for (let n = 1; n <= 60; n++) {
        // The source first, as an application does: what is loaded from now on is new.
        current.set(key, n);
        if (random.chance(0.5)) await anyClient().put('ks', { key, value: Buffer.from(String(n)) });
        else await anyClient().delete('ks', key);
        settled.set(key, n);
      }
    };
    const reader = async (client: Client): Promise<void> => {
      while (writing) {
        for (const key of keys) {
          const floor = settled.get(key)!;
          const seen = Number(text(await client.get('ks', key)));
          expect(seen, `SEED=${seed}: ${key}`).to.be.at.least(floor);
          reads++;
        }
      }
    };
    const readers = Promise.all([...clients, ...clients].map(reader));
    await Promise.all(keys.map(writer)).finally(() => {
      writing = false;
    });
    await readers;
    source.documents = documents;
    expect(reads).to.be.above(100);
  });
});
