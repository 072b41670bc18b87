import { expect } from 'chai';
import { codeOf, messageOf, PartialFailure } from '../../../src/base/errors.js';
import { nothingDone } from '../../../src/engine/keyspace-records.js';
import { handoffMs } from '../../../src/engine/topology.js';
import type { PeerRequest } from '../../../src/ports/peers.js';
import { bytesOf, type ClusterOptions, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';
import { seeded } from '../../support/seeded.js';

const outcomeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error) => `${codeOf(error) ?? 'thrown'}: ${messageOf(error)}`,
  );

describe('engine: faults', () => {
  let cluster: TestCluster;
  const start = async (options?: ClusterOptions): Promise<TestCluster> => {
    cluster = await TestCluster.of(options);
    return cluster;
  };
  afterEach(async () => {
    await cluster.stop();
    expect(cluster.clock.pending(), 'timers left').to.equal(0);
  });
  const everywhere = (key: string): Promise<(string | undefined)[]> =>
    cluster.run(
      Promise.all(cluster.nodes.map(({ engine }) => engine.lookup(ks, key).then(({ value }) => textOf(value)))),
    );
  const tally = (outcomes: readonly string[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const outcome of outcomes) {
      const code = outcome.split(':')[0]!;
      counts[code] = (counts[code] ?? 0) + 1;
    }
    return counts;
  };

  describe('values at their limits', () => {
    const limit = 70_000;
    for (const size of [0, 1, 255, limit - 1, limit]) {
      it(`${size} bytes of ${limit}: put on any node, the same bytes on every node`, async () => {
        await start({ core: { limits: { maxValueBytes: limit } } });
        const value = Uint8Array.from({ length: size }, (_, i) => (i * 31) ^ (i >> 8));
        for (const [index, { engine }] of cluster.nodes.entries()) {
          const key = `k${index}`;
          await cluster.run(engine.put(ks, { key, value }));
          for (const reader of cluster.nodes) {
            const found = await cluster.run(reader.engine.get(ks, key));
            expect(Buffer.compare(found.value, value)).to.equal(0);
          }
        }
        expect(cluster.fetched.size).to.equal(0);
      });
    }

    it('one byte more is refused wherever it is put and wherever its owner is, and stays nowhere', async () => {
      await start({ fetch: () => null, core: { limits: { maxValueBytes: limit } } });
      for (const owner of cluster.nodes) {
        const key = cluster.keyOwnedBy(owner);
        for (const { engine } of cluster.nodes) {
          const outcome = await cluster.run(outcomeOf(engine.put(ks, { key, value: new Uint8Array(limit + 1) })));
          expect(outcome).to.match(/^VALUE_TOO_LARGE: .*70001 bytes.*limits\.maxValueBytes allows 70000/);
        }
        expect(await everywhere(key)).to.deep.equal([undefined, undefined, undefined]);
      }
    });
  });

  describe('many at once', () => {
    const slowly = (): Promise<string> => new Promise((resolve) => void cluster.clock.after(100, () => resolve('v')));

    it('10,000 gets of one cold key over three nodes: one load, and everybody has the value', async () => {
      await start({ fetch: slowly, latencyMs: 2 });
      const gets = Array.from({ length: 10_000 }, (_, i) => cluster.node(i % 3).engine.get(ks, 'cold'));
      const found = await cluster.run(Promise.all(gets));
      expect(new Set(found.map(({ value }) => textOf(value)))).to.deep.equal(new Set(['v']));
      expect(cluster.fetched.get('cold')).to.equal(1);
    });

    it('10,000 cold keys: places and queue are kept to, the rest is OVERLOADED at once, and all is well after', async () => {
      const running = new Map<string, number>();
      let most = 0;
      const begun: string[] = [];
      await start({
        keyspace: { maxConcurrentLoads: 8, maxQueuedLoads: 1000, readTimeout: '1m' },
        fetch: async (key, _options, node) => {
          begun.push(key);
          running.set(node, (running.get(node) ?? 0) + 1);
          most = Math.max(most, running.get(node)!);
          const value = await slowly();
          running.set(node, running.get(node)! - 1);
          return value;
        },
      });
      // Nobody is asked for what is held from before the ring changed: that would put the loads into another order.
      await cluster.clock.advance(handoffMs + 1000);
      const keys = Array.from({ length: 10_000 }, (_, i) => `key-${i}`);
      const beganMs = cluster.clock.nowMs();
      const refusedAtMs: number[] = [];
      const outcomes = await cluster.run(
        Promise.all(
          keys.map(async (key, i) => {
            const outcome = await outcomeOf(cluster.node(i % 3).engine.get(ks, key));
            if (outcome !== 'done') refusedAtMs.push(cluster.clock.nowMs() - beganMs);
            return outcome;
          }),
        ),
      );
      expect(tally(outcomes)).to.deep.equal({ done: 3 * 1008, OVERLOADED: 10_000 - 3 * 1008 });
      expect(most).to.equal(8);
      expect(Math.max(...refusedAtMs), 'milliseconds until the last refusal').to.be.below(100);
      // First come, first served, on each node by itself.
      for (const node of cluster.nodes) {
        const order = begun.filter((key) => cluster.ownerOf(key) === node).map((key) => keys.indexOf(key));
        const perAsker = [0, 1, 2].map((asker) => order.filter((index) => index % 3 === asker));
        for (const indices of perAsker) expect(indices).to.deep.equal([...indices].sort((a, b) => a - b));
      }
      for (const { engine } of cluster.nodes) {
        expect(engine.stats()[ks]).to.include({ loads_running: 0, loads_queued: 0 });
      }
      expect(await cluster.run(outcomeOf(cluster.node(0).engine.get(ks, 'later')))).to.equal('done');
    });

    it('10,000 keys in one batch of a node come in order, each loaded once', async () => {
      await start({ fetch: (key) => `value of ${key}` });
      // Nobody is asked for what is held from before the ring changed: that would put the loads into another order.
      await cluster.clock.advance(handoffMs + 1000);
      const keys = Array.from({ length: 10_000 }, (_, i) => `key-${i % 5000}`);
      const found = await cluster.run(cluster.node(0).engine.getMany(ks, keys));
      expect(found.map(({ value }) => textOf(value))).to.deep.equal(keys.map((key) => `value of ${key}`));
      expect(cluster.fetched.size).to.equal(5000);
      expect(new Set(cluster.fetched.values())).to.deep.equal(new Set([1]));
    });
  });

  describe('keyspaces that differ between nodes', () => {
    const lacking = (name: string): Partial<ClusterOptions> => ({
      keyspacesOf: (node, usual) => (node === name ? [{ ...usual, name: 'another' }] : [usual]),
    });

    it('where one node lacks the keyspace, the others read all the same, and say so when they write', async () => {
      await start(lacking('node-3'));
      const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode];
      const key = cluster.keyOwnedBy(third);
      expect(await cluster.text(first, key)).to.equal(`value of ${key}`);
      expect(await cluster.text(second, key)).to.equal(`value of ${key}`);
      const put = first.engine.put(ks, { key, value: bytesOf('v') });
      expect(await cluster.run(outcomeOf(put))).to.match(/^KEYSPACE_NOT_FOUND: node node-3 has no keyspace 'ks'/);
      expect(await cluster.run(outcomeOf(third.engine.get(ks, key)))).to.match(/^KEYSPACE_NOT_FOUND: .*another/);
      expect(third.engine.stats().another).to.include({ entries: 0 });
    });

    it('where one node lacks the keyspace, a write that others own is confirmed by all', async () => {
      await start(lacking('node-3'));
      const key = cluster.keyOwnedBy(cluster.node(0));
      const result = await cluster.run(cluster.node(1).engine.put(ks, { key, value: bytesOf('v') }));
      expect(result.unreached).to.deep.equal([]);
      expect(await cluster.text(cluster.node(1), key)).to.equal('v');
    });

    it('lives are given by the owner and travel with the entry, whatever the other nodes have for a default', async () => {
      const ttls: Record<string, string> = { 'node-1': '10s', 'node-2': '20s', 'node-3': '30s' };
      await start({ keyspacesOf: (node, usual) => [{ ...usual, defaultTtl: ttls[node] }] });
      const now = (): number => cluster.clock.wallMs();
      for (const owner of cluster.nodes) {
        const loaded = cluster.keyOwnedBy(owner, 'loaded');
        const put = cluster.keyOwnedBy(owner, 'put');
        const named = cluster.keyOwnedBy(owner, 'named');
        await cluster.run(cluster.node(0).engine.put(ks, { key: put, value: bytesOf('v') }));
        await cluster.run(cluster.node(1).engine.put(ks, { key: named, value: bytesOf('v'), ttlMs: 5000 }));
        for (const { engine } of cluster.nodes) {
          const lives = await cluster.run(engine.getMany(ks, [loaded, put, named]));
          const ownTtlMs = Number.parseInt(ttls[owner.name]!, 10) * 1000;
          expect(lives.map(({ expiresAt }) => expiresAt!.getTime() - now())).to.deep.equal([ownTtlMs, ownTtlMs, 5000]);
        }
      }
    });

    it('where budgets differ, each node keeps to its own', async () => {
      const budgets: Record<string, number> = { 'node-1': 16_384, 'node-2': 65_536, 'node-3': 1_048_576 };
      await start({ keyspacesOf: (node, usual) => [{ ...usual, maxBytes: budgets[node]! }] });
      const keys = Array.from({ length: 2000 }, (_, i) => `key-${i}`);
      for (const { engine } of cluster.nodes) await cluster.run(engine.getMany(ks, keys));
      for (const { engine, name } of cluster.nodes) {
        const { main_cache_bytes = 0, hot_cache_bytes = 0 } = engine.stats()[ks]!;
        expect(main_cache_bytes + hot_cache_bytes, name).to.be.within(budgets[name]! / 4, budgets[name]!);
      }
    });
  });

  describe('a keyspace that is deleted', () => {
    const two: Partial<ClusterOptions> = {
      keyspacesOf: (_node, usual) => [usual, { ...usual, name: 'other' }],
    };

    it('while loads run: who waits gets KEYSPACE_NOT_FOUND at once on every node, and nothing comes after', async () => {
      await start({
        ...two,
        fetch: () => new Promise((resolve) => void cluster.clock.after(1000, () => resolve('late'))),
      });
      const reads = cluster.nodes.map(({ engine }) => outcomeOf(engine.get(ks, 'k')));
      const kept = cluster.node(0).engine.get('other', 'k');
      await cluster.clock.advance(10);
      await cluster.run(cluster.node(1).engine.deleteKeyspace(ks));
      for (const outcome of await cluster.run(Promise.all(reads))) {
        expect(outcome).to.match(/^KEYSPACE_NOT_FOUND: keyspace 'ks' was deleted meanwhile/);
      }
      expect(cluster.clock.nowMs()).to.be.below(100);
      expect(textOf((await cluster.run(kept)).value)).to.equal('late');
      for (const { engine } of cluster.nodes) expect(engine.keyspaces()).to.deep.equal(['other']);
    });

    it('while loads wait for a place, and while writes wait for a peer that is frozen', async () => {
      await start({
        ...two,
        keyspacesOf: (_node, usual) => [
          { ...usual, maxConcurrentLoads: 1, writeTimeout: '2s' },
          { ...usual, name: 'other' },
        ],
        fetch: () => new Promise(() => {}),
      });
      const [first] = cluster.nodes as [TestNode];
      const keys = [1, 2, 3].map((i) => cluster.keyOwnedBy(first, `waiting-${i}`));
      const reads = keys.map((key) => outcomeOf(first.engine.get(ks, key)));
      cluster.network.freeze(cluster.node(2).address);
      const key = cluster.keyOwnedBy(first, 'written');
      const write = first.engine.put(ks, { key, value: bytesOf('v') });
      await cluster.clock.advance(10);
      const deleted = await cluster.run(
        first.engine.deleteKeyspace(ks).catch((error: PartialFailure) => error),
        2000,
      );
      expect(deleted).to.be.instanceOf(PartialFailure);
      expect((deleted as PartialFailure).nodes).to.deep.equal(['node-3']);
      expect(tally(await cluster.run(Promise.all(reads)))).to.deep.equal({ KEYSPACE_NOT_FOUND: 3 });
      expect((await cluster.run(write)).unreached).to.deep.equal(['node-3']);
      cluster.network.thaw(cluster.node(2).address);
    });
  });

  describe('what peers say twice or late', () => {
    const told = (from: TestNode, to: TestNode, request: PeerRequest): Promise<unknown> => {
      const peer = from.links.linked().find(({ name }) => name === to.name)!;
      return cluster.run(from.links.call(peer.id, request, cluster.wait(1000)));
    };

    it('an invalidation that is replayed never brings back or keeps an older value, and costs a load at most', async () => {
      await start({ fetch: () => 'old' });
      const owner = cluster.ownerOf('k');
      const [reader] = cluster.others('k') as [TestNode];
      expect(await everywhere('k')).to.deep.equal(['old', 'old', 'old']);
      const { version } = await cluster.run(owner.engine.put(ks, { key: 'k', value: bytesOf('new') }));
      expect(await everywhere('k')).to.deep.equal(['new', 'new', 'new']);
      for (let i = 0; i < 5; i++) {
        await told(owner, reader, { do: 'invalidate', keyspace: ks, key: 'k', version, sequence: 0 });
        expect(await everywhere('k')).to.deep.equal(['new', 'new', 'new']);
      }
      // Also where it meets the one who owns the key and holds the value it told of.
      await told(reader, owner, { do: 'invalidate', keyspace: ks, key: 'k', version: version - 1, sequence: 0 });
      expect(await everywhere('k')).to.deep.equal(['new', 'new', 'new']);
      expect(cluster.fetched.get('k')).to.equal(1);
    });

    it('an invalidation that is overtaken by a newer put leaves the newer value', async () => {
      await start();
      const owner = cluster.ownerOf('k');
      const [reader] = cluster.others('k') as [TestNode];
      const first = await cluster.run(owner.engine.put(ks, { key: 'k', value: bytesOf('first') }));
      await cluster.run(owner.engine.put(ks, { key: 'k', value: bytesOf('second') }));
      await everywhere('k');
      await told(owner, reader, { do: 'invalidate', keyspace: ks, key: 'k', version: first.version, sequence: 0 });
      expect(textOf(reader.engine.peek(ks, 'k')?.value)).to.equal('second');
    });

    it('a write for a key that is not ours, or of a keyspace that is gone, changes nothing here', async () => {
      await start({ fetch: () => 'source' });
      const owner = cluster.ownerOf('k');
      const [stranger, asker] = cluster.others('k') as [TestNode, TestNode];
      const put: PeerRequest = {
        do: 'put',
        keyspace: ks,
        key: 'k',
        value: bytesOf('forged'),
        ttlMs: undefined,
        ack: 'applied',
      };
      expect(await told(asker, stranger, put)).to.include({ is: 'not-owner' });
      expect(stranger.engine.peek(ks, 'k')).to.equal(undefined);
      expect(await outcomeOf(told(asker, owner, { ...put, keyspace: 'gone' }))).to.match(/^KEYSPACE_NOT_FOUND/);
      await told(asker, owner, { do: 'invalidate', keyspace: 'gone', key: 'k', version: 2 ** 50, sequence: 0 });
      await told(asker, owner, {
        do: 'keyspace',
        record: { ...nothingDone('gone'), existence: { deleted: true, version: asker.hybrid.next(), by: 'x' } },
      });
      expect(await everywhere('k')).to.deep.equal(['source', 'source', 'source']);
    });

    it('a peer cannot put what a caller could not', async () => {
      await start({ core: { limits: { maxValueBytes: 100, maxKeyBytes: 50 } } });
      const [from, to] = cluster.nodes as [TestNode, TestNode];
      const key = cluster.keyOwnedBy(to);
      const put: PeerRequest = {
        do: 'put',
        keyspace: ks,
        key,
        value: new Uint8Array(101),
        ttlMs: undefined,
        ack: 'applied',
      };
      expect(await outcomeOf(told(from, to, put))).to.match(/^VALUE_TOO_LARGE/);
      expect(await outcomeOf(told(from, to, { ...put, value: bytesOf('v'), key: 'k'.repeat(51) }))).to.match(
        /^INVALID_ARGUMENT/,
      );
      expect(await outcomeOf(told(from, to, { ...put, value: bytesOf('v'), key: '' }))).to.match(/^INVALID_ARGUMENT/);
      expect(to.engine.stats()[ks]).to.include({ entries: 0, puts: 0 });
    });
  });

  describe('events', () => {
    it('who throws while following them disturbs neither the engine nor others who follow', async () => {
      await start({ nodes: 2 });
      const { engine } = cluster.node(0);
      const seen: string[] = [];
      const rude = (async () => {
        for await (const event of engine.events()) throw new Error(`saw ${event.type}`);
      })().catch((error: Error) => error.message);
      const polite = (async () => {
        for await (const event of engine.events()) seen.push(event.type);
      })();
      for (let i = 0; i < 2; i++) {
        const third = cluster.make('node-3', 2);
        await cluster.run(third.engine.open(cluster.wait(5000)));
        await cluster.run(third.engine.close(cluster.wait(1000)));
      }
      expect(await rude).to.equal('saw peer-joined');
      expect(await cluster.text(cluster.node(0), 'k')).to.equal('value of k');
      await cluster.run(engine.close(cluster.wait(1000)));
      await polite;
      expect(seen).to.deep.equal(['peer-joined', 'peer-left', 'peer-joined', 'peer-left']);
    });
  });

  it('a thousand rounds of keys that come and go leave no byte behind, within the budget at every moment', async () => {
    const random = seeded('churn');
    const budget = 262_144;
    await start({
      keyspace: { maxBytes: budget, defaultTtl: '5s', ttlJitter: 0.5, negativeTtl: '2s', hotShare: 0.25 },
      fetch: (key) => {
        const kind = key.length % 4;
        if (kind === 0) return null;
        if (kind === 1) return Promise.reject(new Error('down'));
        return { value: new Uint8Array(random.below(2000)), ttlMs: kind === 2 ? random.between(1, 8000) : undefined };
      },
    });
    const key = (): string => `${'x'.repeat(random.below(4))}${random.below(20_000)}`;
    let evicted = 0;
    for (let round = 0; round < 1000; round++) {
      const { engine } = random.pick(cluster.nodes);
      const calls: Promise<unknown>[] = [
        engine.lookupMany(ks, Array.from({ length: 10 }, key)),
        engine.put(ks, { key: key(), value: new Uint8Array(random.below(5000)), ttlMs: random.between(1, 10_000) }),
        engine.delete(ks, key()),
      ];
      await cluster.run(Promise.all(calls));
      if (random.chance(0.3)) await cluster.clock.advance(random.below(500));
      for (const node of cluster.nodes) {
        const { main_cache_bytes = 0, hot_cache_bytes = 0, evictions = 0 } = node.engine.stats()[ks]!;
        expect(main_cache_bytes + hot_cache_bytes, `SEED=${random.seed} round ${round}`).to.be.at.most(budget);
        evicted = Math.max(evicted, evictions);
      }
    }
    expect(evicted, 'the budget was never reached').to.be.above(0);
    await cluster.clock.advance(15_000);
    for (const { engine } of cluster.nodes) {
      expect(engine.stats()[ks]).to.include({
        entries: 0,
        main_cache_bytes: 0,
        hot_cache_bytes: 0,
        loads_running: 0,
        loads_queued: 0,
      });
    }
  });
});
