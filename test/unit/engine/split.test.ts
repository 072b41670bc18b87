import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { bytesOf, type ClusterOptions, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

/** For so long a member that is gone is remembered, in the cluster of these tests as in gossip. */
const rememberedMs = 600_000;

describe('engine: onSplit passthrough', () => {
  let cluster: TestCluster;
  /** What the data source has. */
  let source: Map<string, string>;
  let [n1, n2, n3, n4]: TestNode[] = [];

  const start = async (options: ClusterOptions = {}): Promise<void> => {
    source = new Map();
    cluster = await TestCluster.of({
      nodes: 4,
      latencyMs: 2,
      fetch: (key) => source.get(key) ?? null,
      ...options,
      core: { onSplit: 'passthrough', ...options.core },
    });
    [n1, n2, n3, n4] = cluster.nodes;
    await cluster.clock.advance(1000);
  };
  afterEach(async () => {
    for (const { engine } of cluster.nodes) engine.check();
    await cluster.stop();
    expect(cluster.clock.pending(), 'timers left').to.equal(0);
  });

  const cut = async (some: readonly TestNode[], others: readonly TestNode[], forMs = 9000): Promise<void> => {
    for (const a of some) for (const b of others) cluster.network.cut(a.address, b.address);
    await cluster.clock.advance(forMs);
  };
  const heal = async (): Promise<void> => {
    cluster.network.healAll();
    await cluster.clock.advance(10_000);
    for (const { engine } of cluster.nodes) expect(engine.status().peers).to.equal(4);
  };
  /** A key of each node that all nodes have read. */
  const known = async (value: string): Promise<readonly string[]> => {
    const keys = cluster.nodes.map((node) => cluster.keyOwnedBy(node));
    for (const key of keys) source.set(key, value);
    for (const key of keys) for (const node of cluster.nodes) expect(await cluster.text(node, key)).to.equal(value);
    return keys;
  };
  const put = (node: TestNode, key: string): Promise<string | undefined> =>
    cluster.run(
      node.engine.put(ks, { key, value: bytesOf('put') }, { timeoutMs: 2000 }).then(() => 'written', codeOf),
      90_000,
    );

  it('both halves read the source, again and again, keep nothing and write nothing', async () => {
    await start();
    const keys = await known('old');
    await cut([n1!, n2!], [n3!, n4!]);
    for (const value of ['new', 'newer']) {
      for (const key of keys) source.set(key, value);
      for (const node of cluster.nodes) {
        for (const key of keys) {
          const { outcome, value: bytes } = await cluster.run(node.engine.get(ks, key));
          expect([textOf(bytes), outcome], `${node.name} reads ${key}`).to.deep.equal([value, 'load']);
          expect(node.engine.peek(ks, key), 'memory').to.equal(undefined);
        }
      }
    }
    for (const node of cluster.nodes) {
      for (const key of keys) expect(await put(node, key)).to.equal('CLUSTER_QUORUM');
    }
  });

  it('nothing that has expired is answered with', async () => {
    await start({ keyspace: { defaultTtl: '10s', staleWhileRevalidate: '10m', staleIfError: '10m' } });
    const keys = await known('old');
    await cut([n1!, n2!], [n3!, n4!], 12_000);
    for (const key of keys) source.set(key, 'new');
    for (const key of keys) expect(await cluster.text(n1!, key)).to.equal('new');
  });

  it('nor what is in doubt since a split before', async () => {
    await start();
    const keys = await known('old');
    await cut([n1!, n2!], [n3!, n4!]);
    await heal();
    await cut([n1!, n2!], [n3!, n4!]);
    for (const key of keys) source.set(key, 'new');
    for (const key of keys) expect(await cluster.text(n1!, key)).to.equal('new');
  });

  it('a node that sees all others forwards to an owner that does not: the owner refuses as it does to its own callers', async () => {
    await start();
    const key = cluster.keyOwnedBy(n1!);
    await cut([n1!], [n3!, n4!]);
    expect(n2!.engine.owner(ks, key)).to.equal(n1!.name);
    expect(n2!.engine.status().peers).to.equal(4);
    expect(await put(n1!, key)).to.equal('CLUSTER_QUORUM');
    expect(await put(n2!, key)).to.equal('CLUSTER_QUORUM');
    expect(await cluster.run(n2!.engine.delete(ks, key).then(() => 'deleted', codeOf))).to.equal('CLUSTER_QUORUM');
  });

  it('a node that sees all others is answered from the source by an owner that does not', async () => {
    await start();
    const [key] = await known('old');
    await cut([n1!], [n3!, n4!]);
    source.set(key!, 'new');
    // Its own copy is worth nothing without the owner's lease.
    expect(await cluster.text(n2!, key!)).to.equal('new');
    expect(await cluster.text(n2!, key!)).to.equal('new');
    source.set(key!, 'newer');
    expect(await cluster.text(n2!, key!)).to.equal('newer');
  });

  it('the larger part goes on', async () => {
    await start();
    const keys = await known('old');
    await cut([n1!], [n2!, n3!, n4!]);
    expect(await put(n1!, keys[0]!)).to.equal('CLUSTER_QUORUM');
    expect(await put(n2!, keys[0]!)).to.equal('written');
    for (const node of [n2!, n3!, n4!]) expect(await cluster.text(node, keys[0]!)).to.equal('put');
    const fetched = cluster.fetched.get(keys[1]!);
    expect(await cluster.text(n2!, keys[1]!)).to.equal('old');
    expect(cluster.fetched.get(keys[1]!)).to.equal(fetched);
  });

  it('all is as before once the network has healed', async () => {
    await start();
    const keys = await known('old');
    await cut([n1!, n2!], [n3!, n4!]);
    for (const key of keys) source.set(key, 'new');
    for (const key of keys) expect(await cluster.text(n1!, key)).to.equal('new');
    await heal();
    for (const [i, key] of keys.entries()) expect(await put(cluster.node((i + 1) % 4), key)).to.equal('written');
    const fetched = new Map(cluster.fetched);
    for (const key of keys) {
      for (const node of cluster.nodes)
        expect(await cluster.text(node, key), `${node.name} reads ${key}`).to.equal('put');
    }
    expect(cluster.fetched, 'all of it from memory').to.deep.equal(fetched);
    for (const node of cluster.nodes) expect(node.engine.peek(ks, keys[0]!)).not.to.equal(undefined);
  });

  it('it lasts for as long as the lost members are remembered, also where no other is left', async () => {
    await start({ nodes: 2 });
    const key = cluster.keyOwnedBy(n1!);
    await cut([n1!], [n2!]);
    expect(await put(n1!, key)).to.equal('CLUSTER_QUORUM');
    await cluster.clock.advance(rememberedMs - 20_000);
    expect(await put(n1!, key)).to.equal('CLUSTER_QUORUM');
    await cluster.clock.advance(20_000);
    expect(await put(n1!, key)).to.equal('written');
  });

  it('without it each half goes on', async () => {
    await start({ core: { onSplit: 'serve' } });
    const keys = await known('old');
    await cut([n1!, n2!], [n3!, n4!]);
    for (const node of cluster.nodes) expect(await put(node, keys[0]!)).to.equal('written');
  });
});
