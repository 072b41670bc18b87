import { expect } from 'chai';
import { keepersOf, numbered, Stage, slotOf } from './stage.js';
import { ks, type SimNode, type World, type WorldOptions } from './world.js';

/** Keys on their way to a new owner, and links, processes or clocks in trouble just then. The data source has seq 0. */
describe('simulation: what moves is neither loaded over nor told of by who may have missed a write', function () {
  this.timeout(120_000);
  let stage: Stage;
  let world: World;
  let n1: SimNode;
  afterEach(() => stage.stop());

  const open = async (options: Partial<WorldOptions> = {}): Promise<void> => {
    stage = await Stage.of({ replicas: 1, ...options });
    world = stage.world;
    n1 = stage.node(1);
  };
  const putAtN1 = async (keys: readonly string[], text = 'put'): Promise<void> => {
    await stage.putAll(n1, keys, text);
    await stage.advance(1000);
  };
  const joined = async (name: string): Promise<SimNode> => {
    const node = world.start(name);
    await stage.untilUp(node);
    return node;
  };
  const untilOwns = async (owner: string, key: string, ...nodes: readonly SimNode[]): Promise<void> => {
    while (nodes.some(({ engine }) => engine.owner(ks, key) !== owner)) await stage.advance(5);
  };
  const lostAfter = async (ms: number, keys: readonly string[]): Promise<number> => {
    await stage.advance(ms);
    let lost = 0;
    for (const node of world.up()) lost += await stage.lostAt(node, keys);
    return lost;
  };
  const fromN1ToN5 = numbered(1200)
    .filter((key) => keepersOf(key, 4)[0] === 'n1' && keepersOf(key, 5)[0] === 'n5')
    .slice(0, 20);

  for (const isCut of [false, true]) {
    it(`the link to the former owner breaks as it is asked, and ${isCut ? 'stays down for a moment' : 'is made anew at once'}`, async () => {
      await open();
      await putAtN1(fromN1ToN5);
      const n5 = await joined('n5');
      await stage.advance(300);
      const heal = isCut ? stage.cutPair(n1, n5) : undefined;
      stage.reset(n1, n5);
      await stage.advance(isCut ? 20 : 3);
      await stage.lostAt(n5, fromN1ToN5);
      heal?.();
      expect(await lostAfter(15_000, fromN1ToN5)).to.equal(0);
    });
  }

  for (const ms of [400, 900]) {
    it(`who holds it is ${ms} ms late, as two have joined one after the other and the first has not asked`, async () => {
      await open();
      const keys = numbered(6000)
        .filter((key) => keepersOf(key, 4)[0] === 'n1' && keepersOf(key, 5)[0] === 'n5')
        .filter((key) => keepersOf(key, 6).join() === 'n6,n5')
        .slice(0, 20);
      await putAtN1(keys);
      const n5 = world.start('n5');
      await untilOwns('n5', keys[0]!, n1);
      await stage.untilUp(n5);
      const n6 = await joined('n6');
      await untilOwns('n6', keys[0]!, n1);
      world.pause(n1);
      world.clock.after(ms, () => world.resume(n1));
      await stage.lostAt(n6, keys);
      expect(await lostAfter(15_000, keys)).to.equal(0);
    });
  }

  it('it is held for a node whose lease has lapsed, and asked for by a third one as that one crashes', async () => {
    await open({ seed: '2' });
    const key = numbered(300_000).find(
      (name) =>
        keepersOf(name, 6).join() === 'n6,n5' &&
        keepersOf(name, 5).join() === 'n5,n1' &&
        keepersOf(name, 4)[0] === 'n1',
    )!;
    const other = Array.from({ length: 300_000 }, (_, i) => `c${i}`).find(
      (name) => slotOf(name) === slotOf(key) && keepersOf(name, 6)[0] === 'n3',
    )!;
    await putAtN1([key], 'before');
    const [n5, n6] = [world.start('n5'), world.start('n6')];
    await stage.untilUp(n5, n6);
    await untilOwns('n6', key, n1, n5, n6);
    world.clock.after(60_000, stage.cutPair(n1, n6));
    await stage.until(n6.engine.delete(ks, key, { timeoutMs: 5000 }));
    // So that the floors of n1 tell nothing.
    await stage.putAll(stage.node(3), [other]);
    await stage.advance(50);
    world.crash(n6, false);
    while (n5.engine.owner(ks, key) === 'n6') await stage.advance(1);
    expect(await stage.textAt(n5, key)).to.not.equal('before');
  });

  it('a load for a later version ends while the put beside which it began is taken over', async () => {
    let isOpen = false;
    const fetch = async (name: string): Promise<string> => {
      while (!isOpen) {
        await new Promise<void>((resolve) => {
          world.clock.after(1, resolve);
        });
      }
      return `${name}#0`;
    };
    await open({ latencyMs: 60, keyspace: { maxBytes: '64MiB', readTimeout: 20_000, dataSource: { fetch } } });
    const key = numbered(4000).find((name) => keepersOf(name, 4).join() === 'n1,n2' && keepersOf(name, 5)[0] === 'n5')!;
    const other = numbered(4000).find((name) => [4, 5].every((nodes) => keepersOf(name, nodes)[0] === 'n3'))!;
    await putAtN1([key]);
    const { version } = await stage.until(stage.put(stage.node(3), other));
    const reading = n1.engine.lookup(ks, key, { minVersion: version, timeoutMs: 20_000 });
    await stage.advance(10);
    const n5 = await joined('n5');
    await untilOwns('n5', key, n1);
    world.pause(n5);
    world.clock.after(8000, () => world.resume(n5));
    await untilOwns('n1', key, n1);
    isOpen = true;
    await stage.until(reading);
    expect(await lostAfter(15_000, [key])).to.equal(0);
  });

  it('it is held for one that joined, out of reach of that one for 20 s, and comes back as that one leaves', async () => {
    await open();
    await putAtN1(fromN1ToN5);
    const n5 = await joined('n5');
    await untilOwns('n5', fromN1ToN5[0]!, n1);
    world.clock.after(60_000, stage.cutPair(n1, n5));
    await stage.advance(20_000);
    world.leave(n5);
    await untilOwns('n1', fromN1ToN5[0]!, n1);
    expect(await lostAfter(15_000, fromN1ToN5)).to.equal(0);
  });

  it('a link is made anew while another node writes to other keys of its slots', async () => {
    await open({ latencyMs: 10 });
    const n2 = stage.node(2);
    const keys = numbered(3000).filter((key) => keepersOf(key, 4)[0] === 'n1' && keepersOf(key, 5)[0] === 'n5');
    const slots = new Set(keys.slice(0, 100).map(slotOf));
    const theirs = Array.from({ length: 200_000 }, (_, i) => `c${i}`)
      .filter((key) => slots.has(slotOf(key)))
      .filter((key) => [4, 5].every((nodes) => keepersOf(key, nodes)[0] === 'n2'));
    const written = [...new Map(theirs.map((key) => [slotOf(key), key])).values()].slice(0, 100);
    await putAtN1(keys.slice(0, 100));
    await joined('n5');
    await stage.advance(300);
    const writes = written.map((key) => stage.put(n2, key));
    stage.reset(n1, n2);
    await stage.until(Promise.all(writes));
    expect(written.length).to.be.above(50);
    expect(await lostAfter(15_000, keys.slice(0, 100))).to.equal(0);
  });

  describe('a replica of what was another owner’s before', () => {
    const key = numbered(4000).find(
      (name) => keepersOf(name, 4).join() === 'n1,n2' && keepersOf(name, 5).join() === 'n5,n1',
    )!;
    /** n5 has owned the key for a moment, and n2 keeps the replica that it had before. */
    const upAndDown = async (text: string): Promise<SimNode> => {
      await open({ replicas: 2 });
      await stage.putAll(n1, [key], text);
      const n5 = await joined('n5');
      await untilOwns('n5', key, ...world.up());
      world.leave(n5);
      while (n5.state !== 'gone') await stage.advance(50);
      await stage.advance(3000);
      return stage.node(2);
    };

    it('is what it was when the owner crashes: nothing is lost, and nothing loaded', async () => {
      const n2 = await upAndDown('put');
      world.crash(n1, false);
      while (n2.engine.owner(ks, key) === 'n1') await stage.advance(5);
      const loads = world.history.loads.length;
      for (let i = 0; i < 30; i++) {
        expect([await stage.textAt(n2, key), await stage.textAt(stage.node(3), key)]).to.deep.equal(['put', 'put']);
        await stage.advance(250);
      }
      expect(world.history.loads.length).to.equal(loads);
    });

    it('is not answered with when the owner deleted it out of its reach, and crashes', async () => {
      const n2 = await upAndDown('before');
      world.clock.after(120_000, stage.cutPair(n1, n2));
      stage.reset(n1, n2);
      await stage.advance(20);
      await stage.until(n1.engine.delete(ks, key, { timeoutMs: 5000 }));
      world.crash(n1, false);
      for (let i = 0; i < 100; i++) {
        await stage.advance(100);
        expect(await stage.textAt(n2, key)).to.not.equal('before');
      }
    });
  });

  it('a put moves though the first to read it asks for a later version, of another key', async () => {
    await open();
    await putAtN1(fromN1ToN5);
    const { version } = await stage.until(stage.put(n1, 'another'));
    const n5 = await joined('n5');
    for (const key of fromN1ToN5) expect(await stage.textAt(n5, key, version)).to.equal(`${key}#0`);
    expect(await lostAfter(1000, fromN1ToN5)).to.equal(0);
  });

  it('who has confirmed a write is not left with the value before it, from who owns the key by then', async () => {
    await open({ replicas: 2 });
    const [n2, n3] = [stage.node(2), stage.node(3)];
    const key = numbered(8000).find((name) => keepersOf(name, 4).join() === 'n1,n2')!;
    const isBeside = (name: string): boolean => slotOf(name) === slotOf(key) && keepersOf(name, 4)[0] === 'n2';
    const beside = numbered(200_000).find(isBeside)!;
    await putAtN1([key], 'before');
    const heal = stage.cutWay(n1, n2);
    const writing = stage.put(n1, key, 'after');
    await stage.advance(100);
    world.leave(n1);
    await untilOwns('n2', key, n2, n3);
    // What n2 writes to the slot hides that it has not heard of the other one.
    stage.put(n2, beside).catch(() => {});
    await stage.advance(700);
    expect(await stage.textAt(n3, key)).to.equal('before');
    heal();
    await stage.until(writing);
    expect(await stage.textAt(n3, key)).to.equal('after');
  });

  it('a node that drains is lost: what it had is loaded once, and kept', async () => {
    await open();
    const keys = numbered(400).filter((key) => keepersOf(key, 4)[0] === 'n1' && keepersOf(key, 5)[0] !== 'n5');
    await stage.lostAt(stage.node(2), keys);
    world.leave(n1);
    await stage.advance(5);
    world.crash(n1, false);
    const loads = world.history.loads.length;
    for (let i = 0; i < 10; i++) {
      await stage.lostAt(stage.node(2), keys);
      await stage.advance(500);
    }
    expect(world.history.loads.length - loads).to.be.within(1, 2 * keys.length);
  });
});
