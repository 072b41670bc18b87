import { expect } from 'chai';
import { codeOf, invalidArgument, messageOf } from '../../../../src/base/errors.js';
import { Stop } from '../../../../src/base/stop-signal.js';
import { MembershipPool, type PoolNode, type PoolNodeOptions } from '../../../support/membership-pool.js';

describe('joining by gossip', () => {
  let pool: MembershipPool;
  beforeEach(() => {
    pool = new MembershipPool();
  });
  afterEach(async () => {
    await pool.stop();
    for (const node of pool.nodes.values()) {
      expect(node.open, `${node.self.name} has nothing open`).to.equal(0);
      expect(node.discovery.overlaps, 'find was never asked twice at once').to.equal(0);
    }
  });
  /** How long a start takes, and its error. */
  const started = async (node: PoolNode, ms = 30_000): Promise<{ tookMs: number; error: unknown }> => {
    const beganMs = pool.clock.nowMs();
    const error = await pool.clock.until(node.start(ms).catch((thrown: unknown) => thrown));
    return { tookMs: pool.clock.nowMs() - beganMs, error };
  };

  describe('of a node that may be alone', () => {
    const alone: readonly (readonly [string, readonly string[]])[] = [
      ['discovery knows of nobody', []],
      ['discovery knows of this node alone', ['node-a']],
      ['nobody listens where discovery says', ['node-x', 'node-y']],
    ];
    for (const [name, seeds] of alone) {
      it(`is over at once when ${name}`, async () => {
        const node = pool.node('node-a', { seeds: seeds.map((seed) => pool.gossipOf(seed)) });
        const { tookMs, error } = await started(node);
        expect(error).to.equal(undefined);
        expect(tookMs).to.be.below(100);
        expect(node.list()).to.deep.equal(['node-a alive serving']);
        expect(node.warnings()).to.deep.equal([]);
      });
    }

    it('tries as often as it may when the provider fails, says so, and goes on trying behind', async () => {
      const node = pool.node('node-a', { maxJoinAttempts: 3, joinRetryIntervalMs: 1000 });
      const other = pool.node('node-b');
      await started(other);
      node.discovery.behaviour = 'reject';
      const { tookMs, error } = await started(node);
      expect(error).to.equal(undefined);
      expect(node.discovery.finds).to.equal(3);
      expect(tookMs).to.be.within(1500, 2500);
      expect(node.warnings()).to.deep.equal([
        'discovery by scripted fails, and is tried again: the source is down',
        'going on alone after 3 attempts to join, and trying on behind: the source is down',
      ]);
      await pool.clock.advance(600_000);
      expect(node.warnings().length, 'a line a minute').to.be.within(8, 14);
      node.discovery.behaviour = 'answer';
      node.discovery.addresses = [pool.gossipOf('node-b')];
      await pool.clock.advance(45_000);
      expect(node.list()).to.deep.equal(['node-a alive serving', 'node-b alive serving']);
      expect(node.log.at(-1)).to.deep.equal({ level: 'info', message: 'discovery by scripted answers again' });
    });

    for (const behaviour of ['throw', 'hang', 'deaf', 'rubbish'] as const) {
      it(`starts in time with a provider that does this: ${behaviour}; and joins when it is mended`, async () => {
        const other = pool.node('node-b');
        await started(other);
        const node = pool.node('node-a', { seeds: [pool.gossipOf('node-b')] });
        node.discovery.behaviour = behaviour;
        const { tookMs, error } = await started(node);
        expect(error).to.equal(undefined);
        expect(tookMs).to.be.below(30_000);
        expect(node.list()).to.deep.equal(['node-a alive serving']);
        expect(node.warnings().length).to.be.within(1, 3);
        await pool.clock.advance(120_000);
        node.discovery.behaviour = 'answer';
        // One that never answers is not asked again; but it may still tell by itself.
        if (behaviour === 'deaf') node.discovery.tell(node.discovery.addresses);
        await pool.clock.advance(60_000);
        expect(node.list()).to.deep.equal(['node-a alive serving', 'node-b alive serving']);
      });
    }

    it('goes on when the provider cannot be started, and fails when it never can be', async () => {
      const node = pool.node('node-a');
      node.discovery.startProblem = new Error('later perhaps');
      expect((await started(node)).error).to.equal(undefined);
      expect(node.warnings()[0]).to.match(/did not start: later perhaps/);
      const slow = pool.node('node-c', { seeds: [pool.gossipOf('node-a')] });
      slow.discovery.startProblem = 'hang';
      const { tookMs } = await started(slow);
      expect(tookMs).to.be.within(10_000, 11_000);
      expect(slow.warnings()).to.deep.equal([
        'discovery by scripted did not start: it is not ready yet, and is asked all the same',
      ]);
      expect(slow.list()).to.deep.equal(['node-a alive serving', 'node-c alive serving']);
      const other = pool.node('node-b');
      other.discovery.startProblem = invalidArgument('discovery.subject is empty');
      expect(messageOf((await started(other)).error)).to.equal('discovery.subject is empty');
    });

    it('asks a few times a second at most, and ever more rarely, when told to try again after no time at all', async () => {
      const node = pool.node('node-a', { joinRetryIntervalMs: 0 });
      await started(node);
      await pool.clock.advance(3000);
      expect(node.discovery.finds).to.be.within(4, 8);
    });

    it('leaves out what is no address, and takes the rest', async () => {
      const other = pool.node('node-b');
      await started(other);
      const rubbish = ['', 'node-b:7946', '10.0.0.2', '10.0.0.2:0', '10.0.0.2:99999', 7 as unknown as string];
      const node = pool.node('node-a', { seeds: [...rubbish, `[::ffff:${pool.hostOf('node-b')}]:7946`] });
      await started(node);
      expect(node.list()).to.deep.equal(['node-a alive serving', 'node-b alive serving']);
      expect(node.membership.counts()).to.include({ found_unusable: 6, finds: 1, finds_failed: 0, exchanges: 1 });
    });

    it('waits for an address that is silent, and for no other once one answered', async () => {
      for (const name of ['node-b', 'node-c']) await started(pool.node(name));
      pool.kill(pool.nodes.get('node-c')!);
      pool.net.crash(pool.gossipOf('node-c'), { silent: true });
      const silent = pool.node('node-d', { seeds: [pool.gossipOf('node-c')], maxJoinAttempts: 2 });
      const { tookMs } = await started(silent, 60_000);
      expect(tookMs).to.be.within(20_000, 23_000);
      expect(silent.warnings().at(-1)).to.match(/going on alone after 2 attempts.*no answer within 10000 ms/);
      const quick = pool.node('node-a', { seeds: [pool.gossipOf('node-c'), pool.gossipOf('node-b')] });
      expect((await started(quick)).tookMs).to.be.below(1000);
    });
  });

  describe('of a node that needs others', () => {
    it('says how many it met, and where it looked', async () => {
      await started(pool.node('node-b'));
      const node = pool.node('node-a', { seeds: ['node-b', 'node-x'].map((n) => pool.gossipOf(n)), minimumPeers: 4 });
      const { tookMs, error } = await started(node, 10_000);
      expect(tookMs).to.be.within(9999, 10_001);
      expect(codeOf(error)).to.equal('CLUSTER_QUORUM');
      expect(messageOf(error)).to.match(/^only 2 of the 4 nodes .*discovery by scripted found 10\.0\.0\.\d:7946, 10/);
      expect(node.list(), 'it never served').to.deep.equal(['node-a alive', 'node-b alive serving']);
      expect(pool.nodes.get('node-b')!.list()).to.deep.equal(['node-a alive', 'node-b alive serving']);
    });

    it('says why discovery fails', async () => {
      const node = pool.node('node-a', { minimumPeers: 2 });
      node.discovery.behaviour = 'reject';
      const { error } = await started(node, 10_000);
      expect(messageOf(error)).to.match(/only 1 of the 2 .*discovery by scripted fails: the source is down/);
    });

    it('keeps trying past the attempts of one that does not', async () => {
      const node = pool.node('node-a', { minimumPeers: 2, maxJoinAttempts: 1, seeds: [pool.gossipOf('node-b')] });
      const starting = started(node, 60_000);
      await pool.clock.advance(20_000);
      await started(pool.node('node-b'));
      const { error, tookMs } = await starting;
      expect(error).to.equal(undefined);
      expect(tookMs).to.be.within(20_000, 23_000);
    });

    it('counts nodes that wait for each other', async () => {
      const names = ['node-a', 'node-b', 'node-c'];
      const seeds = names.map((name) => pool.gossipOf(name));
      const nodes = names.map((name) => pool.node(name, { seeds, minimumPeers: 3 }));
      await pool.clock.until(Promise.all(nodes.map((node) => node.start())));
      for (const node of nodes) expect(node.warnings()).to.deep.equal([]);
    });
  });

  describe('serves only after it listens to all', () => {
    it('is announced once links are up', async () => {
      await started(pool.node('node-b'));
      const other = pool.nodes.get('node-b')!;
      let linkedWhenServing = false;
      other.membership.onChange(({ is, member }) => {
        if (is === 'updated' && member.serving)
          linkedWhenServing = other.peers.linked().some(({ id }) => id === member.id);
      });
      await started(pool.node('node-a', { seeds: [pool.gossipOf('node-b')] }));
      await pool.clock.advance(1000);
      expect(other.heard).to.deep.equal(['updated node-b: alive', 'joined node-a: alive', 'updated node-a: alive']);
      expect(linkedWhenServing).to.equal(true);
    });

    it('names those to whom no link came up in time, and serves', async () => {
      await started(pool.node('node-b'));
      const other = pool.nodes.get('node-b')!;
      pool.linkable = () => undefined;
      const node = pool.node('node-a', { seeds: [pool.gossipOf('node-b')] });
      const { tookMs } = await started(node);
      expect(tookMs).to.be.within(5000, 5100);
      expect(node.warnings()).to.have.length(1);
      expect(node.warnings()[0]).to.match(/serving without a link to node-b \(10\.0\.0\.1:3320\)/);
      await pool.clock.advance(1000);
      expect(other.list()).to.deep.equal(['node-a alive serving', 'node-b alive serving']);
    });
  });

  it('turns away who asks before it starts', async () => {
    const node = pool.node('node-a');
    const at = await node.membership.listen({ deadlineMs: 1000 });
    expect(at).to.deep.equal({ host: '10.0.0.1', port: 7946 });
    const other = pool.node('node-b', { seeds: [pool.gossipOf('node-a')], maxJoinAttempts: 1 });
    expect((await started(other)).tookMs).to.be.below(100);
    expect(other.warnings()[0]).to.match(/closed the stream without an answer/);
    await started(node);
    await pool.clock.advance(10_000);
    expect(node.list()).to.deep.equal(['node-a alive serving', 'node-b alive serving']);
  });

  const impossible: readonly (readonly [string, PoolNodeOptions, RegExp])[] = [
    ['its name is too long', { info: { name: 'n'.repeat(200) } }, /node\.name has 200 bytes/],
    ['its incarnation is 0', { info: { incarnation: 0 } }, /incarnation is 0/],
    ['it would advertise a wildcard', { advertise: () => ({ host: '0.0.0.0', port: 1 }) }, /host is "0\.0\.0\.0"/],
    ['it would advertise a name', { advertise: () => ({ host: 'node-a', port: 1 }) }, /host is "node-a"/],
  ];
  for (const [name, options, expected] of impossible) {
    it(`fails when ${name}`, async () => {
      const { error } = await started(pool.node('node-a', options));
      expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
      expect(messageOf(error)).to.match(expected);
    });
  }

  it('fails as the transport does', async () => {
    await started(pool.node('node-a'));
    const first = pool.nodes.get('node-a')!;
    const second = pool.node('node-a');
    expect(messageOf((await started(second)).error)).to.match(/address already in use/);
    pool.nodes.set('first', first);
  });

  it('frees everything when it is stopped by somebody who does not wait at all', async () => {
    const node = pool.node('node-a');
    await started(node);
    const stop = new Stop();
    stop.abort(undefined);
    await pool.clock.until(node.membership.stop({ deadlineMs: pool.clock.nowMs() + 5000, signal: stop }));
    node.isRunning = false;
    expect(pool.net.at(pool.gossipOf('node-a')), 'nobody listens').to.equal(undefined);
    expect(node.discovery.calls).to.deep.equal(['start', 'stop']);
  });

  it('leaves time for others when its provider never stops', async () => {
    const node = pool.node('node-a');
    await started(node);
    node.discovery.neverStops = true;
    const beganMs = pool.clock.nowMs();
    await pool.clock.until(node.stop(30_000));
    node.isRunning = false;
    expect(pool.clock.nowMs() - beganMs).to.be.within(9_000, 10_100);
  });

  it('ends at each moment at which it is stopped, and leaves nothing', async () => {
    for (const name of ['node-b', 'node-c']) await started(pool.node(name, { seeds: [pool.gossipOf('node-b')] }));
    for (let afterMs = 0; afterMs < 40; afterMs += 1) {
      const node = pool.node(`node-a${afterMs}`, { seeds: [pool.gossipOf('node-b')], minimumPeers: 2 });
      const starting = node.start().then(
        () => 'started',
        (error) => codeOf(error),
      );
      await pool.clock.advance(afterMs);
      await pool.clock.until(node.stop(2000));
      expect(await pool.clock.until(starting)).to.be.oneOf(['started', 'ABORTED']);
      expect(node.open, `stopped after ${afterMs} ms`).to.equal(0);
      node.isRunning = false;
    }
  });

  describe('under a name that a member elsewhere has', () => {
    const names = ['node-a', 'node-b', 'node-c'];
    const namesake = (): PoolNode => {
      pool.move('node-c');
      return pool.node('node-c', { seeds: [pool.gossipOf('node-a')], swim: { deadReclaimMs: 1 } });
    };

    it('waits until the earlier life is found dead, and serves then', async () => {
      const [a, , c] = await pool.cluster(names, { swim: { deadReclaimMs: 1 } });
      pool.kill(c!);
      const reborn = namesake();
      const { tookMs, error } = await started(reborn);
      expect(error).to.equal(undefined);
      expect(tookMs).to.be.within(4_000, 15_000);
      await pool.clock.advance(500);
      expect(a!.member('node-c')).to.include({ id: reborn.self.id, serving: true });
      expect(reborn.warnings()[0]).to.match(/10\.0\.0\.3:7946 claims the name node-c of this node/);
    });

    it('fails when its start is over and the other lives on, undisturbed', async () => {
      const [a, , c] = await pool.cluster(names, { swim: { deadReclaimMs: 1 } });
      const second = namesake();
      const { error, tookMs } = await started(second, 12_000);
      expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
      expect(messageOf(error)).to.equal(
        'the name node-c belongs to the member at 10.0.0.3:7946; give this node another name',
      );
      expect(tookMs).to.be.within(11_000, 13_000);
      expect(a!.member('node-c')).to.include({ id: c!.self.id, serving: true });
      await pool.clock.until(c!.stop());
    });
  });
});
