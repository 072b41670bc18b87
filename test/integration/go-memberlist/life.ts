import { expect } from 'chai';
import type { GoMember, GoPeer, GoProgram } from '../../support/go-memberlist.js';
import type { GossipNode } from '../../support/gossip-node.js';
import { until } from '../../support/until.js';
import { key128, key192, key256 } from './keys.js';
import { MixedPool, type PoolOptions } from './pool.js';
import { everybody, policyOf } from './raw.js';

const text = (meta: Uint8Array): string => Buffer.from(meta).toString('utf8');

/** What a Go peer lists of a node. */
const listed = async (peer: GoPeer, name: string): Promise<GoMember | undefined> =>
  (await peer.members()).find((member) => member.name === name);

const heardUser = (peer: GoPeer): number => peer.events.filter(({ event }) => event === 'user').length;

/** Two Go peers and two nodes of ours, from the first join to the last leave. */
export function lifeTests(program: () => GoProgram): void {
  let pool: MixedPool;

  afterEach(() => pool.close());

  const kinds: readonly { name: string; options: PoolOptions }[] = [
    { name: 'in the clear', options: {} },
    { name: 'compressed', options: { compress: true } },
    { name: 'under a label', options: { label: 'blue' } },
    { name: 'under AES-128', options: { keys: [key128] } },
    { name: 'under AES-192', options: { keys: [key192] } },
    { name: 'under AES-256, labelled and compressed', options: { label: 'blue', keys: [key256], compress: true } },
    { name: 'with packets over TCP', options: { packets: 'tcp' } },
    {
      name: 'with packets over TCP, under AES-256, labelled and compressed',
      options: { packets: 'tcp', label: 'prefix-demo', keys: [key256], compress: true },
    },
  ];

  for (const { name, options } of kinds) {
    it(`${name}: joins, news, pings and leaves go both ways`, async () => {
      pool = new MixedPool(program(), { ...options, pushPullIntervalMs: 500 });
      const go1 = await pool.go('go1', { meta: 'first' });
      const ours1 = await pool.node('ours1', { meta: Buffer.from('of ours1') });
      expect(await ours1.join(go1.address), 'we join them').to.equal(1);
      const go2 = await pool.go('go2');
      expect(await go2.join(ours1.address), 'they join us').to.equal(1);
      const ours2 = await pool.node('ours2');
      await ours2.join(go2.address);
      await pool.allShow('go1', 'go2', 'ours1', 'ours2');
      await agreeOn(go2, ours1, 'of ours1');
      await agreeOn(go1, ours2, '');
      expect(text(ours2.member('go1')!.meta)).to.equal('first');
      expect([...ours2.member('go1')!.vsn]).to.deep.equal(go1.self.vsn);

      await newsGoesBothWays(go1, go2, ours1, ours2);
      await go2.ping('ours2');
      await statesAreExchanged(go1, ours1);
      expect(pool.losses()).to.deep.equal([]);
      for (const peer of [go1, go2]) expect(peer.complaints()).to.deep.equal([]);
      for (const node of [ours1, ours2]) expect(node.dropped()).to.deep.equal({});

      await ours2.leave();
      await until('go1 hears that we leave', () => go1.told('ours2').at(-1) === 'gone');
      const held = await everybody(go1, policyOf(options), options.packets === 'tcp');
      expect(held, 'a leave is no crash').to.include('ours2 left');
      await go2.leave();
      await ours1.tells('left', 'go2');
      await pool.crash(ours2);
      await pool.crash(go2);
      await pool.allShow('go1', 'ours1');
    });
  }
}

/** The peer lists the node with all that it says of itself. */
async function agreeOn(peer: GoPeer, node: GossipNode, meta: string): Promise<void> {
  const port = node.endpoint.port;
  expect(await listed(peer, node.name)).to.deep.equal({
    name: node.name,
    addr: '127.0.0.1',
    port,
    meta,
    vsn: [1, 5, 2, 0, 0, 0],
  });
}

async function newsGoesBothWays(go1: GoPeer, go2: GoPeer, ours1: GossipNode, ours2: GossipNode): Promise<void> {
  // As much as there may be, so that packets come near their limit.
  const longest = 'm'.repeat(512);
  ours1.step({ is: 'meta', meta: Buffer.from(longest) });
  await go1.changeMeta('second');
  for (const peer of [go1, go2]) {
    await until('they hear of our metadata', async () => (await listed(peer, 'ours1'))?.meta === longest);
    expect(peer.told('ours1')).to.include('updated');
  }
  for (const node of [ours1, ours2]) {
    await node.tells('updated', 'go1');
    expect(text(node.member('go1')!.meta)).to.equal('second');
  }
  await go1.send(Buffer.from('a packet'), { to: 'ours2' });
  await go1.send(Buffer.from('a stream'), { to: 'ours2', reliable: true });
  // Nobody passes gossip of the application on: its origin sends it four times, to whomever.
  await go1.send(Buffer.from('to some'));
  const heard = (): number => ours1.core.counts().userMessages + ours2.core.counts().userMessages + heardUser(go2);
  await until('packets of the application arrive', () => heard() === 5);
  await until('we hear one over a stream', () => ours2.counted('gossip_stream_user_messages') === 1);
}

/** Of themselves, again and again. */
async function statesAreExchanged(peer: GoPeer, node: GossipNode): Promise<void> {
  const done = node.core.counts().exchangesDone;
  await until('we ask for states and get them', () => node.core.counts().exchangesDone > done + 1);
  const asked = node.counted('gossip_streams_accepted');
  await until('we are asked for ours', () => node.counted('gossip_streams_accepted') > asked);
  await until('we were pinged and answered', () => node.core.counts().probesAcked > 1);
  expect(node.core.counts()).to.include({ exchangesFailed: 0, mergesRefused: 0, malformed: 0, conflicts: 0 });
  expect(peer.complaints()).to.deep.equal([]);
}
