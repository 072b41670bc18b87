import { expect } from 'chai';
import { allGuards } from '../../../src/coherence/guards.js';
import { Slots } from '../../../src/coherence/slots.js';
import { xxh3Hasher } from '../../../src/platform/hasher.js';
import { Ring } from '../../../src/ring/ring.js';
import { ks, type SimNode, virtualNodes, World, type WorldOptions } from './world.js';

const slots = new Slots();
const slotOf = (key: string): number => slots.slotOf(xxh3Hasher.hash(key));

/** A key's owner and its replica among so many nodes: the ring follows from their names. */
function keepersOf(key: string, nodes: number): readonly string[] {
  const members = Array.from({ length: nodes }, (_, i) => ({ id: '', name: `n${i + 1}`, weight: 1 }));
  const ring = Ring.of(members, { virtualNodes, hasher: xxh3Hasher });
  return ring.ownersOfHash(xxh3Hasher.hash(key), 2).map(({ name }) => name);
}

/** Of n1, until a fifth node joins: then n1 is its replica. */
const goesToN5 = (key: string): boolean => keepersOf(key, 4)[0] === 'n1' && keepersOf(key, 5).join() === 'n5,n1';

/** What chance meets too seldom: one interleaving each. What was put is in the cache alone; the data source has seq 0. */
describe('simulation: interleavings that broke a promise once', function () {
  this.timeout(120_000);
  let world: World;
  afterEach(() => world.stop());

  /** Nodes that have been together for more than a minute. */
  const worldOf = async (options: Partial<WorldOptions> = {}): Promise<readonly SimNode[]> => {
    world = new World({
      seed: 'interleavings',
      guards: allGuards,
      nodes: 4,
      replicas: 2,
      keyspace: { maxBytes: '8MiB', readTimeout: 4000 },
      skewMs: 0,
      latencyMs: 2,
      sourceMs: 5,
      sourceFails: 0,
      maxInflight: 10_000,
      ...options,
    });
    for (let i = 1; i <= world.options.nodes; i++) world.start(`n${i}`);
    world.startDetector();
    await world.clock.advance(70_000);
    return world.up();
  };
  const numbered = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `b${i}`);
  const keysOf = (node: SimNode, count: number): readonly string[] =>
    numbered(4000)
      .filter((key) => node.engine.locate(ks, key).owner === node.name)
      .slice(0, count);
  const put = (node: SimNode, key: string, text = 'put', timeoutMs = 5000) =>
    node.engine.put(ks, { key, value: Buffer.from(text) }, { timeoutMs });
  const putAll = async (node: SimNode, keys: readonly string[]): Promise<void> => {
    for (const key of keys) expect((await world.clock.until(put(node, key))).unreached).to.deep.equal([]);
  };
  const textAt = async (node: SimNode, key: string): Promise<string> => {
    const found = await world.clock.until(node.engine.lookup(ks, key));
    return found.found ? Buffer.from(found.value).toString() : 'missing';
  };
  const lostAt = async (node: SimNode, keys: readonly string[]): Promise<number> => {
    let lost = 0;
    for (const key of keys) if ((await textAt(node, key)) !== 'put') lost++;
    return lost;
  };
  const cutPair = (a: SimNode, b: SimNode): (() => void) =>
    world.cuts.cut([
      [a.address, b.address],
      [b.address, a.address],
    ]);

  for (const leaveMs of [700, 1400]) {
    it(`an owner writes out of reach of its replica, and leaves ${leaveMs} ms after the cut began`, async () => {
      const [n1] = await worldOf();
      const [key] = keysOf(n1!, 1);
      const replica = world.node(n1!.engine.locate(ks, key!).replicas[0]!);
      await putAll(n1!, [key!]);
      await world.clock.advance(1000);
      world.clock.after(3000, cutPair(n1!, replica));
      world.clock.after(leaveMs, () => world.leave(n1!));
      await world.clock.advance(50);
      await world.clock.until(put(n1!, key!, 'new'));
      for (const node of world.up()) if (node !== n1) expect(await textAt(node, key!), node.name).to.equal('new');
      await world.clock.advance(5000);
      for (const node of world.up()) expect(await textAt(node, key!), `${node.name}, later`).to.equal('new');
    });
  }

  it('a replica that was cut off holds its entry for a node that has joined, and does not answer with it', async () => {
    const key = numbered(500).find(goesToN5)!;
    const [n1] = await worldOf({ seed: 'scratch' });
    const replica = world.node(keepersOf(key, 4)[1]!);
    await putAll(n1!, [key]);
    await world.clock.advance(1000);
    world.clock.after(4000, cutPair(n1!, replica));
    await world.clock.advance(20);
    expect((await world.clock.until(put(n1!, key, 'new'))).unreached).to.deep.equal([replica.name]);
    world.start('n5');
    for (let i = 0; i < 8; i++) {
      expect(await textAt(replica, key), `after ${i * 250} ms`).not.to.equal('put');
      await world.clock.advance(250);
    }
  });

  it('a replica that missed a delete hands nothing over to a node that joins, though both heard of a later write to the slot', async () => {
    const pairOf = (key: string): string | undefined =>
      numbered(30_000).find(
        (other) => other !== key && slotOf(other) === slotOf(key) && keepersOf(other, 5)[0] === 'n5',
      );
    const key = numbered(4000).find((name) => goesToN5(name) && pairOf(name))!;
    const other = pairOf(key)!;
    const [n1] = await worldOf({ seed: 'scratch' });
    const replica = world.node(keepersOf(key, 4)[1]!);
    await putAll(n1!, [key]);
    await world.clock.advance(1000);
    world.clock.after(9000, cutPair(n1!, replica));
    await world.clock.advance(20);
    expect((await world.clock.until(n1!.engine.delete(ks, key))).unreached).to.deep.equal([replica.name]);
    await world.clock.advance(500);
    // The joiner's link to the replica comes up before its others.
    const others = ['n1', 'n2', 'n4'].map((name) => world.node(name));
    const n5 = world.start('n5');
    for (const node of others) world.clock.after(150, cutPair(node, n5));
    while (n5.state === 'starting') await world.clock.advance(10);
    await world.clock.advance(300);
    await world.clock.until(put(n5, other));
    await world.clock.advance(15_000);
    for (const node of world.up()) expect(await textAt(node, key), node.name).not.to.equal('put');
  });

  it('a delete with little time is answered before a replica that is cut off can know of it, and the owner crashes', async () => {
    const [n1] = await worldOf({ seed: 'scratch' });
    const [key] = keysOf(n1!, 1);
    const replica = world.node(n1!.engine.locate(ks, key!).replicas[0]!);
    await putAll(n1!, [key!]);
    await world.clock.advance(1000);
    const heal = cutPair(n1!, replica);
    const { unreached } = await world.clock.until(n1!.engine.delete(ks, key!, { timeoutMs: 300 }));
    expect(unreached).to.deep.equal([replica.name]);
    world.crash(n1!, false);
    heal();
    await world.clock.advance(10_000);
    for (const node of world.up()) expect(await textAt(node, key!), node.name).not.to.equal('put');
  });

  for (const [joiners, apartMs] of [
    [6, 100],
    [9, 20],
    // The cluster has 20 then.
    [17, 5],
  ] as const) {
    it(`${joiners} nodes join ${apartMs} ms apart, and keys are read at once: none of the puts is lost`, async () => {
      const [first] = await worldOf({ nodes: 3, replicas: 1 });
      const keys = numbered(300);
      await putAll(first!, keys);
      await world.clock.advance(1000);
      for (let i = 0; i < joiners; i++) {
        world.start(`n${4 + i}`);
        await world.clock.advance(apartMs);
      }
      while (world.alive().some(({ state }) => state === 'starting')) await world.clock.advance(10);
      await world.clock.advance(300);
      expect(await lostAt(first!, keys)).to.equal(0);
      expect(world.history.loads).to.have.length(0);
    });
  }

  for (const apartMs of [0, 100, 300]) {
    it(`a node joins ${apartMs} ms after another began to leave, and its keys are read there at once: none is lost`, async () => {
      const [n1] = await worldOf({ nodes: 3, replicas: 1, latencyMs: 80 });
      const keys = keysOf(n1!, 600);
      const puts = await world.clock.until(Promise.all(keys.map((key) => put(n1!, key))));
      expect(puts.flatMap(({ unreached }) => unreached)).to.deep.equal([]);
      await world.clock.advance(1000);
      world.leave(n1!);
      await world.clock.advance(apartMs);
      const n4 = world.start('n4');
      while (n4.state === 'starting') await world.clock.advance(10);
      const moved = keys.filter((key) => n4.engine.owner(ks, key) === 'n4');
      expect(moved.length).to.be.above(100);
      const found = await world.clock.until(Promise.all(moved.map((key) => n4.engine.lookup(ks, key))));
      const lost = found.filter((read) => !read.found || Buffer.from(read.value).toString() !== 'put');
      expect(lost.length).to.equal(0);
      expect(world.history.loads).to.have.length(0);
    });
  }

  for (const [crashMs, seed] of [
    [300, '1'],
    [1200, '2'],
    [1200, '5'],
    [300, '6'],
  ] as const) {
    it(`keys are put while a node joins, and their owner crashes ${crashMs} ms later (${seed})`, async () => {
      const [n1, n2] = await worldOf({ seed });
      const keys = keysOf(n1!, 120);
      world.start('n5');
      const acknowledged: string[] = [];
      for (const key of keys) {
        void put(n2!, key).then(({ unreached }) => {
          if (unreached.length === 0) acknowledged.push(key);
        });
        await world.clock.advance(4);
      }
      await world.clock.advance(crashMs);
      world.crash(n1!, false);
      await world.clock.advance(9000);
      expect(acknowledged.length).to.be.above(60);
      expect(await lostAt(n2!, acknowledged)).to.equal(0);
    });
  }

  for (const [latencyMs, seed] of [
    [60, '1'],
    [150, '1'],
    [150, '2'],
  ] as const) {
    it(`keys are put just before their owner leaves, ${latencyMs} ms away from the others (${seed})`, async () => {
      const [n1, n2] = await worldOf({ replicas: 1, seed, latencyMs });
      const acknowledged: string[] = [];
      const puts = keysOf(n1!, 100).map((key) =>
        put(n1!, key).then(
          ({ unreached }) => {
            if (unreached.length === 0) acknowledged.push(key);
          },
          () => {},
        ),
      );
      world.leave(n1!);
      await world.clock.until(Promise.all(puts));
      await world.clock.advance(12_000);
      expect(acknowledged.length).to.be.above(20);
      expect(await lostAt(n2!, acknowledged)).to.equal(0);
    });
  }

  it('a node that leaves holds up no write of the others, and none names it', async () => {
    const [n1, n2, , n4] = await worldOf({ replicas: 1 });
    const writes: Promise<void>[] = [];
    let longestMs = 0;
    const named: string[] = [];
    const write = async (i: number): Promise<void> => {
      const startedMs = world.clock.nowMs();
      named.push(...(await put(i % 2 === 0 ? n1! : n2!, `b${i}`)).unreached);
      longestMs = Math.max(longestMs, world.clock.nowMs() - startedMs);
    };
    for (let i = 0; i < 200; i++) {
      if (i === 20) world.leave(n4!);
      writes.push(write(i));
      await world.clock.advance(20);
    }
    await world.clock.until(Promise.all(writes));
    expect(n4!.state).to.equal('gone');
    expect(named).to.deep.equal([]);
    expect(longestMs).to.be.below(500);
  });
});
