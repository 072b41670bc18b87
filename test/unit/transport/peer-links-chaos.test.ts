import { expect } from 'chai';
import { addressOf, LinkCluster } from '../../support/link-cluster.js';
import { seeded } from '../../support/seeded.js';

const ids = ['a', 'b', 'c', 'd', 'e'];

/** A minute of cuts, hang-ups and freezes among five nodes that keep asking each other; then the network heals. */
async function scenario(seed: string): Promise<void> {
  const chance = seeded(seed);
  const cluster = new LinkCluster(chance.between(0, 40));
  const { clock, network } = cluster;
  const nodes = ids.map((id) => cluster.add(id));
  // Some know everybody, some only the first.
  for (const { links } of nodes) for (const id of chance.chance(0.5) ? ids : ['a']) links.dial(addressOf(id));
  for (const { links } of nodes) links.dial(addressOf('a'));
  for (const id of ids) nodes[0]!.links.dial(addressOf(id));
  let asked = 0;
  let settled = 0;
  for (let step = 0; step < 60; step++) {
    const [x, y] = chance.shuffled(ids).map(addressOf) as [string, string];
    const fault = chance.below(8);
    if (fault === 0) network.cut(x, y);
    else if (fault === 1) network.cutOneWay(x, y);
    else if (fault === 2) network.hangUp(x, y);
    else if (fault === 3) network.freeze(x);
    else if (fault === 4) network.thaw(x);
    else if (fault === 5) network.healAll();
    else if (fault === 6) clock.skip(chance.between(0, 5_000));
    for (const node of nodes) {
      for (const { id } of node.links.linked()) {
        asked++;
        node.links
          .call(
            id,
            { do: 'get', keyspace: 'k', key: 'x', loading: [], minVersion: 0, standIn: false },
            { deadlineMs: clock.nowMs() + 2_000 },
          )
          .then(
            (reply) => {
              settled++;
              expect(reply.is === 'value' && Buffer.from(reply.value).toString()).to.equal(`node-${id}:x`);
            },
            () => settled++,
          );
      }
    }
    await clock.advance(chance.between(0, 2_000));
  }
  network.healAll();
  for (const id of ids) network.thaw(addressOf(id));
  await clock.advance(30_000);
  expect(settled, 'calls settled').to.equal(asked);
  const dialled = new Set(
    nodes.flatMap((node) => node.links.linked().map(({ id }) => [node.info.id, id].sort().join())),
  );
  expect(network.openStreams(), 'one stream a pair').to.equal(dialled.size);
  for (const node of nodes) {
    const others = node.links.linked().map(({ id }) => id);
    expect(new Set(others).size, 'one link a peer').to.equal(others.length);
    if (node.info.id === 'a') expect(others.sort()).to.deep.equal(['b', 'c', 'd', 'e']);
    for (const id of others) {
      const twin = nodes.find(({ info }) => info.id === id)!;
      expect(
        twin.links.linked().map((peer) => peer.id),
        'both sides agree',
      ).to.include(node.info.id);
      expect(await cluster.get(node, id)).to.equal(`node-${id}:x`);
    }
    expect(node.links.counters().inflight).to.equal(0);
  }
  await cluster.stop();
}

describe('PeerLinks under faults', () => {
  it('come to one link a pair, and settle every call, whatever happened', async () => {
    for (let i = 0; i < 40; i++) {
      const seed = process.env.SEED ?? `links-${i}`;
      await scenario(seed).catch((error: unknown) => {
        throw new Error(`SEED=${seed}`, { cause: error });
      });
    }
  });
});
