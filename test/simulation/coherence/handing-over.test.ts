import { expect } from 'chai';
import { keepersOf, numbered, Stage, slotOf } from './stage.js';
import { ks, type SimNode, type World, type WorldOptions } from './world.js';

/** Keys that move while something else happens. What was put is in the cache alone; the data source has seq 0. */
describe('simulation: what was put is handed over, whatever happens meanwhile', function () {
  this.timeout(120_000);
  let stage: Stage;
  let world: World;
  afterEach(() => stage.stop());

  const open = async (options: Partial<WorldOptions> = {}): Promise<void> => {
    stage = await Stage.of({ replicas: 1, ...options });
    world = stage.world;
  };
  const goingToN5 = numbered(1200).filter((key) => keepersOf(key, 5)[0] === 'n5');
  const fromN1 = goingToN5.filter((key) => keepersOf(key, 4)[0] === 'n1');
  /** Everybody looks, and all is quiet before. */
  const lostAfter = async (ms: number, keys: readonly string[]): Promise<number> => {
    await stage.advance(ms);
    let lost = 0;
    for (const node of world.up()) lost += await stage.lostAt(node, keys);
    return lost;
  };

  for (const seed of ['1', '2', '3']) {
    it(`a node joins, is read from, and leaves again: its recalls are under way as its drain begins (${seed})`, async () => {
      await open({ latencyMs: 40, seed });
      await stage.putAll(stage.node(1), goingToN5);
      await stage.advance(1000);
      const n5 = world.start('n5');
      await stage.untilUp(n5);
      await stage.advance(300);
      for (const key of goingToN5) n5.engine.lookup(ks, key).catch(() => {});
      await stage.advance(5);
      world.leave(n5);
      while (n5.state !== 'gone') await stage.advance(50);
      expect(await lostAfter(5000, goingToN5)).to.equal(0);
    });
  }

  for (const [how, ms] of [
    ['stands still', 1100],
    ['is cut off from the new one', 1500],
  ] as const) {
    it(`a former owner ${how} for ${ms} ms as it is asked: nothing is loaded over what it holds`, async () => {
      await open();
      const n1 = stage.node(1);
      await stage.putAll(n1, fromN1);
      await stage.advance(1000);
      const n5 = world.start('n5');
      await stage.untilUp(n5);
      await stage.advance(300);
      if (how === 'stands still') {
        world.pause(n1);
        world.clock.after(ms, () => world.resume(n1));
      } else world.clock.after(ms, stage.cutPair(n1, n5));
      await stage.advance(20);
      await stage.lostAt(n5, fromN1);
      expect(await lostAfter(15_000, fromN1)).to.equal(0);
    });
  }

  it('a node that leaves stands still as it is asked by one that joins', async () => {
    await open({ nodes: 3, latencyMs: 10 });
    const n1 = stage.node(1);
    const keys = numbered(1000).filter((key) => keepersOf(key, 3)[0] === 'n1' && keepersOf(key, 4)[0] === 'n4');
    await stage.putAll(n1, keys);
    await stage.advance(1000);
    world.leave(n1);
    await stage.advance(60);
    const n4 = world.start('n4');
    await stage.untilUp(n4);
    if (n1.state !== 'gone') {
      world.pause(n1);
      world.clock.after(1100, () => world.resume(n1));
    }
    await stage.lostAt(n4, keys);
    expect(await lostAfter(15_000, keys)).to.equal(0);
  });

  it('a node that joins loads ahead of need what its former owner, which leaves, gives it meanwhile', async () => {
    let loads = 0;
    const fetch = async (key: string): Promise<string> => {
      const ms = ++loads === 1 ? 1500 : 5;
      await new Promise<void>((resolve) => {
        world.clock.after(ms, resolve);
      });
      return `${key}#0`;
    };
    await open({ keyspace: { maxBytes: '64MiB', readTimeout: 8000, dataSource: { fetch } } });
    const n1 = stage.node(1);
    const [key] = fromN1;
    n1.engine.lookup(ks, key!).catch(() => {});
    await stage.advance(100);
    await stage.until(stage.put(n1, key!));
    const n5 = world.start('n5');
    await stage.untilUp(n5);
    const warming = n5.engine.warm(ks, [key!]);
    await stage.advance(10);
    world.leave(n1);
    expect((await stage.until(warming)).failures).to.deep.equal([]);
    expect(await stage.textAt(n5, key!)).to.equal('put');
  });

  for (const [latencyMs, seed] of [
    [20, '8'],
    [2, '10'],
  ] as const) {
    it(`what a former owner that stood still has from before is nobody’s answer, though its key is of one that joined (${seed})`, async () => {
      await open({ latencyMs, seed });
      const [n1, n2] = [stage.node(1), stage.node(2)];
      const [key] = fromN1;
      await stage.until(stage.put(n1, key!, 'before'));
      world.pause(n1);
      await stage.advance(2200);
      world.start('n5');
      await stage.advance(2500);
      expect((await stage.until(stage.put(n2, key!))).unreached).to.deep.equal([]);
      await stage.advance(500);
      world.resume(n1);
      const seen = new Set<string>();
      for (let i = 0; i < 300; i++) {
        n1.engine.lookup(ks, key!).then((read) => read.found && seen.add(Buffer.from(read.value).toString()));
        await stage.advance(2);
      }
      await stage.advance(5000);
      expect(await stage.textAt(n1, key!)).to.equal('put');
      expect(seen).to.include(`${key}#0`).and.not.to.include('before');
    });
  }

  it('another key of the slot is written, and the former owner has not heard of that yet', async () => {
    await open();
    const hot = numbered(100).find((key) => keepersOf(key, 5)[0] === 'n3' && keepersOf(key, 4)[0] === 'n3')!;
    const inSlot = Array.from({ length: 300_000 }, (_, i) => `c${i}`).filter((key) => slotOf(key) === slotOf(hot));
    const keys = inSlot.filter((key) => keepersOf(key, 4)[0] === 'n1' && keepersOf(key, 5)[0] === 'n5');
    expect(keys.length).to.be.above(1);
    await stage.putAll(stage.node(1), [...keys, hot]);
    await stage.advance(1000);
    const n5 = world.start('n5');
    await stage.untilUp(n5);
    await stage.advance(400);
    world.clock.after(300, stage.cutWay(stage.node(3), stage.node(1)));
    const write = stage.put(stage.node(3), hot, 'hot');
    await stage.advance(20);
    await stage.lostAt(n5, keys);
    expect((await stage.until(write)).unreached).to.deep.equal([]);
    expect(await lostAfter(10_000, keys)).to.equal(0);
  });

  for (const downMs of [10, 600]) {
    it(`a node is killed, and runs again ${downMs} ms later: it has what its replicas had`, async () => {
      for (const seed of ['1', '2', '3', '4', '5', '6']) {
        await open({ replicas: 2, latencyMs: 10, seed });
        const keys = numbered(1500).filter((key) => keepersOf(key, 4)[0] === 'n1');
        await stage.putAll(stage.node(2), keys.slice(0, 300));
        await stage.advance(3000);
        world.crash(stage.node(1), false);
        await stage.advance(downMs);
        const n1 = world.start('n1');
        await stage.untilUp(n1);
        for (let at = 0; at < 300; at += 15) {
          await stage.lostAt(n1, keys.slice(at, at + 15));
          await stage.advance(10);
        }
        expect(await lostAfter(10_000, keys.slice(0, 300)), `seed ${seed}`).to.equal(0);
        if (seed !== '6') await stage.stop();
      }
    });
  }

  for (const [kind, timeoutMs] of [
    ['delete', 300],
    ['put', 1000],
  ] as const) {
    it(`a ${kind} with ${timeoutMs} ms, out of reach of its replica, whose owner leaves at once: the old value is gone`, async () => {
      await open({ replicas: 2 });
      const n1 = stage.node(1);
      const key = numbered(500).find((name) => keepersOf(name, 4)[0] === 'n1')!;
      const replica = world.node(keepersOf(key, 4)[1]!);
      await stage.putAll(n1, [key], 'old');
      await stage.advance(1000);
      world.clock.after(20_000, stage.cutPair(n1, replica));
      await stage.advance(20);
      const write =
        kind === 'delete' ? n1.engine.delete(ks, key, { timeoutMs }) : stage.put(n1, key, 'new', { timeoutMs });
      expect((await stage.until(write)).unreached).to.deep.equal([replica.name]);
      world.leave(n1);
      for (let i = 0; i < 8; i++) {
        await stage.advance(i < 4 ? 800 : 6000);
        for (const node of world.up()) expect(await stage.textAt(node, key), node.name).not.to.equal('old');
      }
    });
  }

  const goesOver = numbered(2000).find((key) => keepersOf(key, 4)[0] === 'n1' && keepersOf(key, 5)[0] === 'n5')!;
  /** Whatever has been acknowledged, nobody reads what was before. */
  const nobodyReadsOld = async (key: string): Promise<void> => {
    for (const ms of [0, 300, 500, 8000]) {
      await stage.advance(ms);
      for (const node of world.up())
        expect(await stage.textAt(node, key), `${node.name}, ${ms} ms on`).not.to.equal('old');
    }
  };
  const write = (node: SimNode, key: string, kind: 'put' | 'delete') =>
    kind === 'delete' ? node.engine.delete(ks, key, { timeoutMs: 4000 }) : stage.put(node, key, 'new');

  for (const kind of ['put', 'delete'] as const) {
    for (const seed of ['1', '2', '3']) {
      it(`a joiner's ${kind} is lost with its link to the former owner, who knows nothing of the joiner yet (${seed})`, async () => {
        await open({ seed });
        const n1 = stage.node(1);
        await stage.putAll(n1, [goesOver], 'old');
        await stage.advance(1000);
        const n5 = world.start('n5');
        while (n5.state === 'starting') await stage.advance(1);
        const heal = stage.cutPair(n5, n1);
        const writing = write(n5, goesOver, kind);
        await stage.advance(5);
        stage.reset(n1, n5);
        heal();
        await stage.until(writing);
        await nobodyReadsOld(goesOver);
      });

      it(`a former owner's ${kind} is lost with its link to a joiner that has put, and of which it hears too late (${seed})`, async () => {
        await open({ seed });
        const n1 = stage.node(1);
        const n5 = world.start('n5');
        while (n5.state === 'starting') await stage.advance(1);
        await stage.until(stage.put(n5, goesOver, 'old', { timeoutMs: 3000 }));
        const heal = stage.cutPair(n5, n1);
        const writing = write(n1, goesOver, kind);
        while (n1.engine.owner(ks, goesOver) === 'n1') await stage.advance(1);
        await stage.advance(5);
        stage.reset(n1, n5);
        heal();
        await stage.until(writing);
        await nobodyReadsOld(goesOver);
      });
    }
  }

  it('a former owner that has not heard of the joiner deletes with little time, and their link breaks once it has', async () => {
    await open();
    const n1 = stage.node(1);
    const spread = world.spread.bind(world);
    world.spread = (from, news, names = world.nodes.keys()) => {
      const isLate = from === 'n5' && news.serving;
      spread(from, news, isLate ? [...names].filter((name) => name !== 'n1') : names);
      if (isLate) world.clock.after(245, () => n1.clock.run(() => n1.membership.hear(news)));
    };
    const n5 = world.start('n5');
    while (n5.state !== 'up') await stage.advance(1);
    await stage.until(stage.put(n5, goesOver, 'old'));
    const heal = stage.cutWay(n1, n5);
    const { unreached } = await stage.until(n1.engine.delete(ks, goesOver, { timeoutMs: 60 }));
    expect(unreached).to.deep.equal(['n5']);
    await stage.advance(300);
    stage.reset(n1, n5);
    heal();
    await stage.advance(2500);
    await nobodyReadsOld(goesOver);
  });

  for (const kind of ['put', 'delete'] as const) {
    it(`an owner stands still, and who writes (${kind}) in its stead is killed: others' word spares nothing for good`, async () => {
      await open({ nodes: 5 });
      const [n1, n2] = [stage.node(1), stage.node(2)];
      const all = numbered(3000).filter((key) => keepersOf(key, 5).join() === 'n1,n2');
      const keys = all.slice(0, 10);
      await stage.putAll(n1, keys, 'old');
      await stage.advance(1000);
      world.pause(n1);
      while (n2.engine.owner(ks, keys[0]!) === 'n1') await stage.advance(20);
      await stage.until(Promise.all(keys.map((key) => write(n2, key, kind))));
      world.crash(n2, false);
      for (const node of world.up()) if (node !== n1) stage.reset(n1, node);
      world.resume(n1);
      await stage.advance(12_000);
      for (const key of keys) await nobodyReadsOld(key);
    });
  }

  for (const ms of [60, 200, 500]) {
    it(`an owner deletes out of reach of its replica and leaves, and their link is new ${ms} ms later`, async () => {
      await open({ replicas: 2 });
      const n1 = stage.node(1);
      const key = numbered(2000).find((name) => keepersOf(name, 4)[0] === 'n1')!;
      const replica = world.node(keepersOf(key, 4)[1]!);
      await stage.putAll(n1, [key], 'old');
      await stage.advance(1000);
      const heal = stage.cutPair(n1, replica);
      const writing = write(n1, key, 'delete').catch(() => {});
      await stage.advance(5);
      world.leave(n1);
      await stage.advance(ms);
      stage.reset(n1, replica);
      heal();
      await stage.until(writing);
      await nobodyReadsOld(key);
    });
  }

  it('what is read as nodes join for the first time is loaded once, and kept', async () => {
    await open({ nodes: 3, latencyMs: 60 });
    const joiners = Array.from({ length: 8 }, (_, i) => world.start(`n${4 + i}`));
    await stage.untilUp(...joiners);
    const cold = numbered(300).map((key) => `cold-${key}`);
    for (let i = 0; i < 4; i++) {
      for (const node of [stage.node(1), joiners[0]!]) await stage.lostAt(node, cold);
      await stage.advance(500);
    }
    expect(world.history.loads.length).to.be.within(cold.length, cold.length * 1.05);
  });

  const heldAt = (node: SimNode): number => node.engine.stats()[ks]!.held_entries!;

  it('second copies are made of tens of thousands of entries as of a few, soon after the ring has changed', async () => {
    await open({ nodes: 3, replicas: 2, keyspace: { maxBytes: '256MiB', readTimeout: 4000 } });
    const keys = numbered(24_000);
    for (let at = 0; at < keys.length; at += 500) await stage.putAll(stage.node(1), keys.slice(at, at + 500));
    await stage.advance(40_000);
    world.leave(stage.node(3));
    await stage.advance(15_000);
    expect(heldAt(stage.node(1)) + heldAt(stage.node(2))).to.equal(keys.length);
  });

  it('a replica that evicts is told of each entry once after a change of the ring, not without end', async () => {
    await open({ nodes: 3, replicas: 2, keyspace: { maxBytes: '8MiB', readTimeout: 4000 } });
    // Each node owns half and is to keep the other half; there is room for less.
    const keys = numbered(30_000);
    for (let at = 0; at < keys.length; at += 500) await stage.putAll(stage.node(1), keys.slice(at, at + 500));
    world.leave(stage.node(3));
    await stage.advance(20_000);
    const received = (): number =>
      world.up().reduce((sum, { engine }) => sum + Number(engine.stats()[ks]!.entries_received), 0);
    const before = received();
    await stage.advance(10_000);
    expect(received() - before).to.be.at.most(20_000);
  });

  it('second copies are made after a change of the ring that fell into the comparison for the one before', async () => {
    await open({ replicas: 2, seed: '1' });
    const keys = numbered(600);
    for (let at = 0; at < keys.length; at += 100) await stage.putAll(stage.node(2), keys.slice(at, at + 100));
    await stage.advance(1000);
    await stage.untilUp(world.start('n5'));
    await stage.advance(900);
    world.pause(stage.node(3));
    world.clock.after(1500, () => world.resume(stage.node(3)));
    await stage.advance(300);
    world.leave(stage.node(4));
    await stage.advance(10_000);
    world.crash(stage.node(1), false);
    expect(await lostAfter(12_000, keys)).to.equal(0);
  });
});
