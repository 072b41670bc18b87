import { expect } from 'chai';
import { Slots } from '../../../src/coherence/slots.js';
import { xxh3Hasher } from '../../../src/platform/hasher.js';
import type { PeerRequest } from '../../../src/ports/peers.js';
import { bytesOf, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

const slots = new Slots();
const slotOf = (key: string): number => slots.slotOf(xxh3Hasher.hash(key));

describe('engine: what a node holds for others', () => {
  let cluster: TestCluster;

  afterEach(() => cluster.stop());

  /** Another key of the same slot whose owner is one of `owners`. */
  const besides = (key: string, owners: readonly TestNode[]): string => {
    for (let i = 0; ; i++) {
      const other = `other-${i}`;
      if (slotOf(other) === slotOf(key) && owners.includes(cluster.ownerOf(other))) return other;
    }
  };

  /** A fourth node that has joined three, after these keys were put, of which the data source has other values. */
  const joinedLater = async () => {
    cluster = await TestCluster.of({ latencyMs: 5, fetch: () => 'row' });
    const former = [...cluster.nodes];
    const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`);
    for (const key of keys) await cluster.run(cluster.node(0).engine.put(ks, { key, value: bytesOf('put') }));
    const joined = cluster.make('node-4', 9);
    await cluster.run(joined.engine.open(cluster.wait(10_000)));
    await cluster.clock.advance(1000);
    return { former, keys, joined };
  };

  it('is not forgotten by who was asked for it before the new owner keeps it', async () => {
    const { former, keys, joined } = await joinedLater();
    const key = keys.find((candidate) => cluster.ownerOf(candidate) === joined)!;
    const other = besides(key, former);
    await cluster.text(cluster.ownerOf(other), other);
    // The write comes to the new owner while it waits for the answer of the former one, so it keeps nothing.
    const writing = cluster.ownerOf(other).engine.delete(ks, other);
    const first = joined.engine.get(ks, key);
    expect(textOf((await cluster.run(first)).value)).to.equal('put');
    await cluster.run(writing);
    expect(joined.engine.stats()[ks]!.unkept_loads).to.equal(1);
    for (const node of [joined, ...former, joined]) expect(await cluster.text(node, key), node.name).to.equal('put');
    expect(cluster.fetched.get(key)).to.equal(undefined);
    const held = (): number => former.reduce((sum, { engine }) => sum + engine.stats()[ks]!.held_entries!, 0);
    const before = held();
    await cluster.clock.advance(10);
    expect(await cluster.text(joined, key)).to.equal('put');
    expect(held()).to.be.at.most(before);
  });

  it('is let go of by who gave it away once the new owner says that it keeps it', async () => {
    const { former, keys, joined } = await joinedLater();
    const moved = keys.filter((candidate) => cluster.ownerOf(candidate) === joined);
    const held = (): number => former.reduce((sum, { engine }) => sum + engine.stats()[ks]!.held_entries!, 0);
    expect(held()).to.equal(moved.length);
    for (const key of moved) expect(await cluster.text(joined, key)).to.equal('put');
    await cluster.clock.advance(20);
    expect(held()).to.equal(0);
  });

  it('is to be had from whom it was passed to, as who gave it away says to everybody else', async () => {
    const { former, keys, joined } = await joinedLater();
    const key = keys.find((candidate) => cluster.ownerOf(candidate) === joined)!;
    expect(await cluster.text(joined, key)).to.equal('put');
    await cluster.clock.advance(20);
    const recalled = async (by: TestNode): Promise<readonly unknown[]> => {
      const others = former.filter((node) => node !== by);
      const ids = others.map(({ engine }) => engine.status().id);
      const asks = ids.map((id) => by.links.call(id, { do: 'recall', keyspace: ks, key }, cluster.wait(1000)));
      return cluster.run(Promise.all(asks));
    };
    const byOthers = (await Promise.all(former.map(recalled))).flat();
    expect(byOthers).to.deep.include({ is: 'not-owner', owner: joined.engine.status().id });
    expect(await recalled(joined)).to.deep.equal(former.map(() => ({ is: 'nothing' })));
  });

  it('is taken, unasked, only from who has heard of all that the new owner wrote to its slot', async () => {
    cluster = await TestCluster.of({ latencyMs: 5, fetch: () => 'row' });
    const [owner, leaving] = cluster.nodes as [TestNode, TestNode];
    const key = cluster.keyOwnedBy(owner);
    const { version } = await cluster.run(owner.engine.delete(ks, key));
    const { id } = owner.engine.status();
    const hold = (heard: number): Promise<string> => {
      // Its floor is above the delete's by a third one's write.
      const floor = leaving.hybrid.next();
      const entry = {
        value: bytesOf('old'),
        version: version - 1,
        lifeMs: 60_000,
        wasPut: false,
        sourceVersion: undefined,
      };
      const request: PeerRequest = {
        do: 'hold',
        keyspace: ks,
        key,
        ...entry,
        floor,
        generation: 0,
        sequence: 0,
        heard,
        yours: true,
      };
      return cluster.run(leaving.links.call(id, request, cluster.wait(1000))).then((reply) => reply.is);
    };
    expect(await hold(version - 1)).to.equal('nothing');
    expect(await cluster.text(owner, key)).to.equal('row');
    await cluster.run(owner.engine.delete(ks, key));
    expect(await hold(owner.hybrid.now())).to.equal('applied');
  });
});
