import { expect } from 'chai';
import type { PushPull } from '../../../src/membership/messages.js';
import { GossipPool } from '../../support/gossip-pool.js';
import { type HandPeer, serfLeaveIntent, serfTags } from '../../support/hand-peer.js';
import type { SerfAgent } from '../../support/serf.js';
import { needs } from '../../support/servers.js';
import { until } from '../../support/until.js';

describe('leaving, returning and changing beside serf', function () {
  this.timeout(60_000);
  const pool = new GossipPool();

  before(function () {
    needs(this, 'serf', 'serf');
  });

  afterEach(() => pool.close());

  /** A member's state as an agent passes it on. */
  async function stateAt(agent: SerfAgent, name: string, asker: HandPeer): Promise<string | undefined> {
    const state: PushPull = { is: 'pushPull', join: false, nodes: [], userState: new Uint8Array() };
    const answer = await asker.ask(agent.endpoint, state);
    expect(answer?.is).to.equal('pushPull');
    return (answer as PushPull).nodes.find((node) => node.name === name)?.state;
  }

  it('L1: a node that leaves as memberlist does has left, though serf shows it as failed', async () => {
    const [s1, n1, n2, h1] = await Promise.all([pool.serf(), pool.node(), pool.node(), pool.hand()]);
    await Promise.all([n1.join(s1.address), n2.join(s1.address)]);
    await Promise.all([s1, n1, n2].map((member) => member.showsAlive(['n1', 'n2', 's1'])));
    await n1.leave();
    await s1.shows('n1', 'failed');
    expect(await stateAt(s1, 'n1', h1)).to.equal('left');
    await n2.tells('left', 'n1');
    expect(n2.told('n1')).to.deep.equal(['joined', 'left']);
  });

  it("L2: a node that says so in Serf's words first is shown as left", async () => {
    const [s1, n1] = await Promise.all([pool.serf(), pool.node()]);
    await n1.join(s1.address);
    await s1.showsAlive(['n1', 's1']);
    n1.say(s1.endpoint, { is: 'user', payload: serfLeaveIntent('n1', 10) });
    await s1.shows('n1', 'leaving');
    await n1.leave();
    await s1.shows('n1', 'left');
    await s1.logged('EventMemberLeave: n1');
    expect(s1.log('EventMemberFailed')).to.deep.equal([]);
  });

  it('L3: an agent that leaves has left for the node too', async () => {
    const s1 = await pool.serf();
    const [s2, n1] = await Promise.all([pool.serf({ join: [s1.address] }), pool.node()]);
    await n1.join(s1.address);
    await Promise.all([s1, n1].map((member) => member.showsAlive(['n1', 's1', 's2'])));
    const { exit, text } = await s2.cli('leave');
    expect(text).to.include('Graceful leave complete');
    expect(exit).to.equal(0);
    await n1.tells('left', 's2');
    expect(n1.told('s2')).to.deep.equal(['joined', 'left']);
    expect(n1.state('s2')).to.equal('left 1');
    await s1.shows('s2', 'left');
    const intent = n1.heard.findIndex(
      (message) => message.is === 'user' && message.payload[0] === 0 && Buffer.from(message.payload).includes('s2'),
    );
    const dead = n1.heard.findIndex((message) => message.is === 'dead');
    expect(n1.heard[dead]).to.include({ node: 's2', from: 's2' });
    expect(intent, 'the intent comes first').to.be.within(0, dead - 1);
    expect(n1.core.counts().userMessages).to.be.above(0);
  });

  it('N2: a node that left comes back under its name from a new address', async () => {
    const [s1, old, n2] = await Promise.all([pool.serf(), pool.node({ name: 'back' }), pool.node({ name: 'n2' })]);
    await Promise.all([old.join(s1.address), n2.join(s1.address)]);
    await Promise.all([s1, n2].map((member) => member.showsAlive(['back', 'n2', 's1'])));
    await old.leave();
    await n2.tells('left', 'back');
    await s1.shows('back', 'failed');
    await old.close();
    const back = await pool.node({ name: 'back' });
    await back.join(s1.address);
    await s1.logged('Updating address for left or failed node back');
    await s1.shows('back', 'alive', { where: ({ addr }) => addr === back.address });
    await until('n2 knows the new address', () => n2.member('back')?.state === 'alive');
    expect(n2.member('back')).to.deep.include(back.endpoint);
    // Then it denies that it left.
    expect(n2.told('back').slice(0, 3)).to.deep.equal(['joined', 'left', 'joined']);
  });

  it('M1: changed tags of an agent reach the node, and changed metadata of the node the agent', async () => {
    const [s1, n1] = await Promise.all([pool.serf(), pool.node({ meta: serfTags({ v: '1' }) })]);
    await n1.join(s1.address);
    await s1.shows('n1', 'alive', { where: ({ tags }) => tags.v === '1' });
    const before = n1.member('s1')!.incarnation;
    expect((await s1.cli('tags', '-set', 'a=b')).exit).to.equal(0);
    await n1.tells('updated', 's1');
    expect(n1.state('s1')).to.equal(`alive ${before + 1}`);
    expect(Buffer.from(n1.member('s1')!.meta).toString('hex')).to.equal('ff81a161a162');
    n1.step({ is: 'meta', meta: serfTags({ v: '2' }) });
    await s1.shows('n1', 'alive', { where: ({ tags }) => tags.v === '2' });
    await s1.logged('EventMemberUpdate: n1');
    expect(n1.incarnation).to.equal(11);
  });
});
