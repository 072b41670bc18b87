import { expect } from 'chai';
import { keepersOf, numbered, Stage } from './stage.js';
import { ks, type SimNode, type World, type WorldOptions } from './world.js';

/** An owner stands still, another node stands in for it, and the two do not meet when it goes on. The data source has seq 0. */
describe('simulation: who was away answers with nothing from before, and loses nothing', function () {
  this.timeout(120_000);
  let stage: Stage;
  let world: World;
  let n1: SimNode;
  let n2: SimNode;
  afterEach(() => stage.stop());

  const open = async (options: Partial<WorldOptions> = {}): Promise<void> => {
    stage = await Stage.of({ replicas: 1, ...options });
    world = stage.world;
    [n1, n2] = [stage.node(1), stage.node(2)];
  };
  const ofN1 = (nodes: number): string => numbered(4000).find((key) => keepersOf(key, nodes).join() === 'n1,n2')!;
  /** The latter owns its key where there are five nodes. */
  const ofN1ThenN5 = numbered(4000).find(
    (key) => keepersOf(key, 4).join() === 'n1,n2' && keepersOf(key, 5)[0] === 'n5',
  )!;
  /** n1 has put the key and stands still, until n2 owns it. */
  const standStill = async (key: string): Promise<void> => {
    await stage.putAll(n1, [key], 'before');
    await stage.advance(1000);
    world.pause(n1);
    while (n2.engine.owner(ks, key) === 'n1') await stage.advance(20);
  };
  const deleted = (key: string) => stage.until(n2.engine.delete(ks, key, { timeoutMs: 5000 }));
  const cutFromN2 = (forMs: number): void => {
    world.clock.after(forMs, stage.cutPair(n1, n2));
    stage.reset(n1, n2);
  };
  const resetOthers = (): void => {
    for (const node of world.up()) if (node !== n1) stage.reset(n1, node);
  };
  const seenAt = async (node: SimNode, key: string, times: number, everyMs: number): Promise<readonly string[]> => {
    const seen: string[] = [];
    for (let i = 0; i < times; i++) {
      await stage.advance(everyMs);
      seen.push(await stage.textAt(node, key));
    }
    return seen;
  };

  it('what others told of a write that it missed makes it no witness of that key to who joins', async () => {
    await open();
    await standStill(ofN1ThenN5);
    await stage.until(stage.put(n2, ofN1ThenN5, 'after'));
    world.clock.after(30_000, stage.cutPair(n1, n2));
    resetOthers();
    world.resume(n1);
    await stage.advance(400);
    const n5 = world.start('n5');
    await stage.untilUp(n5);
    const seen = await seenAt(n5, ofN1ThenN5, 12, 200);
    expect(seen).to.not.include('before');
    expect(seen.at(-1)).to.equal('after');
  });

  it('what it is in doubt of comes back from who joined and left, and it is in doubt of it still', async () => {
    await open();
    await standStill(ofN1ThenN5);
    await stage.until(stage.put(n2, ofN1ThenN5, 'after'));
    cutFromN2(60_000);
    world.resume(n1);
    await stage.advance(5000);
    const n5 = world.start('n5');
    while (n1.engine.owner(ks, ofN1ThenN5) !== 'n5') await stage.advance(5);
    await stage.untilUp(n5);
    world.leave(n5);
    while (n1.engine.owner(ks, ofN1ThenN5) !== 'n1') await stage.advance(5);
    expect(await seenAt(n1, ofN1ThenN5, 10, 100)).to.not.include('before');
    expect(await stage.textAt(stage.node(3), ofN1ThenN5)).to.not.equal('before');
  });

  it('what it tells a replica while it is away makes it no surer when it comes back', async () => {
    await open({ nodes: 5, replicas: 3, seed: '3' });
    const key = ofN1(5);
    await standStill(key);
    await deleted(key);
    world.clock.after(60_000, stage.cutPair(n1, n2));
    resetOthers();
    world.resume(n1);
    expect(await seenAt(n1, key, 14, 500)).to.not.include('before');
    expect(await stage.textAt(stage.node(3), key)).to.not.equal('before');
  });

  for (const how of ['cut off from it', 'as their link breaks', 'while it stands still'] as const) {
    it(`who stood in leaves in its time, ${how}: the others know what that one wrote`, async () => {
      await open({ nodes: 5 });
      const key = ofN1(5);
      await standStill(key);
      await deleted(key);
      if (how === 'cut off from it') {
        cutFromN2(60_000);
        world.resume(n1);
        await stage.advance(4000);
        world.leave(n2);
      } else {
        if (how === 'as their link breaks') stage.reset(n1, n2);
        world.leave(n2);
        await stage.advance(600);
        world.resume(n1);
      }
      expect(await seenAt(stage.node(3), key, 16, 500)).to.not.include('before');
    });
  }

  for (const [nodes, latencyMs] of [
    [3, 10],
    [5, 60],
  ] as const) {
    it(`who stood in crashes just before it goes on, ${latencyMs} ms away, one of ${nodes}`, async () => {
      await open({ nodes, latencyMs });
      const key = ofN1(nodes);
      await standStill(key);
      await deleted(key);
      world.crash(n2, false);
      await stage.advance(50);
      world.resume(n1);
      expect(await seenAt(n1, key, 100, 60)).to.not.include('before');
    });
  }

  it('it was away before, and nobody has read since: it asks again', async () => {
    await open({ nodes: 5 });
    const key = ofN1(5);
    await stage.putAll(n1, [key], 'before');
    world.pause(n1);
    await stage.advance(3000);
    world.resume(n1);
    await stage.advance(10_000);
    world.pause(n1);
    while (n2.engine.owner(ks, key) === 'n1') await stage.advance(20);
    await deleted(key);
    world.crash(n2, false);
    await stage.advance(50);
    world.resume(n1);
    expect(await seenAt(n1, key, 60, 100)).to.not.include('before');
  });

  for (const gapMs of [0, 20, 60]) {
    it(`what it is in doubt of comes back as it takes over other keys, ${gapMs} ms after those`, async () => {
      await open({ latencyMs: 60 });
      const owners = (name: string): string => [4, 5, 6].map((nodes) => keepersOf(name, nodes)[0]).join();
      const key = numbered(40_000).find((name) => owners(name) === 'n1,n1,n6' && keepersOf(name, 4)[1] === 'n2')!;
      const others = numbered(40_000).filter((name) => owners(name) === 'n1,n5,n5');
      await standStill(key);
      await deleted(key);
      cutFromN2(100_000);
      world.resume(n1);
      await stage.advance(5000);
      await stage.putAll(n1, others.slice(0, 5));
      const [n5, n6] = [world.start('n5'), world.start('n6')];
      await stage.untilUp(n5, n6);
      while (n1.engine.owner(ks, key) !== 'n6' || n1.engine.owner(ks, others[0]!) !== 'n5') await stage.advance(5);
      world.crash(n5, false);
      while (n1.engine.owner(ks, others[0]!) === 'n5') await stage.advance(1);
      await stage.advance(gapMs);
      n1.clock.run(() => n1.membership.hear({ ...n6.membership.news(), state: 'dead' }));
      world.crash(n6, false);
      while (n1.engine.owner(ks, key) === 'n6') await stage.advance(1);
      expect(await seenAt(n1, key, 60, 100)).to.not.include('before');
    });
  }

  it('who stood in is out of its reach alone for longer than former owners are asked', async () => {
    await open({ nodes: 5 });
    const key = ofN1(5);
    await standStill(key);
    await deleted(key);
    cutFromN2(120_000);
    world.resume(n1);
    expect(await seenAt(stage.node(3), key, 15, 5000)).to.not.include('before');
  });

  it('what others may have overwritten goes as their word comes, two minutes later: its replica is asked for it', async () => {
    await open({ replicas: 2 });
    const [mine, theirs] = ['n1', 'n2'].map((name) => numbered(3000).filter((key) => keepersOf(key, 4)[0] === name));
    await stage.putAll(n1, mine!.slice(0, 300));
    await stage.advance(1000);
    world.pause(n1);
    await stage.advance(1250);
    for (const key of theirs!.slice(0, 600)) stage.put(n2, key, 'other').catch(() => {});
    await stage.advance(1250);
    world.clock.after(120_000, stage.cutPair(n1, n2));
    resetOthers();
    world.resume(n1);
    await stage.advance(150_000);
    expect(await stage.lostAt(stage.node(3), mine!.slice(0, 300))).to.equal(0);
  });

  for (const change of ['joins', 'leaves'] as const) {
    it(`nobody reads what it is in doubt of for a minute, and then a node ${change}: nothing is lost`, async () => {
      await open({ nodes: 5 });
      const keys = numbered(3000).filter((key) => [4, 5, 6].every((nodes) => keepersOf(key, nodes)[0] === 'n1'));
      await stage.putAll(n1, keys);
      await stage.advance(70_000);
      world.pause(n1);
      await stage.advance(3000);
      world.resume(n1);
      await stage.advance(75_000);
      if (change === 'joins') await stage.untilUp(world.start('n6'));
      else world.leave(stage.node(5));
      await stage.advance(5000);
      for (const node of world.up()) expect(await stage.lostAt(node, keys), node.name).to.equal(0);
    });
  }

  it('what it is in doubt of stays, though the first to read it asks for a later version, of another key', async () => {
    await open();
    const keys = numbered(400).filter((key) => keepersOf(key, 4)[0] === 'n1');
    await stage.putAll(n1, keys);
    const { version } = await stage.until(stage.put(n2, numbered(900).find((key) => keepersOf(key, 4)[0] === 'n2')!));
    world.pause(n1);
    await stage.advance(2300);
    world.resume(n1);
    await stage.advance(50);
    for (const key of keys.slice(0, 20)) expect(await stage.textAt(n1, key, version)).to.equal(`${key}#0`);
    await stage.advance(5000);
    for (const node of world.up()) expect(await stage.lostAt(node, keys), node.name).to.equal(0);
  });

  it('an earlier run of it has been handed the key, and is not asked for it', async () => {
    await open({ nodes: 5 });
    const key = ofN1(5);
    await stage.putAll(n1, [key], 'first');
    for (const settleMs of [3000, 700]) {
      const before = stage.node(1);
      world.leave(before);
      while (before.state !== 'gone') await stage.advance(50);
      n1 = world.start('n1');
      await stage.untilUp(n1);
      await stage.advance(settleMs);
      // What n2 has handed over first it has again, and loses as n1 writes the key.
      await stage.putAll(stage.node(3), [key], `after ${settleMs}`);
    }
    world.pause(n1);
    while (n2.engine.owner(ks, key) === 'n1') await stage.advance(20);
    world.resume(n1);
    await stage.advance(1000);
    expect(await stage.textAt(stage.node(3), key)).to.equal('after 700');
    expect(n1.engine.stats()[ks]!.local_loads).to.equal(0);
  });
});
