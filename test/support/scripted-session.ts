import type { DistcacheError } from '../../src/base/errors.js';
import { silent } from '../../src/ports/log.js';
import type { PeerHandler, PeerReply, PeerRequest, Stamp } from '../../src/ports/peers.js';
import type { FrameStream } from '../../src/transport/frame-stream.js';
import { HeldBytes } from '../../src/transport/held-bytes.js';
import type { SessionLimits } from '../../src/transport/link-limits.js';
import { PeerSession } from '../../src/transport/peer-session.js';
import type { LinkEnd } from '../../src/transport/session-counts.js';
import { decodeFrame, encodeFrame, type Frame, FrameEncoder } from '../../src/wire/frames.js';
import type { Operation } from '../../src/wire/operations.js';
import { FakeClock } from './fake-clock.js';
import { countingStamp, nodeInfo } from './peer-nodes.js';

/** Keeps what is sent, and is full when a test says so. */
export class ScriptedStream implements FrameStream {
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
export const get = (key: string): PeerRequest => ({
  do: 'get',
  keyspace: 'k',
  key,
  loading: [],
  minVersion: 0,
  standIn: false,
});
export const value = (text: string): PeerReply => ({
  is: 'value',
  value: Buffer.from(text),
  version: 1,
  lifeMs: never,
  outcome: 'hit',
  wasPut: false,
  sourceVersion: undefined,
  floor: 0,
  generation: 0,
});
export const request = (id: number, key = 'a', remainingMs = 1_000): Operation => ({
  is: 'request',
  id,
  remainingMs,
  request: get(key),
});

/** One session of node-a with node-b, whose part the test plays. */
export function setUp(
  options: {
    limits?: Partial<SessionLimits>;
    /** Bytes of requests that the peer may have under way. */
    roomBytes?: number;
    handler?: PeerHandler;
    skewLimit?: number;
    stamp?: (clock: FakeClock) => Stamp;
  } = {},
) {
  const clock = new FakeClock({ startMs: 5 });
  const stream = new ScriptedStream();
  const ends: LinkEnd[] = [];
  const session = new PeerSession(
    {
      clock,
      stamp: options.stamp?.(clock) ?? countingStamp(options.skewLimit),
      log: silent,
      encoder: new FrameEncoder(),
      handler: options.handler ?? ((_from, asked) => value(asked.do === 'get' ? asked.key : '')),
      selfName: 'node-a',
      limits: { maxInflight: 1_000, maxFrameBytes: 1 << 20, ...options.limits },
      share: new HeldBytes(options.roomBytes ?? 1 << 30, options.roomBytes ?? 1 << 30).share(),
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
