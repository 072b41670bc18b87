import { expect } from 'chai';
import { DistcacheError } from '../../../src/base/errors.js';
import { checkCluster } from '../../../src/doctor/cluster.js';
import type { NodeView } from '../../../src/doctor/cluster-view.js';
import type { PeerStatus } from '../../../src/ports/cache.js';
import { sourceStatus } from '../../support/source-status.js';
import { expectAdvice, keyspace, lines, one, peer, status, view } from './support.js';

const two = [peer('a'), peer('b')];

function of(peers: readonly PeerStatus[], nodes: readonly NodeView[]) {
  const checks = checkCluster({ is: 'seen', peers, nodes }, false);
  expectAdvice(checks);
  return checks;
}

describe('doctor: a cluster', () => {
  it('that is well is in order throughout', () => {
    expect(lines(of(two, [view('a'), view('b')]))).to.deep.equal([
      'ok members: 2 alive: a, b',
      'ok reach: each of 2 answers here, asked by itself',
      'ok ready: all nodes are',
      'ok one cluster: all nodes count 2 that serve',
      'ok releases: all nodes run 0.1.0',
      'ok keyspaces: the same on all nodes: ks',
      'ok clocks: b is 0s ahead of a, give or take 10ms',
      'ok gossip: nothing was dropped for another label or secret',
    ]);
  });

  describe('that cannot be seen', () => {
    const unseen = (code: 'PEER_UNREACHABLE' | 'UNAUTHORIZED', mayBeAbsent: boolean) =>
      checkCluster({ is: 'unseen', error: new DistcacheError(code, 'because') }, mayBeAbsent)[0]!;

    it('fails where somebody named it, and is skipped where it may not run yet', () => {
      expect(unseen('PEER_UNREACHABLE', false)).to.include({ result: 'fail', found: 'because' });
      expect(unseen('PEER_UNREACHABLE', true).result).to.equal('skip');
    });

    it('fails where it does not let doctor in, and says what to show', () => {
      for (const mayBeAbsent of [true, false]) {
        expect(unseen('UNAUTHORIZED', mayBeAbsent).result).to.equal('fail');
        expect(unseen('UNAUTHORIZED', mayBeAbsent).mend).to.contain('--token').and.contain('--tls-ca');
      }
    });
  });

  it('members that are dead fail; suspect, draining and idle ones are warned of; those who left are not', () => {
    const peers = [
      peer('a'),
      peer('dead', { state: 'dead' }),
      peer('slow', { state: 'suspect' }),
      peer('going', { state: 'draining' }),
      peer('idle', { serving: false }),
      peer('left', { state: 'left', serving: false }),
      peer('agent', { serving: false, bindAddr: '', bindPort: 0, version: '' }),
    ];
    const members = of(peers, [view('a')]).filter(({ check }) => check === 'members');
    expect(lines(members)).to.deep.equal([
      'fail members: dead: dead',
      'warn members: slow: suspect, it does not answer in time',
      'warn members: going: draining, it owns no keys any more',
      'warn members: idle: alive, but does not serve',
    ]);
  });

  it('nodes that do not answer when asked by themselves fail by name, each', () => {
    const failing = (node: string, code: 'PEER_UNREACHABLE' | 'UNAUTHORIZED'): NodeView =>
      view(node, {}, { told: { node, is: 'failed', error: new DistcacheError(code, `${node} says no`) } });
    const checks = of(two, [view('c'), failing('a', 'PEER_UNREACHABLE'), failing('b', 'UNAUTHORIZED')]);
    const reach = checks.filter(({ check }) => check === 'reach');
    expect(lines(reach)).to.deep.equal(['fail reach: a: a says no', 'fail reach: b: b says no']);
    expect(reach[0]!.mend).to.contain('bind.addr');
    expect(reach[1]!.mend).to.contain('tokens');
  });

  it('nodes that are not ready, or see others than the rest, are warned of', () => {
    const checks = of(two, [
      view('a', { status: status('a', { ready: false, state: 'starting' }) }),
      view('b', { status: status('b', { peers: 1 }) }),
    ]);
    expect(one(checks, 'ready')).to.include({ result: 'warn', found: 'not ready: a (starting)' });
    expect(one(checks, 'one cluster').found).to.equal('nodes see different members: a counts 2, b counts 1');
  });

  it('releases that are mixed are warned of, by node; those of dead members are not', () => {
    const checks = of([...two, peer('c', { version: '0.2.0' }), peer('d', { version: '0.0.1', state: 'dead' })], []);
    expect(one(checks, 'releases')).to.include({ result: 'warn', found: 'nodes run 0.1.0 (a, b) and 0.2.0 (c)' });
  });

  it('a keyspace that a node lacks fails; settings that differ are warned of; budgets may differ', () => {
    const checks = of(two, [
      view('a', { keyspaces: [keyspace('ks'), keyspace('x'), keyspace('big', { maxBytes: 5000 })] }),
      view('b', { keyspaces: [keyspace('ks', { defaultTtlMs: undefined, ttlJitter: 0.5 }), keyspace('big')] }),
    ]);
    expect(lines(checks).filter((line) => line.includes('keyspace'))).to.deep.equal([
      'warn keyspace ks: defaultTtlMs differs: 1000 (a) and none (b)',
      'warn keyspace ks: ttlJitter differs: 0 (a) and 0.5 (b)',
      'fail keyspace x: b: does not have it, so its part of the keys is kept by nobody',
    ]);
  });

  it('circuits that are open fail, those half open are warned of', () => {
    const source = (state: 'open' | 'half-open' | 'closed') =>
      keyspace(state, { source: { ...sourceStatus, breaker: { ...sourceStatus.breaker!, state } } });
    const checks = of(two, [view('a', { keyspaces: [source('open'), source('half-open'), source('closed')] })]);
    expect(lines(checks.filter(({ check }) => check === 'circuits'))).to.deep.equal([
      'fail circuits: open: open at a; its data source keeps failing',
      'warn circuits: half open: half-open at a',
    ]);
    expect(one(of(two, [view('a', { keyspaces: [source('closed')] })]), 'circuits').result).to.equal('ok');
  });

  describe('clocks', () => {
    const clocks = (a: number, b: number, unsureMs = 5) =>
      one(of(two, [view('a', { ahead: { ms: a, unsureMs } }), view('b', { ahead: { ms: b, unsureMs } })]), 'clocks');

    it('are held to what a node takes from others, between the nodes', () => {
      expect(clocks(0, 100).result).to.equal('ok');
      expect(clocks(0, 300).result).to.equal('warn');
      expect(clocks(900, 300)).to.include({ result: 'fail', found: 'a is 600ms ahead of b, give or take 10ms' });
      // It is this machine that is wrong.
      expect(clocks(60_000, 60_050).result).to.equal('ok');
    });

    it('are not accused by answers that took longer than they differ', () =>
      expect(clocks(0, 600, 400).result).to.equal('ok'));

    it('of one node alone, and of none that tells', () => {
      expect(one(of(two, [view('a')]), 'clocks').result).to.equal('ok');
      expect(one(of(two, [view('a', { ahead: undefined })]), 'clocks').result).to.equal('skip');
    });
  });

  it('gossip that was dropped tells of another label, another secret, or a node too busy', () => {
    const gossipCounts = {
      gossip_packets_dropped_undecryptable: 3,
      gossip_streams_dropped_label_mismatch: 2,
      gossip_sends_dropped: 1,
      gossip_packets_dropped_malformed: 9,
    };
    const checks = of(two, [view('a', { status: status('a', { gossipCounts }) }), view('b')]);
    expect(lines(checks.filter(({ check }) => check === 'gossip'))).to.deep.equal([
      'warn gossip: dropped since start, of another label: a 2',
      'warn gossip: dropped since start, that does not fit gossip.secrets: a 3',
      'warn gossip: dropped since start, for want of time: a 1',
    ]);
  });
});
