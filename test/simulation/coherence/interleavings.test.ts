import { expect } from 'chai';
import { keepersOf, numbered, Stage, slotOf } from './stage.js';
import { ks, type SimNode, type World, type WorldOptions } from './world.js';

/** Of n1, until a fifth node joins: then n1 is its replica. */
const goesToN5 = (key: string): boolean => keepersOf(key, 4)[0] === 'n1' && keepersOf(key, 5).join() === 'n5,n1';

/** Changes of the ring that chance meets too seldom: one each. What was put is in the cache alone; the source has seq 0. */
describe('simulation: interleavings that broke a promise once', function () {
  this.timeout(120_000);
  let stage: Stage;
  let world: World;
  afterEach(() => stage.stop());

  const worldOf = async (options: Partial<WorldOptions> = {}): Promise<readonly SimNode[]> => {
    stage = await Stage.of(options);
    world = stage.world;
    return world.up();
  };
  const keysOf = (node: SimNode, count: number): readonly string[] =>
    numbered(4000)
      .filter((key) => node.engine.locate(ks, key).owner === node.name)
      .slice(0, count);

  for (const leaveMs of [700, 1400]) {
    it(`an owner writes out of reach of its replica, and leaves ${leaveMs} ms after the cut began`, async () => {
      const [n1] = await worldOf();
      const [key] = keysOf(n1!, 1);
      const replica = world.node(n1!.engine.locate(ks, key!).replicas[0]!);
      await stage.putAll(n1!, [key!]);
      await stage.advance(1000);
      world.clock.after(3000, stage.cutPair(n1!, replica));
      world.clock.after(leaveMs, () => world.leave(n1!));
      await stage.advance(50);
      await stage.until(stage.put(n1!, key!, 'new'));
      for (const node of world.up()) if (node !== n1) expect(await stage.textAt(node, key!), node.name).to.equal('new');
      await stage.advance(5000);
      for (const node of world.up()) expect(await stage.textAt(node, key!), `${node.name}, later`).to.equal('new');
    });
  }

  it('a replica that was cut off holds its entry for a node that has joined, and does not answer with it', async () => {
    const key = numbered(500).find(goesToN5)!;
    const [n1] = await worldOf({ seed: 'scratch' });
    const replica = world.node(keepersOf(key, 4)[1]!);
    await stage.putAll(n1!, [key]);
    await stage.advance(1000);
    world.clock.after(4000, stage.cutPair(n1!, replica));
    await stage.advance(20);
    expect((await stage.until(stage.put(n1!, key, 'new'))).unreached).to.deep.equal([replica.name]);
    world.start('n5');
    for (let i = 0; i < 8; i++) {
      expect(await stage.textAt(replica, key), `after ${i * 250} ms`).not.to.equal('put');
      await stage.advance(250);
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
    await stage.putAll(n1!, [key]);
    await stage.advance(1000);
    world.clock.after(9000, stage.cutPair(n1!, replica));
    await stage.advance(20);
    expect((await stage.until(n1!.engine.delete(ks, key))).unreached).to.deep.equal([replica.name]);
    await stage.advance(500);
    // The joiner's link to the replica comes up before its others.
    const others = ['n1', 'n2', 'n4'].map((name) => world.node(name));
    const n5 = world.start('n5');
    for (const node of others) world.clock.after(150, stage.cutPair(node, n5));
    await stage.untilUp(n5);
    await stage.advance(300);
    await stage.until(stage.put(n5, other));
    await stage.advance(15_000);
    for (const node of world.up()) expect(await stage.textAt(node, key), node.name).not.to.equal('put');
  });

  it('a delete with little time is answered before a replica that is cut off can know of it, and the owner crashes', async () => {
    const [n1] = await worldOf({ seed: 'scratch' });
    const [key] = keysOf(n1!, 1);
    const replica = world.node(n1!.engine.locate(ks, key!).replicas[0]!);
    await stage.putAll(n1!, [key!]);
    await stage.advance(1000);
    const heal = stage.cutPair(n1!, replica);
    const { unreached } = await stage.until(n1!.engine.delete(ks, key!, { timeoutMs: 300 }));
    expect(unreached).to.deep.equal([replica.name]);
    world.crash(n1!, false);
    heal();
    await stage.advance(10_000);
    for (const node of world.up()) expect(await stage.textAt(node, key!), node.name).not.to.equal('put');
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
      await stage.putAll(first!, keys);
      await stage.advance(1000);
      for (let i = 0; i < joiners; i++) {
        world.start(`n${4 + i}`);
        await stage.advance(apartMs);
      }
      await stage.untilUp(...world.alive());
      await stage.advance(300);
      expect(await stage.lostAt(first!, keys)).to.equal(0);
      expect(world.history.loads).to.have.length(0);
    });
  }

  for (const apartMs of [0, 100, 300]) {
    it(`a node joins ${apartMs} ms after another began to leave, and its keys are read there at once: none is lost`, async () => {
      const [n1] = await worldOf({ nodes: 3, replicas: 1, latencyMs: 80 });
      const keys = keysOf(n1!, 600);
      const puts = await stage.until(Promise.all(keys.map((key) => stage.put(n1!, key))));
      expect(puts.flatMap(({ unreached }) => unreached)).to.deep.equal([]);
      await stage.advance(1000);
      world.leave(n1!);
      await stage.advance(apartMs);
      const n4 = world.start('n4');
      await stage.untilUp(n4);
      const moved = keys.filter((key) => n4.engine.owner(ks, key) === 'n4');
      expect(moved.length).to.be.above(100);
      const found = await stage.until(Promise.all(moved.map((key) => n4.engine.lookup(ks, key))));
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
        void stage.put(n2!, key).then(({ unreached }) => {
          if (unreached.length === 0) acknowledged.push(key);
        });
        await stage.advance(4);
      }
      await stage.advance(crashMs);
      world.crash(n1!, false);
      await stage.advance(9000);
      expect(acknowledged.length).to.be.above(60);
      expect(await stage.lostAt(n2!, acknowledged)).to.equal(0);
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
        stage.put(n1!, key).then(
          ({ unreached }) => {
            if (unreached.length === 0) acknowledged.push(key);
          },
          () => {},
        ),
      );
      world.leave(n1!);
      await stage.until(Promise.all(puts));
      await stage.advance(12_000);
      expect(acknowledged.length).to.be.above(20);
      expect(await stage.lostAt(n2!, acknowledged)).to.equal(0);
    });
  }

  it('a node that leaves holds up no write of the others, and none names it', async () => {
    const [n1, n2, , n4] = await worldOf({ replicas: 1 });
    const writes: Promise<void>[] = [];
    let longestMs = 0;
    const named: string[] = [];
    const write = async (i: number): Promise<void> => {
      const startedMs = world.clock.nowMs();
      named.push(...(await stage.put(i % 2 === 0 ? n1! : n2!, `b${i}`)).unreached);
      longestMs = Math.max(longestMs, world.clock.nowMs() - startedMs);
    };
    for (let i = 0; i < 200; i++) {
      if (i === 20) world.leave(n4!);
      writes.push(write(i));
      await stage.advance(20);
    }
    await stage.until(Promise.all(writes));
    expect(n4!.state).to.equal('gone');
    expect(named).to.deep.equal([]);
    expect(longestMs).to.be.below(500);
  });
});
