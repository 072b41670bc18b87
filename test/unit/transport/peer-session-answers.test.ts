import { expect } from 'chai';
import { DistcacheError } from '../../../src/base/errors.js';
import type { StopSignal } from '../../../src/base/stop-signal.js';
import type { PeerReply, PeerRequest } from '../../../src/ports/peers.js';
import { encodeFrame } from '../../../src/wire/frames.js';
import type { Operation } from '../../../src/wire/operations.js';
import { request, setUp, value } from '../../support/scripted-session.js';

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
    const signals: StopSignal[] = [];
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
    const waits: { deadlineMs: number; signal?: StopSignal | undefined }[] = [];
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
    const { clock, stream, hear, session } = setUp({
      limits: { maxInflight: 2 },
      handler: () => new Promise((resolve) => release.push(resolve)),
    });
    hear(request(1), request(2), request(3));
    await clock.settle();
    const [refused] = stream.operations;
    expect(refused?.is === 'reply' && refused.reply).to.include({ is: 'refused', code: 'OVERLOADED', node: 'node-a' });
    expect(session.counts().requestsRefused).to.equal(1);
    release[0]!(value('x'));
    await clock.settle();
    hear(request(4));
    expect(release).to.have.length(3);
  });

  it('refuses requests that would take more memory than they may, and takes more when some are answered', async () => {
    const release: ((reply: PeerReply) => void)[] = [];
    const { clock, stream, hear, session } = setUp({
      roomBytes: 2_000,
      handler: () => new Promise((resolve) => release.push(resolve)),
    });
    const put = (id: number): Operation => {
      const asked: PeerRequest = {
        do: 'put',
        keyspace: 'k',
        key: 'a',
        value: Buffer.alloc(1_000),
        ttlMs: 0,
        ack: 'applied',
      };
      return { is: 'request', id, request: asked, remainingMs: 1_000 };
    };
    hear(put(1), put(2), put(3), {
      is: 'request',
      id: 4,
      request: { do: 'synced', sequence: 7, heard: { versions: [['a', 9]], isWhole: true } },
      remainingMs: 1_000,
    });
    await clock.settle();
    expect(stream.operations.map(({ id }) => id)).to.deep.equal([3]);
    const [refused] = stream.operations;
    expect(refused?.is === 'reply' && refused.reply).to.include({ is: 'refused', code: 'OVERLOADED', node: 'node-a' });
    // What keeps nodes in step is not refused.
    expect(release).to.have.length(3);
    release[0]!({ is: 'applied' });
    hear({ is: 'cancel', id: 2 }, { is: 'cancel', id: 4 });
    await clock.settle();
    expect(session.counts()).to.include({ serving: 0, askedBytes: 0 });
    hear(put(5), put(6));
    expect(release).to.have.length(5);
    expect(session.counts().askedBytes).to.be.within(2_000, 2_500);
    session.lost('gone');
    expect(session.counts().askedBytes).to.equal(0);
  });

  it('answers what keeps nodes in step, however many requests of users wait', async () => {
    const { clock, stream, hear } = setUp({
      limits: { maxInflight: 1 },
      handler: (_, { do: what }) => (what === 'synced' ? { is: 'applied' } : new Promise(() => {})),
    });
    hear(request(1), {
      is: 'request',
      id: 2,
      request: { do: 'synced', sequence: 7, heard: { versions: [['a', 9]], isWhole: true } },
      remainingMs: 1000,
    });
    await clock.settle();
    expect(stream.operations).to.deep.equal([{ is: 'reply', id: 2, reply: { is: 'applied' } }]);
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
    session.receive(Uint8Array.from([0x12, 7, 0x08, 5, 0xfa, 0x02, 2, 0x08, 1]));
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
