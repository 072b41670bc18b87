import { expect } from 'chai';
import { DistcacheError } from '../../../src/base/errors.js';
import { silent } from '../../../src/ports/log.js';
import type { PeerHandler, PeerReply, PeerRequest } from '../../../src/ports/peers.js';
import type { FrameStream } from '../../../src/transport/frame-stream.js';
import { type LinkEnd, PeerSession, type SessionLimits } from '../../../src/transport/peer-session.js';
import { decodeFrame, encodeFrame, type Frame, FrameEncoder } from '../../../src/wire/frames.js';
import type { Operation } from '../../../src/wire/operations.js';
import { FakeClock } from '../../support/fake-clock.js';
import { countingStamp, nodeInfo } from '../../support/peer-nodes.js';

class ScriptedStream implements FrameStream {
  readonly remote = 'script';
  readonly sent: Frame[] = [];
  full = false;
  ended = false;
  open(): void {}
  send(frame: Uint8Array): boolean {
    this.sent.push(decodeFrame(frame));
    return !this.full;
  }
  end(): void {
    this.ended = true;
  }
  destroy(): void {
    this.ended = true;
  }
  /** All operations sent so far. */
  get operations(): Operation[] {
    return this.sent.flatMap((frame) => [...frame.operations]);
  }
}

const never = Number.POSITIVE_INFINITY;
const get = (key: string): PeerRequest => ({ do: 'get', keyspace: 'k', key, loading: [] });
const value = (text: string): PeerReply => ({
  is: 'value',
  value: Buffer.from(text),
  version: 1,
  lifeMs: never,
  outcome: 'hit',
  wasPut: false,
});
const request = (id: number, key = 'a', remainingMs = 1_000): Operation => ({
  is: 'request',
  id,
  remainingMs,
  request: get(key),
});

function setUp(options: { limits?: Partial<SessionLimits>; handler?: PeerHandler; skewLimit?: number } = {}) {
  const clock = new FakeClock({ startMs: 5 });
  const stream = new ScriptedStream();
  const ends: LinkEnd[] = [];
  const session = new PeerSession(
    {
      clock,
      stamp: countingStamp(options.skewLimit),
      log: silent,
      encoder: new FrameEncoder(),
      handler: options.handler ?? ((_from, asked) => value(asked.do === 'get' ? asked.key : '')),
      selfName: 'node-a',
      limits: { maxInflight: 1_000, maxFrameBytes: 1 << 20, ...options.limits },
    },
    nodeInfo('b', '10.0.0.2:3320'),
    stream,
    (end) => ends.push(end),
  );
  const hear = (...operations: Operation[]): void => session.receive(encodeFrame({ clock: 1, operations }));
  const ask = (key: string, timeoutMs = 1_000, signal?: AbortSignal) => {
    const call = session.call(get(key), { deadlineMs: clock.nowMs() + timeoutMs, signal });
    const outcome: { now: string } = { now: 'waiting' };
    call.then(
      (reply) => {
        outcome.now = reply.is === 'value' ? Buffer.from(reply.value).toString() : reply.is;
      },
      (error: DistcacheError) => {
        outcome.now = error.code;
      },
    );
    return { call, outcome };
  };
  return { clock, stream, ends, session, hear, ask };
}

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
    const { clock, hear, ask } = setUp({ limits: { maxInflight: 2 } });
    const calls = ['a', 'b', 'c'].map((key) => ask(key));
    await clock.settle();
    expect(calls[2]!.outcome.now).to.equal('OVERLOADED');
    hear({ is: 'reply', id: 1, reply: value('A') });
    const fourth = ask('d');
    await clock.settle();
    expect(fourth.outcome.now).to.equal('waiting');
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
    const put: PeerRequest = { do: 'put', keyspace: 'k', key: 'a', value: new Uint8Array(16 << 20), ttlMs: undefined };
    const codes: string[] = [];
    for (let i = 0; i < 8; i++) {
      session.call(put, { deadlineMs: 1_000 }).catch((error: DistcacheError) => codes.push(error.code));
      await clock.settle();
    }
    expect(codes).to.deep.equal(['OVERLOADED', 'OVERLOADED', 'OVERLOADED']);
    session.lost('test over');
  });

  it('refuses a request that no frame can carry, and takes one that just fits', async () => {
    const { clock, session } = setUp({ limits: { maxFrameBytes: 100_000 } });
    const put = (bytes: number): Promise<unknown> =>
      session.call(
        { do: 'put', keyspace: 'k', key: 'x'.repeat(10_000), value: new Uint8Array(bytes), ttlMs: undefined },
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
    const call = session.call({ do: 'get', keyspace: 'k', key: 'a', loading }, { deadlineMs: 1_000 });
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
    session.receive(Uint8Array.from([0x12, 5, 0x08, 1, 0xb2, 0x01, 0]));
    await clock.settle();
    expect(outcome.now).to.equal('PEER_UNREACHABLE');
    expect(session.counts().notUnderstood).to.equal(1);
  });
});

describe('PeerSession: answering', () => {
  it('answers a frame of requests with one frame, in order', async () => {
    const { clock, stream, hear } = setUp();
    hear(...Array.from({ length: 50 }, (_, i) => request(i + 1, `key-${i}`)));
    await clock.settle();
    expect(stream.sent).to.have.length(1);
    expect(stream.operations.map(({ id }) => id)).to.deep.equal(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  it('sends what handlers throw as a refusal, with code and node', async () => {
    const errors: Record<string, Error> = {
      ours: new DistcacheError('KEYSPACE_NOT_FOUND', 'no such keyspace'),
      elsewhere: new DistcacheError('OVERLOADED', 'busy', { node: 'node-z' }),
      fault: new TypeError('x is not a function'),
    };
    const { clock, stream, hear } = setUp({
      handler: (_from, asked) => {
        const error = errors[asked.do === 'get' ? asked.key : '']!;
        if (error instanceof TypeError) throw error;
        return Promise.reject(error);
      },
    });
    hear(request(1, 'ours'), request(2, 'elsewhere'), request(3, 'fault'));
    await clock.settle();
    const replies = Object.fromEntries(
      stream.operations.map((operation) => [operation.id, operation.is === 'reply' ? operation.reply : undefined]),
    );
    expect(replies).to.deep.equal({
      1: { is: 'refused', code: 'KEYSPACE_NOT_FOUND', message: 'no such keyspace', node: 'node-a' },
      2: { is: 'refused', code: 'OVERLOADED', message: 'busy', node: 'node-z' },
      3: { is: 'refused', code: 'PEER_UNREACHABLE', message: 'internal error: x is not a function', node: 'node-a' },
    });
  });

  it('ends the wait of a request that is cancelled, and answers it no more', async () => {
    const signals: AbortSignal[] = [];
    const release: ((reply: PeerReply) => void)[] = [];
    const { clock, stream, hear, session } = setUp({
      handler: (_from, _asked, wait) => {
        signals.push(wait.signal!);
        return new Promise((resolve) => release.push(resolve));
      },
    });
    hear(request(1), request(2));
    hear({ is: 'cancel', id: 1 }, { is: 'cancel', id: 99 });
    expect(signals.map((signal) => signal.aborted)).to.deep.equal([true, false]);
    for (const resolve of release) resolve(value('x'));
    await clock.settle();
    expect(stream.operations.map(({ id }) => id)).to.deep.equal([2]);
    expect(session.counts().serving).to.equal(0);
  });

  it('passes on the time that is left, and ends every wait when the link goes down', async () => {
    const waits: { deadlineMs: number; signal?: AbortSignal | undefined }[] = [];
    const { clock, hear, session, stream } = setUp({
      handler: (_from, _asked, wait) => {
        waits.push(wait);
        return new Promise(() => {});
      },
    });
    hear(request(1, 'a', 250));
    expect(waits[0]!.deadlineMs).to.equal(clock.nowMs() + 250);
    session.lost('gone');
    expect(waits[0]!.signal!.aborted).to.equal(true);
    await clock.settle();
    expect(stream.sent).to.have.length(0);
  });

  it('refuses more than maxInflight requests at once, and takes more when answers have left', async () => {
    const release: ((reply: PeerReply) => void)[] = [];
    const { clock, stream, hear } = setUp({
      limits: { maxInflight: 2 },
      handler: () => new Promise((resolve) => release.push(resolve)),
    });
    hear(request(1), request(2), request(3));
    await clock.settle();
    const [refused] = stream.operations;
    expect(refused?.is === 'reply' && refused.reply).to.include({ is: 'refused', code: 'OVERLOADED', node: 'node-a' });
    release[0]!(value('x'));
    await clock.settle();
    hear(request(4));
    expect(release).to.have.length(3);
  });

  it('holds requests while answers wait to leave, and goes on when they have', async () => {
    const big = value('y'.repeat(1 << 20));
    const { clock, stream, hear, session } = setUp({
      limits: { maxFrameBytes: 2 << 20 },
      handler: () => big,
    });
    stream.full = true;
    for (let id = 1; id <= 70; id++) hear(request(id));
    await clock.settle();
    expect(session.counts().serving).to.equal(69);
    expect(session.counts().queuedBytes).to.be.below(66 << 20);
    hear({ is: 'cancel', id: 70 });
    expect(session.counts().serving).to.equal(68);
    stream.full = false;
    session.drained();
    await clock.settle();
    expect(stream.operations.map(({ id }) => id)).to.deep.equal(Array.from({ length: 69 }, (_, i) => i + 1));
    expect(session.counts()).to.include({ serving: 0, queuedBytes: 0 });
  });

  it('refuses an answer that no frame can carry', async () => {
    const { clock, stream, hear } = setUp({
      limits: { maxFrameBytes: 5_000 },
      handler: () => value('z'.repeat(5_000)),
    });
    hear(request(1));
    await clock.settle();
    const [reply] = stream.operations;
    expect(reply?.is === 'reply' && reply.reply).to.include({ is: 'refused', code: 'VALUE_TOO_LARGE', node: 'node-a' });
  });

  it('refuses a request of a newer release without harm to the link', async () => {
    const { clock, stream, session, ends } = setUp();
    session.receive(Uint8Array.from([0x12, 6, 0x08, 5, 0x42, 2, 0x08, 1]));
    await clock.settle();
    const [reply] = stream.operations;
    expect(reply?.is === 'reply' && reply.reply).to.include({ is: 'refused', code: 'INVALID_ARGUMENT' });
    expect(reply?.id).to.equal(5);
    expect(ends).to.have.length(0);
  });

  it('refuses the requests of a frame whose clock is too far ahead, and fails the calls that it answers', async () => {
    const { clock, stream, session, ask } = setUp({ skewLimit: 10 });
    const { outcome } = ask('a');
    await clock.settle();
    session.receive(encodeFrame({ clock: 1e9, operations: [request(7), { is: 'reply', id: 1, reply: value('x') }] }));
    await clock.settle();
    const reply = stream.operations.at(-1);
    expect(reply?.is === 'reply' && reply.reply).to.include({ is: 'refused', code: 'PEER_UNREACHABLE' });
    expect(outcome.now).to.equal('PEER_UNREACHABLE');
    expect(session.counts().skewed).to.equal(1);
  });

  it('closes the link over bytes that are no frame, and says so', async () => {
    const { stream, session, ends } = setUp();
    session.receive(Uint8Array.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]));
    expect(stream.sent.at(-1)?.goodbye?.reason).to.equal('BAD_FRAME');
    expect(stream.ended).to.equal(true);
    expect(ends).to.have.length(1);
    session.receive(encodeFrame({ clock: 1, operations: [request(1)] }));
    expect(session.counts().framesIn).to.equal(1);
  });

  it('closes the link when an id comes twice while its request is being answered', () => {
    const { stream, hear } = setUp({ handler: () => new Promise(() => {}) });
    hear(request(1), request(1));
    expect(stream.sent.at(-1)?.goodbye?.reason).to.equal('BAD_FRAME');
  });

  it('closes the link of a peer that asks on without ever reading', async () => {
    const { clock, stream, session, ends } = setUp({ limits: { maxInflight: 10 } });
    stream.full = true;
    let frames = 0;
    for (; ends.length === 0 && frames < 1_000; frames++) {
      session.receive(encodeFrame({ clock: 1, operations: Array.from({ length: 1_000 }, (_, i) => request(i + 1)) }));
      await clock.settle();
    }
    expect(ends).to.have.length(1);
    expect(frames).to.be.below(200);
    expect(session.counts().queuedBytes).to.equal(0);
  });
});

describe('PeerSession: signs of life', () => {
  it('sends one after a second of quiet, and gives the peer up after three of silence', async () => {
    const { clock, stream, session, ends } = setUp();
    const start = clock.nowMs();
    session.tick(start + 500, 0, 1_000, 3_000);
    expect(stream.sent).to.have.length(0);
    session.tick(start + 1_000, 0, 1_000, 3_000);
    expect(stream.sent).to.have.length(1);
    session.tick(start + 2_900, 0, 1_000, 3_000);
    expect(ends).to.have.length(0);
    session.tick(start + 3_000, 0, 1_000, 3_000);
    expect(ends[0]?.why).to.equal('no sign of life for 3.0 s');
  });

  it('takes off the time during which this process did not run', () => {
    const { clock, session, ends } = setUp();
    const start = clock.nowMs();
    session.tick(start + 10_000, 9_500, 1_000, 3_000);
    expect(ends).to.have.length(0);
    session.tick(start + 13_500, 0, 1_000, 3_000);
    expect(ends).to.have.length(1);
  });

  it('notes that the peer left when it says so', () => {
    const { session, ends } = setUp();
    session.receive(encodeFrame({ clock: 1, operations: [], goodbye: { reason: 'LEAVING', detail: '' } }));
    expect(ends).to.deep.equal([{ why: 'node-b closed it: LEAVING', left: true }]);
  });
});
