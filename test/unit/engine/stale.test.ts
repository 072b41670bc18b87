import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import type { KeyspaceOptions } from '../../../src/engine/options.js';
import type { FetchResult } from '../../../src/ports/data-source.js';
import { bytesOf, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

/** What one read came to: outcome, value and how long past its expiry, or the code of its error. */
const tale = async (
  call: Promise<{ found: boolean; outcome: string; value?: Uint8Array | undefined; staleMs?: number | undefined }>,
) => {
  try {
    const { found, outcome, value, staleMs } = await call;
    const age = staleMs === undefined ? '' : ` +${Math.round(staleMs)}`;
    return found ? `${outcome} ${textOf(value)}${age}` : 'none';
  } catch (error) {
    return codeOf(error) ?? String(error);
  }
};

describe('entries past their expiry', () => {
  let cluster: TestCluster;
  let row: FetchResult | Error | 'silence';
  let sourceMs: number;
  afterEach(async () => {
    for (const { engine } of cluster.nodes) engine.check();
    await cluster.stop();
    expect(cluster.clock.pending(), 'timers left').to.equal(0);
  });

  const start = async (keyspace: Partial<KeyspaceOptions>, more: object = {}): Promise<void> => {
    row = 'one';
    sourceMs = 0;
    cluster = await TestCluster.of({
      keyspace: { defaultTtl: 1000, ...keyspace },
      fetch: async () => {
        const answer = row;
        if (sourceMs > 0) await new Promise<void>((resolve) => void cluster.clock.after(sourceMs, resolve));
        if (answer === 'silence') return new Promise(() => {});
        if (answer instanceof Error) throw answer;
        return answer;
      },
      ...more,
    });
  };
  const read = (node: TestNode, key: string, options = {}): Promise<string> =>
    cluster.run(tale(node.engine.lookup(ks, key, options)));
  const everywhere = async (key: string): Promise<readonly string[]> => {
    const tales: string[] = [];
    for (const node of [cluster.ownerOf(key), ...cluster.others(key)]) tales.push(await read(node, key));
    return tales;
  };
  const fetches = (key: string): number => cluster.fetched.get(key) ?? 0;
  const statOf = (key: string, name: string): number => cluster.ownerOf(key).engine.stats()[ks]![name]!;

  describe('staleWhileRevalidate', () => {
    it('answers all callers on all nodes at once, with one load behind them', async () => {
      await start({ staleWhileRevalidate: 5000 });
      const key = cluster.keyOwnedBy(cluster.node(0));
      expect(await everywhere(key)).to.deep.equal(['load one', 'hit one', 'hit one']);
      await cluster.clock.advance(1500);
      expect(fetches(key), 'nothing is loaded before somebody reads').to.equal(1);
      [row, sourceMs] = ['two', 300];
      const crowd = cluster.nodes.flatMap(({ engine }) =>
        Array.from({ length: 300 }, () => tale(engine.lookup(ks, key))),
      );
      expect(new Set(await cluster.run(Promise.all(crowd), 100))).to.deep.equal(new Set(['stale one +500']));
      await cluster.clock.advance(200);
      expect(await everywhere(key)).to.deep.equal(Array(3).fill('stale one +700'));
      expect(fetches(key)).to.equal(2);
      await cluster.clock.advance(200);
      expect(await everywhere(key)).to.deep.equal(['hit two', 'hit two', 'hit two']);
      expect(fetches(key)).to.equal(2);
      expect(statOf(key, 'refreshes')).to.equal(1);
    });

    it('keeps the laws of the counters', async () => {
      await start({ staleWhileRevalidate: 5000, staleIfError: 60_000 }, { nodes: 1 });
      for (let i = 0; i < 30; i++) {
        row = i % 7 === 3 ? new Error('down') : `row ${i}`;
        await read(cluster.node(0), `k${i % 3}`);
        await cluster.clock.advance(i % 5 === 4 ? 9000 : 900);
      }
      const stats = cluster.node(0).engine.stats()[ks]!;
      expect(stats.gets).to.equal(stats.cache_hits! + stats.loads!);
      expect(stats.loads! + stats.refreshes!).to.equal(stats.loads_coalesced! + stats.loads_deduped!);
      expect(stats.stale_hits).to.be.above(0);
      expect(stats.refreshes).to.be.above(0);
    });

    it('is bounded: past it, callers wait for the load', async () => {
      await start({ staleWhileRevalidate: 5000 });
      const key = cluster.keyOwnedBy(cluster.node(0));
      await everywhere(key);
      row = 'two';
      await cluster.clock.advance(6000);
      expect(await everywhere(key)).to.deep.equal(['load two', 'hit two', 'hit two']);
    });

    it('a refresh that fails is tried again by the next read, and tells nobody before its time is over', async () => {
      await start({ staleWhileRevalidate: 5000 });
      const key = cluster.keyOwnedBy(cluster.node(0));
      await read(cluster.node(0), key);
      row = new Error('down');
      await cluster.clock.advance(1500);
      expect(await everywhere(key)).to.deep.equal(Array(3).fill('stale one +500'));
      expect(fetches(key)).to.be.within(2, 4);
      await cluster.clock.advance(4500);
      expect(await read(cluster.node(0), key)).to.equal('DATA_SOURCE_FAILED');
      row = 'two';
      expect(await read(cluster.node(0), key)).to.equal('load two');
    });

    it('what the source does not have any more is gone with the refresh that says so', async () => {
      await start({ staleWhileRevalidate: 60_000, staleIfError: 60_000 });
      const key = cluster.keyOwnedBy(cluster.node(0));
      await read(cluster.node(0), key);
      row = null;
      await cluster.clock.advance(1500);
      expect(await read(cluster.node(0), key)).to.equal('stale one +500');
      await cluster.clock.advance(10);
      expect(await everywhere(key)).to.deep.equal(['none', 'none', 'none']);
      row = new Error('down');
      expect(await read(cluster.node(0), key)).to.equal('DATA_SOURCE_FAILED');
    });

    it('so is what the source says is not to be kept', async () => {
      await start({ staleWhileRevalidate: 60_000, staleIfError: 60_000 });
      const key = cluster.keyOwnedBy(cluster.node(0));
      await read(cluster.node(0), key);
      row = { value: 'two', ttlMs: 0 };
      await cluster.clock.advance(1500);
      expect(await read(cluster.node(0), key)).to.equal('stale one +500');
      await cluster.clock.advance(10);
      expect(await everywhere(key)).to.deep.equal(Array(3).fill('load two'));
      row = new Error('down');
      expect(await read(cluster.node(0), key)).to.equal('DATA_SOURCE_FAILED');
    });

    it('a read from a version above waits for the load', async () => {
      await start({ staleWhileRevalidate: 60_000 });
      const key = cluster.keyOwnedBy(cluster.node(0));
      const { version } = await cluster.run(cluster.node(0).engine.get(ks, key));
      await cluster.clock.advance(1500);
      row = 'two';
      sourceMs = 100;
      expect(await read(cluster.node(1), key, { minVersion: version })).to.equal('stale one +500');
      expect(await read(cluster.node(1), key, { minVersion: version + 1 })).to.equal('load two');
    });
  });

  describe('staleIfError', () => {
    const troubles: readonly [
      name: string,
      row: FetchResult | Error | 'silence',
      keyspace: Partial<KeyspaceOptions>,
      code: string,
    ][] = [
      ['fails', new Error('down'), {}, 'DATA_SOURCE_FAILED'],
      ['says nonsense', 42 as unknown as FetchResult, {}, 'DATA_SOURCE_FAILED'],
      ['does not answer', 'silence', { readTimeout: 400 }, 'TIMEOUT'],
      ['is limited', 'two', { rateLimit: { rate: '1/h', burst: 1 } }, 'DATA_SOURCE_RATE_LIMITED'],
      ['is cut off', new Error('down'), { breaker: { failures: 1, reset: '1h' } }, 'DATA_SOURCE_CIRCUIT_OPEN'],
    ];
    for (const [name, trouble, keyspace, code] of troubles) {
      it(`a source that ${name}: the old value with its age, on every node, and past its time the error`, async () => {
        await start({ staleIfError: 20_000, ...keyspace });
        const key = cluster.keyOwnedBy(cluster.node(0));
        expect((await everywhere(key))[0]).to.equal('load one');
        await cluster.clock.advance(1500);
        row = trouble;
        for (const told of await everywhere(key)) expect(told).to.match(/^stale one \+\d+$/);
        await cluster.clock.advance(20_000);
        for (const node of cluster.nodes) expect(await read(node, key)).to.equal(code);
      });
    }

    it('a source that has no place for another load: the old value too', async () => {
      await start({ staleIfError: 20_000, maxConcurrentLoads: 1, maxQueuedLoads: 0 });
      const [key, other] = ['a', 'b'].map((prefix) => cluster.keyOwnedBy(cluster.node(0), prefix)) as [string, string];
      await read(cluster.node(0), key);
      await cluster.clock.advance(1500);
      sourceMs = 1000;
      const busy = read(cluster.node(0), other);
      expect(
        await cluster
          .node(0)
          .engine.lookup(ks, key)
          .then((found) => found.outcome),
      ).to.equal('stale');
      expect(await busy).to.equal('load one');
    });

    it('the source is asked first, and its answer is waited for', async () => {
      await start({ staleIfError: 20_000 });
      const key = cluster.keyOwnedBy(cluster.node(0));
      await read(cluster.node(0), key);
      await cluster.clock.advance(1500);
      [row, sourceMs] = ['two', 300];
      expect(await everywhere(key)).to.deep.equal(['load two', 'hit two', 'hit two']);
    });

    it('no old value is served where none is asked for, nor of another key', async () => {
      await start({});
      const key = cluster.keyOwnedBy(cluster.node(0));
      await read(cluster.node(0), key);
      await cluster.clock.advance(1001);
      row = new Error('down');
      for (const node of cluster.nodes) expect(await read(node, key)).to.equal('DATA_SOURCE_FAILED');
    });

    it('a caller’s own cancel is not answered with an old value', async () => {
      await start({ staleIfError: 20_000 }, { nodes: 1 });
      await read(cluster.node(0), 'k');
      await cluster.clock.advance(1500);
      row = 'silence';
      const controller = new AbortController();
      const call = tale(cluster.node(0).engine.lookup(ks, 'k', { signal: controller.signal }));
      await cluster.clock.settle();
      controller.abort();
      expect(await call).to.equal('ABORTED');
    });

    it('a caller whose own time is over gets the old value then', async () => {
      await start({ staleIfError: 20_000 }, { nodes: 1 });
      await read(cluster.node(0), 'k');
      await cluster.clock.advance(1500);
      row = 'silence';
      expect(await read(cluster.node(0), 'k', { timeoutMs: 200 })).to.equal('stale one +700');
    });

    it('an absence is never told past its time', async () => {
      await start({ staleIfError: 20_000, staleWhileRevalidate: 20_000, negativeTtl: 1000 });
      row = null;
      const key = cluster.keyOwnedBy(cluster.node(0));
      expect(await everywhere(key)).to.deep.equal(['none', 'none', 'none']);
      row = new Error('down');
      expect(await read(cluster.node(0), key)).to.equal('none');
      await cluster.clock.advance(1001);
      expect(await read(cluster.node(0), key)).to.equal('DATA_SOURCE_FAILED');
    });
  });

  describe('and writes', () => {
    const grace = { staleIfError: 60_000, staleWhileRevalidate: 60_000 };
    for (const [name, write] of [
      ['a delete', (node: TestNode, key: string) => node.engine.delete(ks, key)],
      ['a put of something', (node: TestNode, key: string) => node.engine.put(ks, { key, value: bytesOf('new') })],
    ] as const) {
      it(`${name} on any node ends the old value everywhere`, async () => {
        await start(grace);
        for (const node of cluster.nodes) {
          row = 'one';
          const key = cluster.keyOwnedBy(cluster.node(0), `of ${node.name}`);
          await everywhere(key);
          await cluster.clock.advance(1500);
          expect(await read(cluster.node(1), key)).to.equal('stale one +500');
          row = new Error('down');
          await cluster.clock.advance(2000);
          await cluster.run(write(node, key));
          const after = name === 'a delete' ? 'DATA_SOURCE_FAILED' : 'hit new';
          for (const told of await everywhere(key)) expect(told.replace('hot', 'hit')).to.equal(after);
        }
      });
    }

    it('what was put is old when its time is over, like anything else', async () => {
      await start(grace);
      const key = cluster.keyOwnedBy(cluster.node(0));
      await cluster.run(cluster.node(1).engine.put(ks, { key, value: bytesOf('put'), ttlMs: 500 }));
      await cluster.clock.advance(800);
      expect(await read(cluster.node(2), key)).to.equal('stale put +300');
      await cluster.clock.advance(10);
      expect(await read(cluster.node(2), key)).to.equal('hit one');
    });

    it('a put that falls into a refresh is not undone by it', async () => {
      await start(grace);
      const key = cluster.keyOwnedBy(cluster.node(0));
      await read(cluster.node(0), key);
      await cluster.clock.advance(1500);
      [row, sourceMs] = ['two', 500];
      expect(await read(cluster.node(1), key)).to.equal('stale one +500');
      await cluster.run(cluster.node(1).engine.put(ks, { key, value: bytesOf('put'), ttlMs: 60_000 }));
      await cluster.clock.advance(1000);
      for (const told of await everywhere(key)) expect(told.replace('hot', 'hit')).to.equal('hit put');
    });

    it('a put that falls into a load that fails is the answer, and no old one', async () => {
      await start({ staleIfError: 60_000 });
      const key = cluster.keyOwnedBy(cluster.node(0));
      await read(cluster.node(0), key);
      await cluster.clock.advance(1500);
      [row, sourceMs] = [new Error('down'), 500];
      const waiting = tale(cluster.node(0).engine.lookup(ks, key));
      await cluster.clock.advance(100);
      await cluster.run(cluster.node(1).engine.put(ks, { key, value: bytesOf('put'), ttlMs: 60_000 }));
      expect(await cluster.run(waiting)).to.equal('hit put');
    });

    it('a lagging replica of the source does not bring back a row older than the expired one', async () => {
      await start(grace, { nodes: 1 });
      row = { value: 'row 2', version: 2 };
      await read(cluster.node(0), 'k');
      await cluster.clock.advance(1500);
      row = { value: 'row 1', version: 1 };
      expect(await read(cluster.node(0), 'k')).to.equal('stale row 2 +500');
      await cluster.clock.advance(10);
      expect(await read(cluster.node(0), 'k')).to.equal('hit row 2');
    });
  });
});
