import { aborted, codeOf, DistcacheError, messageOf } from '../base/errors.js';
import { formatSize } from '../base/units.js';
import type { Clock, Wait } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerHandler, PeerReply, PeerRequest, Stamp } from '../ports/peers.js';
import { type Frame, FrameDecoder, type FrameEncoder, type GoodbyeReason } from '../wire/frames.js';
import { loadingMax, type Operation, operationBound } from '../wire/operations.js';
import { MalformedError } from '../wire/reader.js';
import { type Answer, CallTable, keepsInStep, roomFor, unreachable, what } from './call-table.js';
import type { FrameStream } from './frame-stream.js';
import type { Share } from './held-bytes.js';
import { Asked, type Held, InboundWait } from './inbound-wait.js';
import type { SessionLimits } from './link-limits.js';
import { Outbox } from './outbox.js';
import { type LinkEnd, noCounts, type SessionCounts } from './session-counts.js';

/*
 * One link's traffic. Whatever is asked or answered within one turn of the event loop waits in the outbox and leaves as
 * one frame when the turn ends: the cost of a frame (some 100 us through HTTP/2) is then shared by hundreds of calls.
 * The cost of a call itself is kept to a promise, an entry in a map and two small objects.
 */

export interface SessionDeps {
  readonly clock: Clock;
  readonly stamp: Stamp;
  readonly log: Log;
  readonly encoder: FrameEncoder;
  readonly handler: PeerHandler;
  /** Name of this node, for the errors it sends. */
  readonly selfName: string;
  readonly limits: SessionLimits;
  /** What requests of this peer may take in memory. */
  readonly share: Share;
}

/**
 * A write that was on its way for longer is refused. A node that was frozen must not carry out what its sender has repeated
 * elsewhere meanwhile, and perhaps followed by a later write; the sender gives a silent node up after 1250 ms.
 */
const lateMs = 600;

export class PeerSession {
  readonly #deps: SessionDeps;
  readonly #stream: FrameStream;
  readonly #onEnd: (end: LinkEnd) => void;
  readonly #decoder = new FrameDecoder();
  readonly #outbox: Outbox;
  readonly #calls: CallTable;
  readonly #asked: Asked;
  #held: Held[] = [];
  #serving = 0;
  #flushSoon = false;
  #blocked = false;
  #ended = false;
  #lastSentMs: number;
  /** When the peer was last heard, corrected by the time during which this process itself did not run. */
  #heardMs: number;
  readonly #count: { -readonly [Name in keyof SessionCounts]: number } = { ...noCounts };

  /** `onEnd` is called once, after every pending call was rejected. */
  constructor(
    deps: SessionDeps,
    readonly peer: NodeInfo,
    stream: FrameStream,
    onEnd: (end: LinkEnd) => void,
  ) {
    this.#deps = deps;
    this.#stream = stream;
    this.#onEnd = onEnd;
    this.#asked = new Asked(deps.share);
    this.#outbox = new Outbox(deps.limits.maxFrameBytes, deps.limits.maxInflight);
    this.#calls = new CallTable(deps.clock, peer, (id, place) => this.#givenUp(id, place));
    this.#lastSentMs = deps.clock.nowMs();
    this.#heardMs = this.#lastSentMs;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** See PeerNetwork.call. A put's value is read until the frame leaves, at the latest when the call settles. */
  call(request: PeerRequest, wait: Wait): Promise<Answer> {
    const startedMs = this.#deps.clock.nowMs();
    const refusal = this.#ended ? unreachable(this.peer, 'is down') : this.#refusal(request, wait, startedMs);
    if (refusal !== undefined) return Promise.reject(refusal);
    const id = this.#calls.nextId();
    const operation: Operation = { is: 'request', id, request, remainingMs: wait.deadlineMs - startedMs };
    const bound = operationBound(operation);
    const misfit = this.#outbox.misfit(operation, bound);
    if (misfit !== undefined) {
      return Promise.reject(new DistcacheError('VALUE_TOO_LARGE', `${what(request)}: ${misfit}`));
    }
    return this.#calls.wait(id, this.#push(operation, bound), request, startedMs, wait);
  }

  /** Takes a frame of the peer's. */
  receive(bytes: Uint8Array): void {
    if (this.#ended) return;
    const nowMs = this.#deps.clock.nowMs();
    this.#heardMs = Math.max(this.#heardMs, nowMs);
    this.#count.framesIn++;
    this.#count.bytesIn += bytes.byteLength;
    let frame: Frame;
    try {
      frame = this.#decoder.frame(bytes);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.goodbye('BAD_FRAME', messageOf(error));
      return;
    }
    this.#count.operationsIn += frame.operations.length;
    const believed = this.#deps.stamp.merge(frame.clock);
    if (!believed) this.#count.skewed++;
    const late = this.#deps.stamp.ageMs(frame.clock) > lateMs;
    for (const operation of frame.operations) {
      if (this.#ended) return;
      this.#take(operation, nowMs, believed, late);
    }
    if (frame.goodbye !== undefined) {
      const { reason, detail } = frame.goodbye;
      this.#end({
        why: `${this.peer.name} closed it: ${reason}${detail === '' ? '' : `, ${detail}`}`,
        left: reason === 'LEAVING',
      });
      this.#stream.end();
    }
  }

  /** See PeerNetwork.giveUp. */
  abandon(): void {
    this.#calls.abandon();
  }

  drained(): void {
    this.#blocked = false;
    this.#flush();
  }

  /** The stream is gone. */
  lost(why: string): void {
    this.#end({ why, left: false });
  }

  /**
   * Called at intervals of about `everyMs`. Sends a sign of life after `quietMs` without a frame, and gives the peer up
   * after `silentMs` without one of its. `lateMs`: by how much this process itself overslept, which is not the peer's fault.
   */
  tick(nowMs: number, lateMs: number, quietMs: number, silentMs: number): void {
    if (this.#ended) return;
    this.#heardMs = Math.min(nowMs, this.#heardMs + lateMs);
    const silenceMs = nowMs - this.#heardMs;
    if (silenceMs >= silentMs) {
      this.#end({ why: `no sign of life for ${(silenceMs / 1000).toFixed(1)} s`, left: false });
      this.#stream.destroy();
    } else if (nowMs - this.#lastSentMs >= quietMs && !this.#blocked) {
      this.signOfLife();
    }
  }

  /** An empty frame, which carries the clock. */
  signOfLife(): void {
    this.#send(this.#deps.encoder.frame({ clock: this.#deps.stamp.now(), operations: [] }), 0);
  }

  /** Sends what is due, says why, and ends. */
  goodbye(reason: GoodbyeReason, detail: string): void {
    if (this.#ended) return;
    this.#flush();
    if (this.#ended) return;
    this.#send(
      this.#deps.encoder.frame({ clock: this.#deps.stamp.now(), operations: [], goodbye: { reason, detail } }),
      0,
    );
    this.#end({ why: `closed here: ${reason}${detail === '' ? '' : `, ${detail}`}`, left: false });
    this.#stream.end();
  }

  counts(): SessionCounts {
    const [inflight, serving] = [this.#calls.size, this.#serving];
    return { ...this.#count, inflight, serving, askedBytes: this.#asked.bytes, queuedBytes: this.#outbox.bytes };
  }

  #take(operation: Operation, nowMs: number, believed: boolean, late: boolean): void {
    switch (operation.is) {
      case 'request':
        if (!believed) {
          this.#refuse(operation.id, 'PEER_UNREACHABLE', 'the clock of the asking node runs too far ahead');
        } else if (late && (operation.request.do === 'put' || operation.request.do === 'delete')) {
          this.#count.late++;
          this.#refuse(operation.id, 'PEER_UNREACHABLE', 'it came too late: its sender may have tried elsewhere');
        } else {
          this.#ask(operation, nowMs);
        }
        return;
      case 'reply':
        if (!this.#calls.settle(operation.id, believed ? operation.reply : undefined)) this.#count.lateAnswers++;
        return;
      case 'cancel':
        if (this.#asked.cancel(operation.id)) this.#serving--;
        return;
      case 'unknown-request':
        this.#count.notUnderstood++;
        this.#refuse(operation.id, 'INVALID_ARGUMENT', 'not understood: the asking node runs a newer release');
        return;
      default:
        this.#count.notUnderstood++;
        this.#calls.settle(operation.id, undefined);
    }
  }

  /** Starts on a request of the peer's, or refuses it, or holds it until answers have left. */
  #ask(operation: Operation & { is: 'request' }, nowMs: number): void {
    const { id, request, remainingMs } = operation;
    if (this.#serving >= roomFor(request, this.#deps.limits.maxInflight)) {
      this.#count.requestsRefused++;
      this.#refuse(id, 'OVERLOADED', `more than ${this.#deps.limits.maxInflight} requests of one node at a time`);
      return;
    }
    if (this.#asked.has(id)) {
      this.goodbye('BAD_FRAME', `request ${id} came twice`);
      return;
    }
    if (!keepsInStep(request) && !this.#asked.hasRoom()) {
      this.#refuse(
        id,
        'OVERLOADED',
        'requests of other nodes take as much memory as they may (limits.maxInflightBytes)',
      );
      return;
    }
    this.#serving++;
    const wait = new InboundWait(nowMs + remainingMs);
    if (this.#outbox.full || this.#held.length > 0) {
      this.#asked.add(id, request, wait);
      this.#held.push({ id, request, wait });
    } else {
      this.#serve(id, request, wait);
    }
  }

  #serve(id: number, request: PeerRequest, wait: InboundWait): void {
    let result: PeerReply | Promise<PeerReply>;
    try {
      result = this.#deps.handler(this.peer, request, wait);
    } catch (error) {
      this.#answer(id, this.#failure(request, error));
      return;
    }
    if (!('then' in result)) {
      this.#answer(id, result);
      return;
    }
    this.#asked.add(id, request, wait);
    const answer = (reply: PeerReply): void => {
      if (wait.over) return;
      this.#asked.remove(id);
      this.#answer(id, reply);
    };
    result.then(answer, (error) => answer(this.#failure(request, error)));
  }

  #answer(id: number, reply: PeerReply): void {
    if (this.#ended) return;
    if (reply.is === 'refused') this.#count.refused++;
    const operation: Operation = { is: 'reply', id, reply };
    const bound = operationBound(operation);
    // A refusal is small, and there would be nothing to send in its stead.
    const misfit = reply.is === 'refused' ? undefined : this.#outbox.misfit(operation, bound);
    if (misfit === undefined) {
      this.#push(operation, bound);
    } else {
      this.#serving--;
      this.#refuse(id, 'VALUE_TOO_LARGE', `the answer ${misfit}`);
    }
  }

  /** A refusal of something that is not counted in `serving`. */
  #refuse(
    id: number,
    code: 'OVERLOADED' | 'INVALID_ARGUMENT' | 'PEER_UNREACHABLE' | 'VALUE_TOO_LARGE',
    message: string,
  ): void {
    this.#serving++;
    this.#answer(id, { is: 'refused', code, message, node: this.#deps.selfName });
    // A peer that asks on and on without reading an answer must not fill this node's memory with refusals.
    if (this.#outbox.crowded) {
      this.goodbye('BAD_FRAME', 'requests come without their answers being read');
    }
  }

  #failure(request: PeerRequest, error: unknown): PeerReply {
    const code = codeOf(error);
    const { selfName, log } = this.#deps;
    if (code === undefined) {
      log.write('error', `${what(request)}, asked by ${this.peer.name}, failed by a fault of ours`, { error });
      return {
        is: 'refused',
        code: 'PEER_UNREACHABLE',
        message: `internal error: ${messageOf(error)}`,
        node: selfName,
      };
    }
    const node = (error as { node?: unknown }).node;
    return { is: 'refused', code, message: messageOf(error), node: typeof node === 'string' ? node : selfName };
  }

  /** The caller waits no longer. What has not left is not sent; for what has, the peer is told. */
  #givenUp(id: number, place: number): void {
    if (this.#outbox.drop(place)) return;
    const cancel: Operation = { is: 'cancel', id };
    this.#push(cancel, operationBound(cancel));
  }

  #push(operation: Operation, boundBytes: number): number {
    if (!this.#flushSoon && !this.#blocked) {
      this.#flushSoon = true;
      this.#deps.clock.soon(() => {
        this.#flushSoon = false;
        this.#flush();
      });
    }
    return this.#outbox.push(operation, boundBytes);
  }

  #flush(): void {
    while (!this.#blocked && !this.#ended) {
      const { encoder, stamp } = this.#deps;
      const batch = this.#outbox.next();
      if (batch !== undefined) {
        const { operations, from, to, boundBytes, replies } = batch;
        this.#serving -= replies;
        this.#send(encoder.operations(stamp.now(), operations, from, to, boundBytes), to - from);
      } else if (this.#held.length === 0 || !this.#resume()) {
        return;
      }
    }
  }

  /** Goes on with requests that were held; false when none of them came to an answer at once. */
  #resume(): boolean {
    const held = this.#held;
    this.#held = [];
    for (const [at, { id, request, wait }] of held.entries()) {
      if (this.#outbox.full) {
        this.#held.push(...held.slice(at));
        break;
      }
      if (wait.over) continue;
      this.#asked.remove(id);
      this.#serve(id, request, wait);
      if (this.#ended) return false;
    }
    return !this.#outbox.empty;
  }

  #send(frame: Uint8Array, operations: number): void {
    this.#count.framesOut++;
    this.#count.bytesOut += frame.byteLength;
    this.#count.operationsOut += operations;
    this.#lastSentMs = this.#deps.clock.nowMs();
    if (!this.#stream.send(frame)) this.#blocked = true;
  }

  #end(end: LinkEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#outbox.clear();
    this.#held = [];
    this.#asked.end('the link to the asking node went down');
    this.#serving = 0;
    this.#calls.close(end.why);
    this.#onEnd(end);
  }

  /** Why a call is not sent at all. */
  #refusal(request: PeerRequest, wait: Wait, nowMs: number): DistcacheError | undefined {
    const { name } = this.peer;
    const { maxInflight } = this.#deps.limits;
    if (wait.signal?.aborted === true) return aborted(what(request), wait.signal.reason);
    if (wait.deadlineMs <= nowMs) {
      return new DistcacheError('TIMEOUT', `${what(request)}: no time was left to ask ${name}`, { node: name });
    }
    if (this.#calls.size >= roomFor(request, maxInflight) || this.#outbox.full) {
      this.#count.callsRefused++;
      const limit = this.#outbox.full ? `${formatSize(this.#outbox.bytes)} of requests` : `${maxInflight} calls`;
      const message = `${limit} wait for ${name} already, which is the limit; ask for less at a time, or later`;
      return new DistcacheError('OVERLOADED', message, { node: name });
    }
    if (request.do === 'get' && request.loading.length > loadingMax) {
      return new DistcacheError('INVALID_ARGUMENT', `${what(request)}: loaders nest more than ${loadingMax} deep`);
    }
    return undefined;
  }
}
