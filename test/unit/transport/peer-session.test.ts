import { expect } from 'chai';
import { DistcacheError, messageOf } from '../../../src/base/errors.js';
import type { PeerRequest } from '../../../src/ports/peers.js';
import { get, setUp, value } from '../../support/scripted-session.js';

describe('PeerSession: asking', () => {
  it('sends what is asked within one turn as one frame, in order', async () => {
    const { clock, stream, ask } = setUp();
    for (let i = 0; i < 100; i++) ask(`key-${i}`);
    expect(stream.sent).to.have.length(0);
    await clock.settle();
    expect(stream.sent).to.have.length(1);
    expect(stream.operations.map((operation) => operation.is === 'request' && operation.request)).to.deep.equal(
      Array.from({ length: 100 }, (_, i) => get(`key-${i}`)),
    );
    const [first] = stream.operations;
    expect(first?.is === 'request' && first.remainingMs).to.equal(1_000);
  });

  it('cuts frames at about 256 KiB, but never one operation', async () => {
    const { clock, stream, session } = setUp();
    const put = (bytes: number): PeerRequest => ({
      do: 'put',
      keyspace: 'k',
      key: 'a',
      value: new Uint8Array(bytes),
      ttlMs: undefined,
      ack: 'applied',
    });
    const wait = { deadlineMs: 1_000 };
    for (const bytes of [500_000, 100_000, 100_000, 100_000, 1]) session.call(put(bytes), wait).catch(() => {});
    await clock.settle();
    expect(stream.sent.map((frame) => frame.operations.length)).to.deep.equal([1, 2, 2]);
    session.lost('test over');
  });

  it('hands each answer to its caller, whatever the order, and counts those that nobody waits for', async () => {
    const { clock, hear, ask, session } = setUp();
    const a = ask('a');
    const b = ask('b');
    await clock.settle();
    hear({ is: 'reply', id: 2, reply: value('B') }, { is: 'reply', id: 1, reply: value('A') });
    hear({ is: 'reply', id: 2, reply: value('again') });
    await clock.settle();
    expect([a.outcome.now, b.outcome.now]).to.deep.equal(['A', 'B']);
    expect(session.counts()).to.include({ inflight: 0, lateAnswers: 1, operationsIn: 3 });
    expect(clock.pending()).to.equal(1);
    await clock.advance(1_100);
    expect(clock.pending()).to.equal(0);
  });

  it('turns a refusal into an error that names the node', async () => {
    const { clock, hear, ask } = setUp();
    const { call } = ask('a');
    await clock.settle();
    hear({ is: 'reply', id: 1, reply: { is: 'refused', code: 'KEYSPACE_NOT_FOUND', message: 'no k', node: '' } });
    const error = await call.catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(DistcacheError);
    expect(error).to.include({ code: 'KEYSPACE_NOT_FOUND', message: 'no k', node: 'node-b' });
  });

  it('ends each call at its own deadline, with one timer, and tells the peer', async () => {
    const { clock, stream, ask } = setUp();
    const calls = [300, 20, 500, 20, 100].map((timeoutMs, i) => ask(`key-${i}`, timeoutMs));
    await clock.settle();
    expect(clock.pending()).to.equal(1);
    await clock.advance(30);
    expect(calls.map(({ outcome }) => outcome.now)).to.deep.equal([
      'waiting',
      'TIMEOUT',
      'waiting',
      'TIMEOUT',
      'waiting',
    ]);
    await clock.advance(80);
    expect(calls[4]!.outcome.now).to.equal('TIMEOUT');
    await clock.advance(500);
    expect(calls.every(({ outcome }) => outcome.now === 'TIMEOUT')).to.equal(true);
    const cancels = stream.operations.filter((operation) => operation.is === 'cancel').map(({ id }) => id);
    expect(cancels).to.deep.equal([2, 4, 5, 1, 3]);
    expect(clock.pending()).to.equal(0);
  });

  it('refuses a call without time left, or whose signal is aborted, before anything is sent', async () => {
    const { clock, stream, ask } = setUp();
    const late = ask('a', 0);
    const gone = ask('b', 100, AbortSignal.abort());
    await clock.settle();
    expect([late.outcome.now, gone.outcome.now]).to.deep.equal(['TIMEOUT', 'ABORTED']);
    expect(stream.sent).to.have.length(0);
  });

  it('sends a cancel when the signal aborts, and nothing at all where the request has not left', async () => {
    const { clock, stream, ask } = setUp();
    const controller = new AbortController();
    const sent = ask('a', 1_000, controller.signal);
    await clock.settle();
    const early = new AbortController();
    const unsent = ask('b', 1_000, early.signal);
    early.abort();
    controller.abort();
    await clock.settle();
    expect([sent.outcome.now, unsent.outcome.now]).to.deep.equal(['ABORTED', 'ABORTED']);
    expect(stream.operations.map(({ is, id }) => `${is} ${id}`)).to.deep.equal(['request 1', 'cancel 1']);
  });

  it('refuses more than maxInflight calls at once', async () => {
    const { clock, hear, ask, session } = setUp({ limits: { maxInflight: 2 } });
    const calls = ['a', 'b', 'c'].map((key) => ask(key));
    await clock.settle();
    expect(calls[2]!.outcome.now).to.equal('OVERLOADED');
    expect(session.counts().callsRefused).to.equal(1);
    hear({ is: 'reply', id: 1, reply: value('A') });
    const fourth = ask('d');
    await clock.settle();
    expect(fourth.outcome.now).to.equal('waiting');
  });

  it('has room for what keeps nodes in step, however many calls of users wait', async () => {
    const { clock, stream, ask, session } = setUp({ limits: { maxInflight: 1 } });
    ask('a');
    const wait = { deadlineMs: clock.nowMs() + 1000 };
    const told = session
      .call({ do: 'synced', sequence: 7, heard: { versions: [['a', 9]], isWhole: true } }, wait)
      .then(() => {}, messageOf);
    await clock.settle();
    expect(stream.operations).to.have.length(2);
    ask('b');
    await clock.settle();
    expect(session.counts().callsRefused).to.equal(1);
    session.lost('over');
    expect(await told).to.include('went down');
  });

  it('holds what is asked while the stream is full, drops what timed out meanwhile, and sends the rest in order', async () => {
    const { clock, stream, session, ask } = setUp();
    stream.full = true;
    ask('first');
    await clock.settle();
    const short = ask('short', 50);
    const long = ask('long', 5_000);
    await clock.advance(100);
    expect(stream.operations).to.have.length(1);
    expect(short.outcome.now).to.equal('TIMEOUT');
    stream.full = false;
    session.drained();
    expect(stream.operations.map((operation) => operation.is === 'request' && operation.request)).to.deep.equal([
      get('first'),
      get('long'),
    ]);
    expect(long.outcome.now).to.equal('waiting');
    expect(session.counts().queuedBytes).to.equal(0);
  });

  it('refuses a call before the bytes that wait exceed their limit', async () => {
    const { clock, stream, session } = setUp({ limits: { maxFrameBytes: 17 << 20 } });
    stream.full = true;
    const put: PeerRequest = {
      do: 'put',
      keyspace: 'k',
      key: 'a',
      value: new Uint8Array(16 << 20),
      ttlMs: undefined,
      ack: 'applied',
    };
    const codes: string[] = [];
    for (let i = 0; i < 8; i++) {
      session.call(put, { deadlineMs: 1_000 }).catch((error: DistcacheError) => codes.push(error.code));
      await clock.settle();
    }
    expect(codes).to.deep.equal(['OVERLOADED', 'OVERLOADED', 'OVERLOADED']);
    expect(session.counts().callsRefused).to.equal(3);
    session.lost('test over');
  });

  it('refuses a request that no frame can carry, and takes one that just fits', async () => {
    const { clock, session } = setUp({ limits: { maxFrameBytes: 100_000 } });
    const put = (bytes: number): Promise<unknown> =>
      session.call(
        {
          do: 'put',
          keyspace: 'k',
          key: 'x'.repeat(10_000),
          value: new Uint8Array(bytes),
          ttlMs: undefined,
          ack: 'applied',
        },
        { deadlineMs: 1_000 },
      );
    const error = await put(95_000).catch((thrown: DistcacheError) => thrown);
    expect(error).to.include({ code: 'VALUE_TOO_LARGE' });
    const taken = put(89_000);
    await clock.settle();
    expect(session.counts()).to.include({ inflight: 1, queuedBytes: 0 });
    session.lost('test over');
    expect(await taken.catch((thrown: DistcacheError) => thrown.code)).to.equal('PEER_UNREACHABLE');
  });

  it('refuses loaders nested without end', async () => {
    const { session } = setUp();
    const loading = Array.from({ length: 257 }, (_, i) => `k/${i}`);
    const call = session.call(
      { do: 'get', keyspace: 'k', key: 'a', loading, minVersion: 0, standIn: false },
      { deadlineMs: 1_000 },
    );
    expect(await call.catch((error: DistcacheError) => error.code)).to.equal('INVALID_ARGUMENT');
  });

  it('fails every pending call when the link goes down, and every later one', async () => {
    const { clock, session, ends, ask } = setUp();
    const calls = ['a', 'b'].map((key) => ask(key));
    await clock.settle();
    session.lost('connection reset');
    session.lost('again');
    const later = ask('c');
    await clock.settle();
    expect([...calls, later].map(({ outcome }) => outcome.now)).to.deep.equal(Array(3).fill('PEER_UNREACHABLE'));
    expect(ends).to.deep.equal([{ why: 'connection reset', left: false }]);
    expect(clock.pending()).to.equal(0);
    const error = await calls[0]!.call.catch((thrown: DistcacheError) => thrown);
    expect(error).to.include({ node: 'node-b' });
    expect((error as Error).message).to.match(
      /node-b \(10\.0\.0\.2:3320\) went down \(connection reset\); get k\/a may have/,
    );
  });

  it('fails the call whose answer it does not understand', async () => {
    const { clock, session, ask } = setUp();
    const { outcome } = ask('a');
    await clock.settle();
    session.receive(Uint8Array.from([0x12, 5, 0x08, 1, 0xfa, 0x01, 0]));
    await clock.settle();
    expect(outcome.now).to.equal('PEER_UNREACHABLE');
    expect(session.counts().notUnderstood).to.equal(1);
  });
});
