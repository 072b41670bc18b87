import { expect } from 'chai';
import { sameEndpoint } from '../../../src/membership/swim/effects.js';
import { GossipPool } from '../../support/gossip-pool.js';
import { serfTags } from '../../support/hand-peer.js';
import { needs } from '../../support/servers.js';
import { until } from '../../support/until.js';

describe('false accusations between serf and a node', function () {
  this.timeout(60_000);
  const pool = new GossipPool();

  before(function () {
    needs(this, 'serf', 'serf');
  });

  afterEach(() => pool.close());

  it('R1: a node denies that it is suspect or dead, and the agent believes it and says so', async () => {
    const [s1, n1, n2, h1] = await Promise.all([pool.serf(), pool.node(), pool.node(), pool.hand()]);
    await Promise.all([n1.join(s1.address), n2.join(s1.address)]);
    await Promise.all([s1, n1, n2].map((member) => member.showsAlive(['n1', 'n2', 's1'])));
    const denied = (incarnation: number) =>
      n2.hears(
        'alive',
        (alive) => alive.node === 'n1' && alive.incarnation === incarnation && sameEndpoint(alive.origin, s1.endpoint),
      );
    await h1.say(s1.endpoint, { is: 'suspect', node: 'n1', incarnation: 10, from: 'h1' });
    await denied(11);
    await s1.shows('n1', 'alive');
    expect(s1.log('EventMemberFailed')).to.deep.equal([]);

    await h1.say(s1.endpoint, { is: 'dead', node: 'n1', incarnation: 11, from: 'h1' });
    await s1.logged('EventMemberFailed: n1');
    await denied(12);
    await s1.shows('n1', 'alive');
    await until('n2 shows n1 alive', () => n2.state('n1') === 'alive 12');
    expect(n1.incarnation).to.equal(12);
    expect(n1.core.counts().refuted).to.equal(2);
  });

  it('R2: an agent denies what is said of it, and the node hears so', async () => {
    const [s1, n1, h1] = await Promise.all([pool.serf(), pool.node(), pool.hand()]);
    await n1.join(s1.address);
    await s1.showsAlive(['n1', 's1']);
    const denies = async (accused: number): Promise<void> => {
      await n1.hears('alive', ({ node, incarnation }) => node === 's1' && incarnation === accused + 1);
      await until('n1 believes it', () => n1.state('s1') === `alive ${accused + 1}`);
    };
    await h1.say(s1.endpoint, { is: 'suspect', node: 's1', incarnation: 10, from: 'h1' });
    await s1.logged('Refuting a suspect message (from: h1)');
    await denies(10);
    await h1.say(s1.endpoint, { is: 'dead', node: 's1', incarnation: 20, from: 'h1' });
    await s1.logged('Refuting a dead message (from: h1)');
    await denies(20);
    const { endpoint, name: node } = s1;
    const { vsn } = n1.member('s1')!;
    await h1.say(endpoint, { is: 'alive', node, incarnation: 50, ...endpoint, meta: serfTags({ role: 'liar' }), vsn });
    await s1.logged('Refuting an alive message');
    await denies(50);
    expect(n1.told('s1')).to.deep.equal(['joined', 'updated', 'updated', 'updated']);
    expect((await s1.member('s1'))?.tags).to.not.have.property('role', 'liar');
  });

  it('R3: an agent that was frozen until it failed is back by itself when it thaws', async () => {
    const s1 = await pool.serf();
    const [s2, n1] = await Promise.all([pool.serf({ join: [s1.address] }), pool.node()]);
    await n1.join(s1.address);
    const all = ['n1', 's1', 's2'];
    await Promise.all([s1, s2, n1].map((member) => member.showsAlive(all)));
    s2.signal('SIGSTOP');
    await Promise.all([s1.shows('s2', 'failed'), n1.tells('failed', 's2')]);
    s2.signal('SIGCONT');
    await Promise.all([s1, s2, n1].map((member) => member.showsAlive(all, 20_000)));
    // It may have more to deny than its death.
    expect(n1.told('s2').slice(0, 4)).to.deep.equal(['joined', 'suspect', 'failed', 'joined']);
    expect(n1.member('s2')?.incarnation).to.be.above(1);
  });
});
