import { expect } from 'chai';
import { bytesOf, type ClusterOptions, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

/** What nodes know of each other's writes, and what is kept or dropped for that, where links, members and keyspaces change. */
describe('engine: writes that may have been missed', () => {
  let cluster: TestCluster;
  afterEach(() => cluster.stop());

  const start = async (options: ClusterOptions): Promise<readonly TestNode[]> => {
    cluster = await TestCluster.of({ latencyMs: 1, ...options });
    await cluster.clock.advance(70_000);
    return cluster.nodes;
  };
  const textIn = async (space: string, node: TestNode, key: string): Promise<string | undefined> =>
    textOf((await cluster.run(node.engine.get(space, key))).value);
  const put = async (node: TestNode, keys: readonly string[], space = ks): Promise<void> => {
    for (const key of keys) await cluster.run(node.engine.put(space, { key, value: bytesOf('put') }));
  };
  const lostAt = async (node: TestNode, keys: readonly string[], space = ks): Promise<number> => {
    let lost = 0;
    for (const key of keys) if ((await textIn(space, node, key)) !== 'put') lost++;
    return lost;
  };
  const numbered = (prefix: string, count: number): readonly string[] =>
    Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
  const all = (peers: number): boolean => cluster.nodes.every(({ engine }) => engine.status().peers === peers);
  const until = async (holds: () => boolean): Promise<void> => {
    for (let i = 0; i < 6000 && !holds(); i++) await cluster.clock.advance(10);
    expect(holds()).to.equal(true);
  };
  /** A second keyspace, `kx`, that node-2 does not have. */
  const partly: ClusterOptions['keyspacesOf'] = (node, usual) =>
    node === 'node-2' ? [usual] : [usual, { ...usual, name: 'kx' }];

  it('who has no such keyspace knows nothing of its floors, though it has heard of the writer', async () => {
    let row = 'old';
    const [a, b, d, e] = await start({ nodes: 4, fetch: () => row, keyspacesOf: partly });
    const owned = numbered('key', 200).filter((key) => cluster.ownerOf(key) === d);
    for (const key of owned) expect(await textIn('kx', d!, key)).to.equal('old');
    for (const x of [a, b]) for (const y of [d, e]) cluster.network.cut(x!.address, y!.address);
    await cluster.clock.advance(12_000);
    const deleted = owned.filter((key) => a!.engine.owner('kx', key) === a!.name);
    expect(deleted.length).to.be.above(5);
    row = 'new';
    for (const key of deleted) await cluster.run(a!.engine.delete('kx', key));
    // The link of the one without comes up first.
    cluster.network.heal(b!.address, d!.address);
    await until(() => b!.engine.status().peers === 3);
    await cluster.clock.advance(3000);
    cluster.network.healAll();
    await until(() => all(4));
    await cluster.clock.advance(6000);
    for (const node of [a, d, e]) {
      for (const key of deleted) expect(await textIn('kx', node!, key), `${node!.name} ${key}`).to.equal('new');
    }
  });

  it('who has no such keyspace has nothing to tell of it, and the one that asks is in no doubt for that', async () => {
    const [first, , third] = await start({ nodes: 3, fetch: (key) => `row ${key}`, keyspacesOf: partly });
    const keys = numbered('key', 300).filter((key) => cluster.ownerOf(key) === first);
    await put(first!, keys, 'kx');
    await cluster.clock.advance(1000);
    cluster.network.freeze(first!.address);
    await cluster.clock.advance(2200);
    cluster.network.thaw(first!.address);
    await cluster.clock.advance(4000);
    expect(await lostAt(third!, keys, 'kx')).to.equal(0);
    expect(cluster.fetched.size).to.equal(0);
  });

  it('the first write of a node costs the others nothing but what was written meanwhile', async () => {
    cluster = await TestCluster.of({ latencyMs: 1, fetch: () => 'row' });
    const joined = cluster.make('node-4', 4);
    await cluster.run(joined.engine.open(cluster.wait(10_000)));
    await cluster.clock.advance(70_000);
    const first = cluster.node(0);
    const mine = cluster.keyOwnedBy(joined, 'mine');
    const keys = numbered('key', 600).filter((key) => cluster.ownerOf(key) === first);
    await put(first, keys);
    for (const key of numbered('other', 3000))
      if (cluster.ownerOf(key) !== joined) await cluster.run(first.engine.delete(ks, key));
    await cluster.clock.advance(5000);
    cluster.network.hangUp(joined.address, first.address);
    await cluster.clock.advance(2);
    await cluster.run(joined.engine.delete(ks, mine));
    await cluster.clock.advance(8000);
    expect(await lostAt(first, keys)).to.equal(0);
  });

  for (const apartMs of [0, 2]) {
    it(`what moved to a node that joins, and ${apartMs} ms later to another, is not lost`, async () => {
      const [first] = await start({ latencyMs: 2, fetch: () => 'row' });
      const keys = numbered('key', 300);
      await put(first!, keys);
      await cluster.clock.advance(1000);
      const opening: Promise<void>[] = [];
      for (const name of ['node-4', 'node-5']) {
        opening.push(cluster.make(name, 5).engine.open(cluster.wait(10_000)));
        await cluster.clock.advance(apartMs);
      }
      await cluster.run(Promise.all(opening));
      await cluster.clock.advance(5000);
      expect(await lostAt(first!, keys)).to.equal(0);
      expect(cluster.fetched.size).to.equal(0);
    });
  }

  for (const stallMs of [500, 1100, 1500]) {
    it(`what was taken over is kept though the only other node stands still for ${stallMs} ms meanwhile, and keys are read`, async () => {
      const [a, b, c] = await start({ core: { replicas: 2 }, fetch: () => 'row' });
      const keys = numbered('key', 200).filter(
        (key) => cluster.ownerOf(key) === b && a!.engine.locate(ks, key).replicas[0] === a!.name,
      );
      await put(a!, keys);
      await cluster.clock.advance(1000);
      cluster.network.freeze(c!.address);
      cluster.network.crash(b!.address);
      cluster.nodes.splice(1, 1);
      cluster.clock.after(stallMs, () => cluster.network.thaw(c!.address));
      for (let i = 0; i < 60; i++) {
        for (const key of keys) a!.engine.get(ks, key).catch(() => {});
        await cluster.clock.advance(50);
      }
      await cluster.clock.advance(10_000);
      expect(keys.length).to.be.above(20);
      expect(await lostAt(a!, keys)).to.equal(0);
      await cluster.run(b!.engine.close(cluster.wait(0)));
    });
  }

  it('what was taken over gets its second copy at once, however long the others took to answer', async () => {
    const [first, second, , fourth, fifth] = await start({ nodes: 5, core: { replicas: 2 }, fetch: () => 'row' });
    const keys = numbered('key', 300);
    await put(first!, keys);
    await cluster.clock.advance(31_000);
    cluster.network.crash(fifth!.address, { silent: true });
    cluster.nodes.splice(4, 1);
    // A moment before the others notice.
    await cluster.clock.advance(2800);
    cluster.network.freeze(fourth!.address);
    expect(first!.engine.status().peers).to.equal(5);
    await until(() => first!.engine.status().peers === 4);
    await cluster.clock.advance(1100);
    cluster.network.thaw(fourth!.address);
    await cluster.clock.advance(8000);
    cluster.network.crash(second!.address);
    cluster.nodes.splice(1, 1);
    await cluster.clock.advance(6000);
    expect(await lostAt(first!, keys)).to.equal(0);
    for (const node of [second, fifth]) await cluster.run(node!.engine.close(cluster.wait(0)));
  });
});
