import { expect } from 'chai';
import { Slots } from '../../../src/coherence/slots.js';
import { xxh3Hasher } from '../../../src/platform/hasher.js';
import { bytesOf, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

describe('engine: handing over', () => {
  let cluster: TestCluster;

  afterEach(() => cluster.stop());

  const keys = Array.from({ length: 400 }, (_, i) => `key-${i}`);
  const fetches = (): number => [...cluster.fetched.values()].reduce((sum, count) => sum + count, 0);

  const readAll = async (node: TestNode): Promise<void> => {
    await cluster.run(node.engine.getMany(ks, keys));
  };

  const join = async (name: string): Promise<TestNode> => {
    const node = cluster.make(name, 9);
    await cluster.run(node.engine.open(cluster.wait(10_000)));
    await cluster.clock.advance(1000);
    return node;
  };

  it('a node that joins asks the former owners, not the data source', async () => {
    cluster = await TestCluster.of({ latencyMs: 1 });
    await readAll(cluster.node(0));
    expect(fetches()).to.equal(keys.length);
    const joined = await join('node-4');
    const moved = keys.filter((key) => cluster.ownerOf(key) === joined);
    expect(moved.length).to.be.above(20);
    for (const node of cluster.nodes) await readAll(node);
    expect(fetches()).to.equal(keys.length);
    expect(joined.engine.stats()[ks]!.recalls).to.equal(moved.length);
  });

  it('what was put and is nowhere else moves with its key', async () => {
    cluster = await TestCluster.of({ latencyMs: 1, fetch: () => 'from the source' });
    for (const key of keys.slice(0, 100)) {
      await cluster.run(cluster.node(0).engine.put(ks, { key, value: bytesOf(`put ${key}`) }));
    }
    const joined = await join('node-4');
    for (const node of [joined, cluster.node(1)]) {
      for (const key of keys.slice(0, 100)) expect(await cluster.text(node, key)).to.equal(`put ${key}`);
    }
  });

  it('a joiner that has said that it serves, and has not finished its start, answers those who believe it', async () => {
    cluster = await TestCluster.of({ latencyMs: 1 });
    const [first, second] = cluster.nodes as [TestNode, TestNode];
    const own = keys.filter((key) => cluster.ownerOf(key) === first);
    for (const key of own) await cluster.text(first, key);
    // It waits for the third, which it cannot reach, while the others have met it already.
    cluster.network.cut('node-4:3320', 'node-3:3320');
    const joiner = cluster.make('node-4', 4);
    const opening = joiner.engine.open(cluster.wait(10_000));
    while (Math.min(first.engine.status().peers, second.engine.status().peers) < 4) await cluster.clock.advance(10);
    const moved = own.filter((key) => cluster.ownerOf(key) === joiner);
    expect(moved).not.to.deep.equal([]);
    for (const key of moved) expect(await cluster.text(second, key)).to.equal(`value of ${key}`);
    expect(joiner.engine.status().state).to.equal('starting');
    for (const key of moved) expect(cluster.fetched.get(key), key).to.equal(1);
    await cluster.run(opening);
  });

  it('a key that moves while it is loaded is loaded twice at most', async () => {
    cluster = await TestCluster.of({
      latencyMs: 1,
      fetch: async (key) => {
        await new Promise<void>((resolve) => {
          cluster.clock.after(2000, resolve);
        });
        return `value of ${key}`;
      },
    });
    const joining = cluster.make('node-4', 9);
    const [asked] = cluster.nodes as [TestNode];
    const some = keys.slice(0, 60);
    const reads = Promise.all(some.map((key) => asked.engine.get(ks, key)));
    await cluster.run(joining.engine.open(cluster.wait(10_000)));
    await cluster.clock.advance(500);
    const again = Promise.all(some.map((key) => joining.engine.get(ks, key)));
    await cluster.run(Promise.all([reads, again]));
    for (const key of some) expect(cluster.fetched.get(key)).to.be.within(1, 2);
  });

  it('after a minute nothing is held any more, and a written key is never recalled as it was', async () => {
    cluster = await TestCluster.of({ latencyMs: 1 });
    await readAll(cluster.node(0));
    const joined = await join('node-4');
    const [key] = keys.filter((candidate) => cluster.ownerOf(candidate) === joined) as [string];
    await cluster.run(cluster.node(0).engine.put(ks, { key, value: bytesOf('newer') }));
    for (const node of cluster.nodes) expect(await cluster.text(node, key)).to.equal('newer');
    await cluster.clock.advance(62_000);
    for (const node of cluster.nodes) expect(node.engine.stats()[ks]!.held_entries).to.equal(0);
  });

  /** Puts what the source does not have, and gives the keys. */
  const putAll = async (count: number): Promise<readonly string[]> => {
    const put = keys.slice(0, count);
    for (const key of put) await cluster.run(cluster.node(0).engine.put(ks, { key, value: bytesOf('put') }));
    return put;
  };

  it('what was put is found when several nodes join one after the other, though nobody asks for it between', async () => {
    cluster = await TestCluster.of({ latencyMs: 1, fetch: () => 'row' });
    const put = await putAll(100);
    for (const name of ['node-4', 'node-5', 'node-6']) {
      const node = cluster.make(name, 9);
      await cluster.run(node.engine.open(cluster.wait(10_000)));
      await cluster.clock.advance(100);
    }
    for (const key of put) expect(await cluster.text(cluster.ownerOf(key), key), key).to.equal('put');
    expect(cluster.fetched.size).to.equal(0);
  });

  it('what nobody asks for is with its new owner when the former ones have let go', async () => {
    cluster = await TestCluster.of({ latencyMs: 1, fetch: () => 'row' });
    const put = await putAll(200);
    const joined = await join('node-4');
    const moved = put.filter((key) => cluster.ownerOf(key) === joined);
    await cluster.clock.advance(4000);
    expect(joined.engine.stats()[ks]!.entries_received).to.equal(moved.length);
    const held = cluster.nodes.map(({ engine }) => engine.stats()[ks]!.held_entries!);
    expect(held.reduce((sum, count) => sum + count)).to.equal(0);
    await cluster.clock.advance(62_000);
    for (const node of cluster.nodes) {
      for (const key of put) expect(await cluster.text(node, key), `${key} on ${node.name}`).to.equal('put');
    }
    expect(cluster.fetched.size).to.equal(0);
  });

  it('a node that joins costs nothing that the others hold, whatever else was written to its slot since', async () => {
    cluster = await TestCluster.of({ latencyMs: 1, fetch: () => 'row' });
    const put = await putAll(40);
    const slots = new Slots();
    const slotOf = (key: string): number => slots.slotOf(xxh3Hasher.hash(key));
    const wanted = new Set(put.map(slotOf));
    for (let i = 0; wanted.size > 0; i++) {
      const key = `other-${i}`;
      if (wanted.delete(slotOf(key))) await cluster.run(cluster.node(1).engine.delete(ks, key));
    }
    // It meets the third when it has heard of all writes from the others.
    cluster.network.cut('node-4:3320', 'node-3:3320');
    await join('node-4');
    cluster.network.heal('node-4:3320', 'node-3:3320');
    await cluster.clock.advance(5000);
    for (const node of cluster.nodes) {
      for (const key of put) expect(await cluster.text(node, key), `${key} on ${node.name}`).to.equal('put');
    }
    expect(cluster.fetched.size).to.equal(0);
  });

  it('drain says how many entries were handed over; alone there is nobody to take them', async () => {
    cluster = await TestCluster.of({ nodes: 1 });
    await readAll(cluster.node(0));
    const drained = await cluster.run(cluster.node(0).engine.drain({ timeoutMs: 1000 }));
    expect(drained).to.deep.equal({ handedOver: 0, left: 0 });
  });
});

describe('engine: replicas', () => {
  let cluster: TestCluster;

  afterEach(() => cluster.stop());

  const keys = Array.from({ length: 120 }, (_, i) => `key-${i}`);
  const of = async (): Promise<void> => {
    cluster = await TestCluster.of({ latencyMs: 1, core: { replicas: 2 }, fetch: (key) => `source ${key}` });
    await cluster.clock.advance(1000);
  };

  const crash = async (node: TestNode): Promise<void> => {
    cluster.network.crash(node.address);
    cluster.nodes.splice(cluster.nodes.indexOf(node), 1);
    await cluster.clock.advance(5000);
  };

  it('are the next node on the ring, and are named', async () => {
    await of();
    const { owner, replicas } = cluster.node(0).engine.locate(ks, 'key-1');
    expect(replicas).to.have.length(1);
    expect(replicas).to.not.include(owner);
  });

  it('hold what was put, so that it survives the crash of its owner', async () => {
    await of();
    for (const key of keys) {
      await cluster.run(cluster.node(0).engine.put(ks, { key, value: bytesOf(`put ${key}`) }));
    }
    const dead = cluster.node(2);
    await crash(dead);
    for (const node of cluster.nodes) {
      for (const key of keys) expect(await cluster.text(node, key), key).to.equal(`put ${key}`);
    }
    expect(cluster.fetched.size).to.equal(0);
    await cluster.run(dead.engine.close(cluster.wait(0)));
  });

  it('hold what was loaded, so that a crash costs no load', async () => {
    await of();
    await cluster.run(cluster.node(0).engine.getMany(ks, keys));
    await cluster.clock.advance(100);
    const dead = cluster.node(1);
    await crash(dead);
    for (const node of cluster.nodes) await cluster.run(node.engine.getMany(ks, keys));
    for (const key of keys) expect(cluster.fetched.get(key)).to.equal(1);
    await cluster.run(dead.engine.close(cluster.wait(0)));
  });

  it('of a new successor are made good within two seconds of a change of the ring', async () => {
    await of();
    for (const key of keys) {
      await cluster.run(cluster.node(0).engine.put(ks, { key, value: bytesOf(`put ${key}`) }));
    }
    for (const dead of [cluster.node(2), cluster.node(1)]) {
      await crash(dead);
      await cluster.run(dead.engine.close(cluster.wait(0)));
    }
    for (const key of keys) expect(await cluster.text(cluster.node(0), key), key).to.equal(`put ${key}`);
  });

  it('never answer with what was deleted', async () => {
    await of();
    await cluster.run(cluster.node(0).engine.put(ks, { key: 'k', value: bytesOf('put') }));
    await cluster.run(cluster.node(1).engine.delete(ks, 'k'));
    const dead = cluster.ownerOf('k');
    await crash(dead);
    for (const node of cluster.nodes) expect(await cluster.text(node, 'k')).to.equal('source k');
    await cluster.run(dead.engine.close(cluster.wait(0)));
  });
});

describe('engine: how new an answer must be', () => {
  let cluster: TestCluster;

  afterEach(() => cluster.stop());

  it('minVersion: a copy that is older is passed over, and so is the owner who has nothing newer', async () => {
    let row = 1;
    cluster = await TestCluster.of({ fetch: () => `row ${row}` });
    const node = cluster.node(0);
    const first = await cluster.run(node.engine.get(ks, 'k'));
    row = 2;
    expect(textOf((await cluster.run(node.engine.get(ks, 'k', { minVersion: first.version }))).value)).to.equal(
      'row 1',
    );
    const newer = await cluster.run(node.engine.get(ks, 'k', { minVersion: first.version + 1 }));
    expect(newer.version).to.be.above(first.version);
    expect(textOf(newer.value)).to.equal('row 2');
  });

  it('consistency owner: a hot copy is not enough, and without the owner there is no answer', async () => {
    cluster = await TestCluster.of();
    const owner = cluster.ownerOf('k');
    const [reader] = cluster.others('k') as [TestNode];
    await cluster.text(reader, 'k');
    expect((await cluster.run(reader.engine.get(ks, 'k'))).outcome).to.equal('hot');
    const told = await cluster.run(reader.engine.get(ks, 'k', { consistency: 'owner' }));
    expect(told).to.include({ outcome: 'hit', node: owner.name });
    cluster.network.freeze(owner.address);
    const outcome = await cluster.run(
      reader.engine.get(ks, 'k', { consistency: 'owner', timeoutMs: 1500 }).then(
        () => 'answered',
        ({ code }) => code as string,
      ),
    );
    expect(['PEER_UNREACHABLE', 'TIMEOUT']).to.include(outcome);
    cluster.network.thaw(owner.address);
  });

  it('refuses what is no version and no consistency', async () => {
    cluster = await TestCluster.of({ nodes: 1 });
    const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
      cluster.run(
        promise.then(
          () => 'fine',
          ({ code }) => code,
        ),
      );
    const { engine } = cluster.node(0);
    expect(await codeOf(engine.get(ks, 'a', { minVersion: -1 }))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(engine.get(ks, 'a', { consistency: 'eventual' as never }))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(engine.put(ks, { key: 'a', value: bytesOf('x') }, { ack: 'all' as never }))).to.equal(
      'INVALID_ARGUMENT',
    );
    expect(await codeOf(engine.get(ks, 'a', { minVersion: 2 ** 52 }))).to.equal('INVALID_ARGUMENT');
  });

  it('ack owner returns when the owner has it; the others hear of it behind that', async () => {
    cluster = await TestCluster.of({ latencyMs: 100 });
    const owner = cluster.ownerOf('k');
    const [reader] = cluster.others('k') as [TestNode];
    expect(await cluster.text(reader, 'k')).to.equal('value of k');
    const startedMs = cluster.clock.nowMs();
    await cluster.run(owner.engine.put(ks, { key: 'k', value: bytesOf('new') }, { ack: 'owner' }));
    expect(cluster.clock.nowMs()).to.equal(startedMs);
    await cluster.clock.advance(150);
    expect(await cluster.text(reader, 'k')).to.equal('new');
  });

  it('a load that a later one has overtaken answers with what that one brought', async () => {
    const takesMs = [50, 200, 10];
    let loads = 0;
    cluster = await TestCluster.of({
      nodes: 1,
      fetch: () => new Promise((resolve) => cluster.clock.after(takesMs[loads++]!, () => resolve('v'))),
    });
    const { engine } = cluster.node(0);
    const early = engine.get(ks, 'k');
    await cluster.clock.advance(5);
    const { version } = await cluster.run(engine.put(ks, { key: 'other', value: bytesOf('x') }));
    // It joins the first load, which is too old for it, and asks anew while the second one is under way.
    const choosy = engine.get(ks, 'k', { minVersion: version });
    await cluster.run(engine.delete(ks, 'k'));
    // It began no later than the choosy one, which does not wait for it either.
    const late = engine.get(ks, 'k');
    const answers = await cluster.run(Promise.all([early, choosy, late]));
    expect(loads).to.equal(3);
    expect(answers[1].version).to.be.above(version);
    expect(answers[2].version).to.equal(answers[1].version);
  });

  it('several for whom one load was too old wait for one that began after they came', async () => {
    let loads = 0;
    cluster = await TestCluster.of({
      nodes: 1,
      fetch: () => new Promise((resolve) => cluster.clock.after(50, () => resolve(`v${++loads}`))),
    });
    const { engine } = cluster.node(0);
    const early = engine.get(ks, 'k');
    await cluster.clock.advance(5);
    const { version } = await cluster.run(engine.put(ks, { key: 'other', value: bytesOf('x') }));
    const choosy = [1, 2, 3].map(() => engine.get(ks, 'k', { minVersion: version }));
    const answers = await cluster.run(Promise.all([early, ...choosy]));
    expect(loads).to.equal(2);
    expect(answers.map(({ value }) => textOf(value))).to.deep.equal(['v1', 'v2', 'v2', 'v2']);
  });

  it('a lower version of the data source never takes the place of a higher one', async () => {
    let row: { value: string; version: number } = { value: 'later', version: 8 };
    cluster = await TestCluster.of({ nodes: 1, fetch: () => row });
    const { engine } = cluster.node(0);
    const first = await cluster.run(engine.get(ks, 'k'));
    row = { value: 'earlier', version: 7 };
    const again = await cluster.run(engine.get(ks, 'k', { minVersion: first.version + 1 }));
    expect(textOf(again.value)).to.equal('later');
    expect(textOf((await cluster.run(engine.get(ks, 'k'))).value)).to.equal('later');
  });
});
