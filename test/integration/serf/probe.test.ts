import { expect } from 'chai';
import { bytesOfIp } from '../../../src/base/ip.js';
import type { Endpoint } from '../../../src/membership/swim/effects.js';
import { GossipPool } from '../../support/gossip-pool.js';
import { freePort } from '../../support/serf.js';
import { needs } from '../../support/servers.js';
import { until } from '../../support/until.js';

describe('probes between serf and a node', function () {
  this.timeout(90_000);
  const pool = new GossipPool();

  before(function () {
    needs(this, 'serf', 'serf');
  });

  afterEach(() => pool.close());

  /** An address where nobody listens. */
  async function deserted(): Promise<Endpoint> {
    const host = pool.ips.next();
    return { addr: bytesOfIp(host)!, port: await freePort(host) };
  }

  it('P2: pings that get lost while TCP passes are logged, and blame nobody', async () => {
    const [s1, n1] = await Promise.all([pool.serf(), pool.node()]);
    await n1.join(s1.address);
    n1.deafness = 'pings';
    await s1.logged('Was able to connect to n1 but other probes failed');
    expect((await s1.shows('n1', 'alive')).status).to.equal('alive');
    expect(s1.log(/suspect/i)).to.deep.equal([]);
    expect(n1.incarnation).to.equal(10);
  });

  it('P3: a node asked to ping for an agent says in time that it got no answer', async () => {
    const s1 = await pool.serf();
    const [s2, n1] = await Promise.all([pool.serf({ join: [s1.address] }), pool.node()]);
    await n1.join(s1.address);
    await n1.showsAlive(['n1', 's1', 's2']);
    s2.signal('SIGSTOP');
    const asked = await n1.hears('indirectPing', ({ node }) => node === 's2');
    expect(asked.nack).to.equal(true);
    expect(asked.target).to.deep.equal(s2.endpoint.addr);
    const isNack = (errand: (typeof n1.sent)[number]): boolean =>
      errand.do === 'send' && errand.messages.some((message) => message.is === 'nack' && message.seqNo === asked.seqNo);
    await until('the nack', () => n1.sent.some(isNack), 5_000, 5);
    const waitedMs = n1.sent.find(isNack)!.atMs - asked.atMs;
    expect(waitedMs).to.be.within(390, 650);
    // A nack in time tells the agent that the fault is not its own.
    await s1.logged('Suspect s2 has failed, no acks received');
    expect((await s1.cli('info')).text).to.match(/health_score = 0\b/);
    await n1.tells('suspect', 's2');
    await s1.shows('n1', 'alive');
  });

  it('P4: an agent asked to ping for a node acks, nacks, or is silent, as asked', async () => {
    const [s1, h1, empty] = await Promise.all([pool.serf(), pool.hand(), deserted()]);
    const s2 = await pool.serf();
    const ask = (seqNo: number, target: Endpoint, node: string, nack: boolean): Promise<void> =>
      h1.say(s1.endpoint, {
        is: 'indirectPing',
        seqNo,
        target: target.addr,
        port: target.port,
        node,
        nack,
        source: h1.source,
      });
    const startMs = performance.now();
    await ask(1, s2.endpoint, 's2', true);
    await ask(2, empty, 's9', false);
    await ask(3, empty, 's9', true);
    const ack = await h1.hears('ack', ({ seqNo }) => seqNo === 1);
    expect(ack.atMs - startMs).to.be.below(400);
    const nack = await h1.hears('nack', ({ seqNo }) => seqNo === 3);
    expect(nack.atMs - startMs).to.be.within(490, 1500);
    // What was asked first had to be answered first.
    expect(h1.heard('nack').map(({ seqNo }) => seqNo)).to.deep.equal([3]);
    expect(h1.heard('ack').map(({ seqNo }) => seqNo)).to.deep.equal([1]);
  });
});
