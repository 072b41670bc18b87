import { expect } from 'chai';
import type { DistcacheError } from '../../../src/base/errors.js';
import { HybridClock } from '../../../src/coherence/hybrid-clock.js';
import type { PeerRequest } from '../../../src/ports/peers.js';
import { encodeFrame } from '../../../src/wire/frames.js';
import type { Operation } from '../../../src/wire/operations.js';
import { addressOf, LinkCluster } from '../../support/link-cluster.js';
import { get, setUp, value } from '../../support/scripted-session.js';

const none = new Uint8Array(0);
const at = { keyspace: 'k', key: 'a' };
const put: PeerRequest = { do: 'put', ...at, value: none, ttlMs: undefined, ack: 'applied' };
const remove: PeerRequest = { do: 'delete', ...at, ack: 'owner' };
const recall: PeerRequest = { do: 'recall', ...at };
const knowledge = {
  heard: 0,
  yours: false,
  version: 1,
  lifeMs: 1,
  wasPut: true,
  sourceVersion: undefined,
  floor: 0,
  generation: 0,
  sequence: 2,
};
/** What nobody could answer in the peer's stead, and what it must hear. */
const told: readonly PeerRequest[] = [
  { do: 'invalidate', ...at, version: 1, sequence: 1 },
  {
    do: 'keyspace',
    record: { keyspace: 'k', existence: undefined, generation: 1, settings: [], sweeps: [], digest: 0 },
  },
  { do: 'floors', keyspace: 'k', floors: none, heard: { versions: [], isWhole: false }, swept: 0 },
  { do: 'synced', sequence: 1, heard: { versions: [['a', 9]], isWhole: true } },
  { do: 'renew', resync: false },
  { do: 'hold', ...at, value: none, ...knowledge },
  { do: 'check', ...at, version: 1 },
  { do: 'compare', keyspace: 'k', digests: none },
];
const asked: readonly PeerRequest[] = [get('a'), recall, put, remove];

describe('PeerSession: giving up on a peer that gives no sign of life', () => {
  const setUpCalls = () => {
    const session = setUp();
    const outcomes = new Map<string, string>();
    const call = (request: PeerRequest): void => {
      session.session.call(request, { deadlineMs: session.clock.nowMs() + 1_000 }).then(
        (reply) => outcomes.set(request.do, reply.is),
        (error: DistcacheError) => outcomes.set(request.do, `${error.code} ${error.message}`),
      );
    };
    return { ...session, outcomes, call };
  };

  it('fails the reads and writes that wait, and cancels them; what the peer must hear stays', async () => {
    const { clock, stream, session, hear, ends, outcomes, call } = setUpCalls();
    for (const request of [...asked, ...told]) call(request);
    await clock.settle();
    session.abandon();
    await clock.settle();
    expect([...outcomes.keys()]).to.deep.equal(asked.map((request) => request.do));
    for (const outcome of outcomes.values()) {
      expect(outcome).to.match(/^PEER_UNREACHABLE .*node-b \(10\.0\.0\.2:3320\) gives no sign of life/);
    }
    expect(stream.operations.filter(({ is }) => is === 'cancel').map(({ id }) => id)).to.deep.equal([1, 2, 3, 4]);
    expect(session.counts().inflight).to.equal(told.length);
    hear(...told.map((_, i): Operation => ({ is: 'reply', id: asked.length + 1 + i, reply: { is: 'applied' } })));
    await clock.settle();
    for (const request of told) expect(outcomes.get(request.do), request.do).to.equal('applied');
    expect(ends, 'the link stands').to.have.length(0);
    await clock.advance(1_100);
    expect(clock.pending()).to.equal(0);
  });

  it('sends nothing of a read or write that has not left yet', async () => {
    const { clock, stream, session, outcomes, call } = setUpCalls();
    stream.full = true;
    call(get('a'));
    await clock.settle();
    for (const request of [put, remove, recall, told[0]!]) call(request);
    session.abandon();
    stream.full = false;
    session.drained();
    await clock.settle();
    expect(
      stream.operations.map((operation) => (operation.is === 'request' ? operation.request.do : operation.is)),
    ).to.deep.equal(['get', 'invalidate', 'cancel']);
    expect(outcomes.size).to.equal(4);
  });

  it('takes an answer that comes after all for late, and asks the peer again when it is called again', async () => {
    const { clock, session, hear, outcomes, call } = setUpCalls();
    call(get('a'));
    await clock.settle();
    session.abandon();
    hear({ is: 'reply', id: 1, reply: value('x') });
    await clock.settle();
    expect(outcomes.get('get')).to.include('PEER_UNREACHABLE');
    expect(session.counts()).to.include({ lateAnswers: 1, inflight: 0 });
    call(get('a'));
    await clock.settle();
    hear({ is: 'reply', id: 2, reply: value('x') });
    await clock.settle();
    expect(outcomes.get('get')).to.equal('value');
  });
});

describe('PeerLinks: giving up', () => {
  it('concerns the calls to one peer, and no peer that is not linked', async () => {
    const cluster = new LinkCluster();
    const handler = (): Promise<never> => new Promise(() => {});
    const [a, b, c] = [cluster.add('a'), cluster.add('b', { handler }), cluster.add('c', { handler })];
    for (const { info } of [b, c]) a.links.dial(info.address);
    await cluster.clock.advance(1_000);
    const toB = cluster.get(a, 'b');
    let outcomeOfC = 'waiting';
    const toC = a.links.call('c', get('x'), { deadlineMs: cluster.clock.nowMs() + 1_000 }).catch((error) => {
      outcomeOfC = error.code;
    });
    a.links.giveUp('nobody');
    a.links.giveUp('b');
    expect(await toB).to.equal('PEER_UNREACHABLE');
    expect(outcomeOfC).to.equal('waiting');
    expect(a.links.linked().map(({ address }) => address)).to.have.members([addressOf('b'), addressOf('c')]);
    await cluster.clock.until(toC);
    expect(outcomeOfC).to.equal('TIMEOUT');
    await cluster.stop();
  });
});

describe('PeerSession: a write that comes late', () => {
  const setUpLate = () => {
    const served: string[] = [];
    let stamp: HybridClock | undefined;
    const session = setUp({
      stamp: (clock) => {
        stamp = new HybridClock(clock);
        return stamp;
      },
      handler: (_from, request) => {
        served.push(request.do);
        return { is: 'applied' };
      },
    });
    return { ...session, served, stamp: stamp! };
  };
  const frameOf = (clock: number, requests: readonly PeerRequest[]): Uint8Array => {
    const operations = requests.map(
      (request, i): Operation => ({ is: 'request', id: i + 1, remainingMs: 5e3, request }),
    );
    return encodeFrame({ clock, operations });
  };

  it('is carried out up to 600 ms after it left', async () => {
    const { clock, session, served, stamp } = setUpLate();
    const frame = frameOf(stamp.now(), [put, remove]);
    await clock.advance(600);
    session.receive(frame);
    expect(served).to.deep.equal(['put', 'delete']);
    expect(session.counts().late).to.equal(0);
  });

  it('is refused after that, as its sender may have tried elsewhere, and counted', async () => {
    const { clock, stream, session, served, stamp } = setUpLate();
    const frame = frameOf(stamp.now(), [put, remove]);
    await clock.advance(601);
    session.receive(frame);
    await clock.settle();
    expect(served).to.deep.equal([]);
    expect(stream.operations).to.have.length(2);
    for (const operation of stream.operations) {
      const reply = operation.is === 'reply' ? operation.reply : undefined;
      expect(reply).to.include({ is: 'refused', code: 'PEER_UNREACHABLE', node: 'node-a' });
      expect(reply?.is === 'refused' && reply.message).to.include('came too late');
    }
    expect(session.counts()).to.include({ late: 2, serving: 0 });
  });

  it('does not keep anything else of its frame from being served', async () => {
    const { clock, session, served, stamp, ask } = setUpLate();
    const { outcome } = ask('a', 60_000);
    const answer: Operation = { is: 'reply', id: 1, reply: value('x') };
    const sentAt = stamp.now();
    await clock.advance(30_000);
    session.receive(frameOf(sentAt, [get('a'), recall, put, ...told]));
    session.receive(encodeFrame({ clock: sentAt, operations: [answer] }));
    await clock.settle();
    expect(served).to.deep.equal(['get', 'recall', ...told.map((request) => request.do)]);
    expect(outcome.now).to.equal('x');
    expect(session.counts().late).to.equal(1);
  });

  it('is told by the clocks of both nodes, of which the sender may run ahead', async () => {
    const { session, served, stamp } = setUpLate();
    session.receive(frameOf(stamp.now() + 400 * 4096, [put]));
    expect(served).to.deep.equal(['put']);
  });
});
