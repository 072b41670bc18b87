import { expect } from 'chai';
import { codeOf, messageOf, PartialFailure } from '../../../src/base/errors.js';
import type { KeyspaceChanges } from '../../../src/ports/keyspace-changes.js';
import { bytesOf, type ClusterOptions, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'done',
    (error) => error,
  );
const codeAndText = async (promise: Promise<unknown>): Promise<string> => {
  const error = await failureOf(promise);
  return `${codeOf(error)}: ${messageOf(error)}`;
};

describe('engine: keyspaces changed at run time', () => {
  let cluster: TestCluster;
  const start = async (options?: ClusterOptions): Promise<TestCluster> => {
    cluster = await TestCluster.of(options);
    return cluster;
  };
  afterEach(async () => {
    for (const { engine } of cluster.nodes) engine.check();
    await cluster.stop();
    expect(cluster.clock.pending()).to.equal(0);
  });

  const everywhere = (outcome: 'applied' | 'unchanged', names = cluster.nodes.map(({ name }) => name)) =>
    names.map((node) => ({ node, outcome }));
  const described = <K extends 'maxBytes' | 'defaultTtlMs' | 'negativeTtlMs' | 'readTimeoutMs'>(field: K): unknown[] =>
    cluster.nodes.map(({ engine }) => engine.describeKeyspace(ks)[field]);
  const put = (node: TestNode, key: string, text: string) =>
    cluster.run(node.engine.put(ks, { key, value: bytesOf(text) }));
  /** Comes back: linked with all others, and told by them. */
  const heal = async (): Promise<void> => {
    cluster.network.healAll();
    await cluster.clock.advance(8000);
  };
  const cutOff = (node: TestNode): void => {
    for (const other of cluster.nodes) if (other !== node) cluster.network.cut(node.address, other.address);
  };

  describe('update', () => {
    it('is in force on every node when it returns, and says so of each', async () => {
      await start({ latencyMs: 5 });
      const result = await cluster.run(
        cluster.node(1).engine.updateKeyspace(ks, { maxBytes: '4MiB', defaultTtl: '1m', negativeTtl: 500 }),
      );
      expect(result).to.deep.equal({ keyspace: ks, nodes: everywhere('applied') });
      expect(described('maxBytes')).to.deep.equal(Array(3).fill(4 * 1024 ** 2));
      expect(described('defaultTtlMs')).to.deep.equal(Array(3).fill(60_000));
      expect(described('negativeTtlMs')).to.deep.equal(Array(3).fill(500));
    });

    it('that changes nothing says so', async () => {
      await start();
      const result = await cluster.run(cluster.node(0).engine.updateKeyspace(ks, { maxBytes: '8MiB' }));
      expect(result.nodes).to.deep.equal(everywhere('unchanged'));
    });

    it('null is none, as if no file said it; what is left out stays', async () => {
      await start({ keyspace: { defaultTtl: '5m', negativeTtl: '1s', readTimeout: '3s' } });
      await cluster.run(cluster.node(0).engine.updateKeyspace(ks, { defaultTtl: null, readTimeout: null }));
      expect(described('defaultTtlMs')).to.deep.equal(Array(3).fill(undefined));
      expect(described('readTimeoutMs')).to.deep.equal(Array(3).fill(5000));
      expect(described('negativeTtlMs')).to.deep.equal(Array(3).fill(1000));
    });

    it("what protects the source, each part by itself; none is none, whatever the node's default is", async () => {
      await start({ core: { source: { rateLimit: '500/s', breaker: { failures: 9, reset: '9s' } } } });
      const [, second] = cluster.nodes as [TestNode, TestNode];
      const source = () => second.engine.describeKeyspace(ks).source!;
      const update = (changes: KeyspaceChanges) => cluster.run(cluster.node(0).engine.updateKeyspace(ks, changes));
      await update({ rateLimit: { rate: '100/s', burst: 20, wait: '50ms' }, breaker: { failures: 3, reset: '1s' } });
      expect(source().rateLimit).to.include({ perSecond: 100, burst: 20, waitMs: 50 });
      expect(source().breaker).to.include({ failuresMax: 3, resetMs: 1000 });
      await update({ rateLimit: { burst: 5 } });
      expect(source().rateLimit).to.include({ perSecond: 100, burst: 5, waitMs: 50 });
      await update({ rateLimit: null, breaker: { failures: null } });
      expect(source().rateLimit).to.equal(undefined);
      expect(source().breaker).to.equal(undefined);
      await update({ rateLimit: { rate: 7 } });
      expect(source().rateLimit).to.include({ perSecond: 7, burst: 5 });
      const rest = { staleWhileRevalidate: '2s', staleIfError: 3000, ttlJitter: 0.5, warmKeys: ['a', 'b'] };
      await update(rest);
      const { staleWhileRevalidateMs, staleIfErrorMs, ttlJitter, warmKeys } = second.engine.describeKeyspace(ks);
      expect({ staleWhileRevalidateMs, staleIfErrorMs, ttlJitter, warmKeys }).to.deep.equal({
        staleWhileRevalidateMs: 2000,
        staleIfErrorMs: 3000,
        ttlJitter: 0.5,
        warmKeys: ['a', 'b'],
      });
      expect(await codeAndText(update({ breaker: { failures: 3, reset: null as never } }))).to.match(
        /breaker.reset cannot/,
      );
    });

    it('a burst, wait or reset without what it belongs to is refused, and lies in wait for nothing', async () => {
      await start({ nodes: 1 });
      const update = (changes: KeyspaceChanges) => cluster.run(cluster.node(0).engine.updateKeyspace(ks, changes));
      const refused =
        /^INVALID_ARGUMENT: (rateLimit\.(burst|wait) has no effect without rateLimit\.rate|breaker\.reset has no effect without breaker\.failures); give that too$/;
      const parts: KeyspaceChanges[] = [
        { rateLimit: { burst: 5 } },
        { rateLimit: { wait: '7s' } },
        { rateLimit: { burst: null } },
        { rateLimit: { rate: null, wait: '7s' } },
        { breaker: { reset: '9s' } },
      ];
      for (const changes of parts) expect(await codeAndText(update(changes))).to.match(refused);
      await update({ rateLimit: { rate: null }, breaker: { failures: null } });
      for (const changes of parts) {
        if (changes.rateLimit?.burst !== null) expect(await codeAndText(update(changes))).to.match(refused);
      }
      await update({ rateLimit: { rate: null, burst: null, wait: null } });
      await update({ rateLimit: { rate: 5 } });
      expect(cluster.node(0).engine.describeKeyspace(ks).source!.rateLimit).to.include({ burst: 5, waitMs: 0 });
    });

    it('lives that begin afterwards are the new ones; entries that are valid stay', async () => {
      await start({ keyspace: { defaultTtl: '10m' } });
      const [first] = cluster.nodes as [TestNode];
      const key = cluster.keyOwnedBy(first);
      expect(await cluster.text(first, key)).to.equal(`value of ${key}`);
      await cluster.run(first.engine.updateKeyspace(ks, { defaultTtl: '1s' }));
      await cluster.clock.advance(60_000);
      expect(first.engine.peek(ks, key)?.found).to.equal(true);
      const other = cluster.keyOwnedBy(first, 'other');
      await cluster.text(first, other);
      await cluster.clock.advance(2000);
      expect(first.engine.peek(ks, other)).to.equal(undefined);
    });

    it('lower maxBytes: what was used last stays, the bytes fit when it returns, and reads go on between the slices', async () => {
      await start({ nodes: 1, keyspace: { maxBytes: '8MiB', hotShare: 0 } });
      const { engine } = cluster.node(0);
      for (let i = 0; i < 10_000; i++) await engine.put(ks, { key: `k${i}`, value: bytesOf('v') });
      await engine.get(ks, 'k0');
      const updating = engine.updateKeyspace(ks, { maxBytes: '512KiB' });
      expect(engine.stats()[ks]?.entries, 'after the first slice').to.equal(8000);
      expect(engine.peek(ks, 'k9999')?.found).to.equal(true);
      await put(cluster.node(0), 'meanwhile', 'v');
      engine.check();
      expect((await cluster.run(updating)).nodes).to.deep.equal(everywhere('applied'));
      const stats = engine.stats()[ks]!;
      expect(stats.main_cache_bytes).to.be.within(500_000, 512 * 1024);
      for (const key of ['k0', 'k9999', 'meanwhile']) expect(engine.peek(ks, key)?.found, key).to.equal(true);
      expect(engine.peek(ks, 'k1')).to.equal(undefined);
      expect(cluster.fetched.size, 'loads').to.equal(0);
    });

    it('refuses what cannot be before anybody is told, by name', async () => {
      await start();
      const { engine } = cluster.node(0);
      const rows: [unknown, RegExp][] = [
        [{ maxBytes: 1 }, /^INVALID_ARGUMENT: maxBytes is 1, must be a size/],
        [{ maxBytes: '9 apples' }, /^INVALID_ARGUMENT: maxBytes is '9 apples'/],
        [{ maxBytes: null }, /^INVALID_ARGUMENT: maxBytes cannot be none/],
        [{ defaultTtl: '-1s' }, /^INVALID_ARGUMENT: defaultTtl is '-1s'/],
        [{ hotShare: 0.9 }, /^INVALID_ARGUMENT: hotShare is 0.9/],
        [{ dataSource: { fetch: () => 'x' } }, /^INVALID_ARGUMENT: dataSource cannot be changed while a keyspace runs/],
        [{}, /^INVALID_ARGUMENT: nothing is to be changed/],
        [null, /^INVALID_ARGUMENT: changes is not an object/],
      ];
      for (const [changes, message] of rows) {
        expect(await codeAndText(engine.updateKeyspace(ks, changes as never))).to.match(message);
      }
      expect(await codeAndText(engine.updateKeyspace('nope', { maxBytes: 5000 }))).to.match(/^KEYSPACE_NOT_FOUND/);
      expect(described('maxBytes')).to.deep.equal(Array(3).fill(8 * 1024 ** 2));
    });

    it('a node that cannot have it is named, and goes on with what it has', async () => {
      await start({
        keyspacesOf: (node, usual) => [node === 'node-2' ? { ...usual, name: 'other' } : usual],
      });
      const error = await cluster.run(failureOf(cluster.node(0).engine.updateKeyspace(ks, { maxBytes: '1TiB' })));
      expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
      const result = await cluster.run(cluster.node(0).engine.updateKeyspace(ks, { maxBytes: '1MiB' }));
      expect(result.nodes.map(({ outcome }) => outcome)).to.deep.equal(['applied', 'unchanged', 'applied']);
    });

    it('a node that was cut off is named, and has it when it is back', async () => {
      await start({ keyspace: { writeTimeout: '1s' } });
      const away = cluster.node(2);
      cutOff(away);
      const error = await cluster.run(
        failureOf(cluster.node(0).engine.updateKeyspace(ks, { maxBytes: '2MiB', defaultTtl: 1000 })),
      );
      expect(error).to.be.instanceOf(PartialFailure);
      const { nodes, results } = error as PartialFailure;
      expect(nodes).to.deep.equal(['node-3']);
      expect(results[0]?.nodes.map(({ node, outcome }) => `${node} ${outcome}`)).to.deep.equal([
        'node-1 applied',
        'node-2 applied',
        'node-3 failed',
      ]);
      expect(results[0]?.nodes[2]?.error?.code).to.be.oneOf(['PEER_UNREACHABLE', 'TIMEOUT']);
      expect(away.engine.describeKeyspace(ks).maxBytes).to.equal(8 * 1024 ** 2);
      await heal();
      expect(described('maxBytes')).to.deep.equal(Array(3).fill(2 * 1024 ** 2));
      expect(described('defaultTtlMs')).to.deep.equal(Array(3).fill(1000));
    });

    it('a node that is linked again before the deadline has it in time', async () => {
      await start({ keyspace: { writeTimeout: '10s' } });
      cutOff(cluster.node(2));
      const updating = cluster.node(0).engine.updateKeyspace(ks, { maxBytes: '2MiB' });
      await cluster.clock.advance(4000);
      cluster.network.healAll();
      expect((await cluster.run(updating)).nodes).to.deep.equal(everywhere('applied'));
      expect(described('maxBytes')).to.deep.equal(Array(3).fill(2 * 1024 ** 2));
    });

    it('reaches all whose node was lost before it had told all: those who know tell the rest', async () => {
      await start();
      const [maker, , other] = cluster.nodes as [TestNode, TestNode, TestNode];
      cluster.network.cut(maker.address, other.address);
      const updating = failureOf(maker.engine.updateKeyspace(ks, { maxBytes: '2MiB' }));
      await cluster.clock.advance(50);
      expect(described('maxBytes').map(Number)).to.deep.equal([2, 2, 8].map((mib) => mib * 1024 ** 2));
      cluster.network.crash(maker.address);
      await cluster.clock.advance(50);
      expect(described('maxBytes')).to.deep.equal(Array(3).fill(2 * 1024 ** 2));
      await cluster.run(updating);
    });

    it('a node that joins later has it before it serves', async () => {
      await start({ nodes: 2 });
      await cluster.run(cluster.node(0).engine.updateKeyspace(ks, { maxBytes: '3MiB' }));
      const late = cluster.make('node-3', 2);
      await cluster.run(late.engine.open(cluster.wait(5000)));
      expect(described('maxBytes')).to.deep.equal(Array(3).fill(3 * 1024 ** 2));
    });

    it('on both sides of a split: of each option the newest wins on all nodes, whoever hears whom first', async () => {
      await start({ keyspace: { writeTimeout: '500ms' } });
      const [left, right] = [cluster.node(0), cluster.node(2)];
      for (const node of [cluster.node(1), left]) cluster.network.cut(node.address, right.address);
      await cluster.clock.advance(4000);
      await cluster.run(failureOf(left.engine.updateKeyspace(ks, { maxBytes: '2MiB', defaultTtl: 1000 })));
      // Clocks tell them apart.
      await cluster.clock.advance(5);
      await cluster.run(failureOf(right.engine.updateKeyspace(ks, { maxBytes: '3MiB', negativeTtl: 7 })));
      await heal();
      expect(described('maxBytes')).to.deep.equal(Array(3).fill(3 * 1024 ** 2));
      expect(described('defaultTtlMs')).to.deep.equal(Array(3).fill(1000));
      expect(described('negativeTtlMs')).to.deep.equal(Array(3).fill(7));
    });

    it('a hundred at once, through all nodes, end the same everywhere', async () => {
      await start({ latencyMs: 20 });
      const updates = Array.from({ length: 100 }, (_, i) =>
        cluster.node(i % 3).engine.updateKeyspace(ks, { maxBytes: 1_000_000 + i }),
      );
      await cluster.run(Promise.all(updates));
      expect(new Set(described('maxBytes')).size).to.equal(1);
    });

    it('tells events of what became different', async () => {
      await start({ nodes: 2 });
      const seen: string[] = [];
      const events = cluster.node(1).engine.events();
      const following = (async () => {
        for await (const event of events) if ('keyspace' in event) seen.push(`${event.type} ${event.keyspace}`);
      })();
      const { engine } = cluster.node(0);
      await cluster.run(engine.updateKeyspace(ks, { maxBytes: '1MiB' }));
      await cluster.run(engine.updateKeyspace(ks, { maxBytes: '1MiB' }));
      await cluster.run(engine.clearKeyspace(ks));
      await cluster.run(engine.deleteKeyspace(ks));
      await events.return?.();
      await following;
      expect(seen).to.deep.equal([`keyspace-updated ${ks}`, `keyspace-cleared ${ks}`, `keyspace-deleted ${ks}`]);
    });
  });

  describe('clear', () => {
    const state = { text: 'old' };
    beforeEach(() => {
      state.text = 'old';
    });

    it('nobody answers with anything from before, be it owned, copied or held', async () => {
      await start({ fetch: () => state.text, core: { replicas: 2 } });
      const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
      for (const { engine } of cluster.nodes) await cluster.run(engine.getMany(ks, keys));
      await put(cluster.node(0), 'put', 'old');
      await cluster.clock.advance(100);
      state.text = 'new';
      const result = await cluster.run(cluster.node(1).engine.clearKeyspace(ks));
      expect(result).to.deep.equal({ keyspace: ks, nodes: everywhere('applied') });
      for (const { engine } of cluster.nodes) expect(engine.stats()[ks]?.entries).to.equal(0);
      for (const node of cluster.nodes) {
        for (const key of [...keys, 'put']) expect(await cluster.text(node, key), key).to.equal('new');
      }
    });

    it('what is under way is answered and not kept', async () => {
      await start({
        fetch: () => {
          const text = state.text;
          return new Promise((resolve) => void cluster.clock.after(300, () => resolve(text)));
        },
      });
      const reading = cluster.nodes.map((node) => node.engine.get(ks, 'k'));
      await cluster.clock.advance(50);
      state.text = 'new';
      await cluster.run(cluster.node(2).engine.clearKeyspace(ks));
      const after = cluster.nodes.map((node) => node.engine.get(ks, 'k'));
      const texts = async (reads: Promise<{ value: Uint8Array }>[]) =>
        (await cluster.run(Promise.all(reads))).map(({ value }) => textOf(value));
      for (const text of await texts(reading)) expect(text).to.be.oneOf(['old', 'new']);
      expect(await texts(after)).to.deep.equal(['new', 'new', 'new']);
      for (const node of cluster.nodes) expect(await cluster.text(node, 'k')).to.equal('new');
    });

    it('an owner that has not heard of it yet is not believed', async () => {
      await start({ fetch: () => state.text });
      const owner = cluster.ownerOf('k');
      const [asked, reader] = cluster.others('k') as [TestNode, TestNode];
      await put(reader, 'k', 'old');
      state.text = 'new';
      cluster.network.cutOneWay(asked.address, owner.address);
      const clearing = failureOf(asked.engine.clearKeyspace(ks, { timeoutMs: 1000 }));
      await cluster.clock.advance(5);
      expect(await cluster.text(owner, 'k'), 'the owner, which does not know').to.equal('old');
      expect(await cluster.text(reader, 'k')).to.equal('new');
      expect(reader.engine.peek(ks, 'k'), 'beside the cache').to.equal(undefined);
      expect(((await cluster.run(clearing)) as PartialFailure).nodes).to.deep.equal([owner.name]);
      await heal();
      for (const node of cluster.nodes) expect(await cluster.text(node, 'k')).to.equal('new');
    });

    it('what is put afterwards stays', async () => {
      await start({ fetch: () => null });
      const clearing = cluster.node(0).engine.clearKeyspace(ks);
      const written = cluster.node(1).engine.put(ks, { key: 'k', value: bytesOf('later') });
      await cluster.run(Promise.all([clearing, written]));
      await put(cluster.node(2), 'k2', 'later');
      for (const node of cluster.nodes) expect(await cluster.text(node, 'k2')).to.equal('later');
    });

    it('a node that was away empties itself before it answers again', async () => {
      await start({ fetch: () => state.text, keyspace: { writeTimeout: '1s' } });
      const away = cluster.node(2);
      const key = cluster.keyOwnedBy(away);
      await put(away, key, 'old');
      cutOff(away);
      const error = await cluster.run(failureOf(cluster.node(0).engine.clearKeyspace(ks)));
      expect((error as PartialFailure).nodes).to.deep.equal(['node-3']);
      await cluster.clock.advance(6000);
      state.text = 'new';
      await heal();
      for (const node of cluster.nodes) expect(await cluster.text(node, key)).to.equal('new');
    });
  });

  describe('delete', () => {
    it('a node that was away learns it, and one that joins with it in its file gives it up', async () => {
      await start({ keyspace: { writeTimeout: '1s' }, keyspacesOf: (_, usual) => [usual, { ...usual, name: 'kept' }] });
      cutOff(cluster.node(2));
      const error = await cluster.run(failureOf(cluster.node(0).engine.deleteKeyspace(ks)));
      expect((error as PartialFailure).nodes).to.deep.equal(['node-3']);
      expect(cluster.node(2).engine.keyspaces()).to.deep.equal([ks, 'kept']);
      await heal();
      const late = cluster.make('node-4', 3);
      await cluster.run(late.engine.open(cluster.wait(5000)));
      for (const { engine } of cluster.nodes) {
        expect(engine.keyspaces()).to.deep.equal(['kept']);
        expect(await codeAndText(engine.get(ks, 'k'))).to.match(/^KEYSPACE_NOT_FOUND/);
      }
    });

    it('of several: all are checked first, and each has its result', async () => {
      await start({ keyspacesOf: (_, usual) => ['a', 'b', 'c'].map((name) => ({ ...usual, name })) });
      const { engine } = cluster.node(0);
      expect(await codeAndText(engine.deleteKeyspaces(['a', 'nope']))).to.match(/^KEYSPACE_NOT_FOUND/);
      const results = await cluster.run(engine.deleteKeyspaces(['a', 'b', 'a']));
      expect(results.map(({ keyspace }) => keyspace)).to.deep.equal(['a', 'b']);
      expect(results[1]?.nodes).to.deep.equal(everywhere('applied'));
      expect(await cluster.run(engine.deleteKeyspaces([]))).to.deep.equal([]);
      for (const node of cluster.nodes) expect(node.engine.keyspaces()).to.deep.equal(['c']);
    });
  });
});
