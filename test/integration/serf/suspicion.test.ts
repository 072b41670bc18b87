import { expect } from 'chai';
import type { PacketMessage } from '../../../src/membership/messages.js';
import type { GossipNode } from '../../support/gossip-node.js';
import { GossipPool } from '../../support/gossip-pool.js';
import type { HandPeer } from '../../support/hand-peer.js';
import type { SerfAgent } from '../../support/serf.js';
import { needs } from '../../support/servers.js';
import { pause } from '../../support/until.js';

/** What two slow cores may add to the time of an event. */
const slackMs = 900;
const steadyMs = 60_000;

describe('whom serf and a node suspect', function () {
  this.timeout(120_000);
  const pool = new GossipPool();
  const steady = new GossipPool();
  let agents: readonly SerfAgent[];
  let node: GossipNode;
  let steadyFromMs: number;

  before(async function () {
    needs(this, 'serf', 'serf');
    const s1 = await steady.serf();
    agents = [s1, await steady.serf({ join: [s1.address] })];
    node = await steady.node();
    await node.join(s1.address);
    await Promise.all([...agents, node].map((member) => member.showsAlive(['n1', 's1', 's2'])));
    steadyFromMs = performance.now();
  });

  afterEach(() => pool.close());
  after(() => steady.close());

  it('S1: of two members one falls silent: suspected at once, failed four seconds later', async () => {
    const agentWatches = async (): Promise<void> => {
      const [s1, n1] = await Promise.all([pool.serf(), pool.node()]);
      await n1.join(s1.address);
      await s1.showsAlive(['n1', 's1']);
      n1.deafness = 'all';
      const silentMs = performance.now();
      const suspect = await s1.logged('Suspect n1 has failed, no acks received');
      expect(suspect.atMs - silentMs, 'until suspected').to.be.below(3000 + slackMs);
      expect((await s1.member('n1'))?.status).to.equal('alive');
      const failed = await s1.logged('EventMemberFailed: n1');
      expect(failed.atMs - suspect.atMs, 'until failed').to.be.within(3900, 4000 + slackMs);
      await s1.shows('n1', 'failed');
    };
    const nodeWatches = async (): Promise<void> => {
      const [s2, n2] = await Promise.all([pool.serf(), pool.node()]);
      await n2.join(s2.address);
      s2.signal('SIGSTOP');
      const stoppedMs = performance.now();
      const suspect = await n2.tells('suspect', s2.name);
      expect(suspect.atMs - stoppedMs, 'until suspected').to.be.below(3000 + slackMs);
      const failed = await n2.tells('failed', s2.name);
      expect(failed.atMs - suspect.atMs, 'until failed').to.be.within(3900, 4000 + slackMs);
    };
    await Promise.all([agentWatches(), nodeWatches()]);
  });

  it('S3: an agent is killed: its peer and the node first suspect it, then both show it failed', async () => {
    const s1 = await pool.serf();
    const [s2, n1] = await Promise.all([pool.serf({ join: [s1.address] }), pool.node()]);
    await n1.join(s1.address);
    await Promise.all([s1, n1].map((member) => member.showsAlive(['n1', 's1', 's2'])));
    s2.signal('SIGKILL');
    const killedMs = performance.now();
    const failed = await Promise.all([s1.logged('EventMemberFailed: s2'), n1.tells('failed', 's2')]);
    await s1.shows('s2', 'failed');
    expect(n1.told('s2')).to.deep.equal(['joined', 'suspect', 'failed']);
    expect(n1.state('s2')).to.equal('dead 1');
    // Of three members none can confirm, so a suspicion lasts four seconds. It begins within two rounds of a second each
    // member, and a probe takes one or two.
    for (const { atMs } of failed) expect(atMs - killedMs).to.be.within(3900, 4000 + 5000 + 2000 + slackMs);
    expect(n1.told('s1')).to.deep.equal(['joined']);
  });

  it('S2: a suspicion lasts 24, 11.4 or 4 s as none, one or two others confirm it', async () => {
    /** Ghosts by how many confirm that they are gone. */
    const ghosts = await Promise.all([pool.hand('g0'), pool.hand('g1'), pool.hand('g2')]);
    const lastsMs = [24_000, 11_381, 4000];
    const helpers = await Promise.all([pool.hand(), pool.hand()]);
    for (const helper of helpers) {
      helper.answersPings = true;
      helper.nacks = true;
    }
    const accuse = (ghost: HandPeer, by: HandPeer): PacketMessage => ({
      is: 'suspect',
      node: ghost.name,
      incarnation: 1,
      from: by.name,
    });
    const agentWatches = async (): Promise<void> => {
      const s1 = await pool.serf();
      await helpers[0]!.say(s1.endpoint, ...[...helpers, ...ghosts].map((hand) => hand.alive()));
      await Promise.all(
        ghosts.map(async (ghost, confirmations) => {
          const suspect = await s1.logged(`Suspect ${ghost.name} has failed`);
          for (const by of helpers.slice(0, confirmations)) await by.say(s1.endpoint, accuse(ghost, by));
          const failed = await s1.logged(`Marking ${ghost.name} as failed`);
          expect(failed.text).to.include(`(${confirmations} peer confirmations)`);
          const expectedMs = lastsMs[confirmations]!;
          expect(failed.atMs - suspect.atMs).to.be.within(expectedMs - 100, expectedMs + slackMs);
          await s1.shows(ghost.name, 'failed');
        }),
      );
    };
    const nodeWatches = async (): Promise<void> => {
      const n1 = await pool.node();
      await helpers[0]!.say(n1.endpoint, ...[...helpers, ...ghosts].map((hand) => hand.alive()));
      await Promise.all(
        ghosts.map(async (ghost, confirmations) => {
          const suspect = await n1.tells('suspect', ghost.name);
          for (const by of helpers.slice(0, confirmations)) await by.say(n1.endpoint, accuse(ghost, by));
          const failed = await n1.tells('failed', ghost.name);
          const expectedMs = lastsMs[confirmations]!;
          expect(failed.atMs - suspect.atMs).to.be.within(expectedMs - 100, expectedMs + slackMs);
        }),
      );
      expect(n1.core.counts().refuted).to.equal(0);
    };
    await Promise.all([agentWatches(), nodeWatches()]);
  });

  // Beside the rows above, so that it is steady under load too.
  it('P1: nobody is doubted in a minute in which nothing happens', async () => {
    await pause(Math.max(0, steadyFromMs + steadyMs - performance.now()));
    for (const agent of agents) {
      await agent.showsAlive(['n1', 's1', 's2']);
      const doubts = agent.log(/Failed ping|other probes failed|Suspect|Refuting|\[ERR\]/);
      expect(doubts.map(({ text }) => text)).to.deep.equal([]);
    }
    const { probes, probesAcked, probesFailed, probesByStream, refuted } = node.core.counts();
    expect({ probesFailed, probesByStream, refuted }).to.deep.equal({ probesFailed: 0, probesByStream: 0, refuted: 0 });
    expect(probesAcked).to.be.within(probes - 1, probes);
    expect(probesAcked).to.be.above(30);
    const acks = node.sent.filter(
      (errand) => errand.do === 'send' && errand.messages.some(({ is }) => is === 'ack'),
    ).length;
    expect(acks).to.be.above(30);
    expect(node.events.filter(({ is }) => is !== 'joinDone').map(({ is }) => is)).to.deep.equal(['joined', 'joined']);
  });
});
