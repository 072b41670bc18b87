import { aborted, DistcacheError } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';
import type { Cancel, Clock, Wait } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerReply, PeerRequest } from '../ports/peers.js';
import { IdTable } from './id-table.js';

/*
 * The calls of one link that wait for their answers. There is no timer per call: one timer stands at the earliest
 * deadline, and when it goes off, all calls are looked through once. As most calls are answered long before their
 * deadline, it goes off about once per time-out, not once per call.
 */

/** Deadlines are met within this much. */
const deadlineStepMs = 10;

export type Answer = Exclude<PeerReply, { is: 'refused' }>;

interface Call {
  readonly request: PeerRequest;
  readonly startedMs: number;
  readonly deadlineMs: number;
  /** Where its operation stands in the outbox, or stood. */
  readonly place: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly signal: StopSignal | undefined;
  onAbort: (() => void) | undefined;
}

export class CallTable {
  readonly #clock: Clock;
  readonly #peer: NodeInfo;
  readonly #onGivenUp: (id: number, place: number) => void;
  readonly #calls: IdTable<Call>;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #cancelTimer: Cancel | undefined;

  /** `onGivenUp`: a caller no longer waits, by its deadline or its signal. */
  constructor(clock: Clock, peer: NodeInfo, onGivenUp: (id: number, place: number) => void, firstId = 1) {
    this.#clock = clock;
    this.#peer = peer;
    this.#onGivenUp = onGivenUp;
    this.#calls = new IdTable(firstId);
  }

  get size(): number {
    return this.#calls.size;
  }

  /** An id in [1, 2^32) that no waiting call bears. */
  nextId(): number {
    return this.#calls.nextId();
  }

  wait(id: number, place: number, request: PeerRequest, startedMs: number, wait: Wait): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { deadlineMs, signal } = wait;
      const call: Call = { request, startedMs, deadlineMs, place, resolve, reject, signal, onAbort: undefined };
      if (signal !== undefined) {
        call.onAbort = () => this.#giveUp(id, call, aborted(what(request), signal.reason));
        signal.addEventListener('abort', call.onAbort, { once: true });
      }
      this.#calls.set(id, call);
      this.#wakeBy(deadlineMs);
    });
  }

  /**
   * Ends the call with its answer; `undefined` stands for one that cannot be believed or understood. False when nobody
   * waits for it (any more).
   */
  settle(id: number, reply: PeerReply | undefined): boolean {
    const call = this.#calls.get(id);
    if (call === undefined) return false;
    this.#forget(id, call);
    if (reply === undefined) {
      call.reject(unreachable(this.#peer, 'gave an answer that this node cannot take'));
    } else if (reply.is === 'refused') {
      const node = reply.node === '' ? this.#peer.name : reply.node;
      call.reject(new DistcacheError(reply.code, reply.message, { node }));
    } else {
      call.resolve(reply);
    }
    return true;
  }

  /** The link is down: every call fails, though it may have been carried out. */
  close(why: string): void {
    this.#cancelTimer?.();
    this.#timerAtMs = Number.NEGATIVE_INFINITY;
    for (const [id, call] of this.#calls.entries()) {
      this.#forget(id, call);
      call.reject(unreachable(this.#peer, `went down (${why}); ${what(call.request)} may have been carried out`));
    }
  }

  #forget(id: number, call: Call): void {
    this.#calls.delete(id);
    if (call.onAbort !== undefined) call.signal?.removeEventListener('abort', call.onAbort);
  }

  /** Fails the calls that somebody waits for: the peer gives no sign of life. What is told it stays on its way. */
  abandon(): void {
    for (const [id, call] of [...this.#calls.entries()]) {
      if (!waitedFor.has(call.request.do)) continue;
      this.#giveUp(id, call, unreachable(this.#peer, 'gives no sign of life'));
    }
  }

  #giveUp(id: number, call: Call, error: Error): void {
    this.#forget(id, call);
    this.#onGivenUp(id, call.place);
    call.reject(error);
  }

  #wakeBy(deadlineMs: number): void {
    if (deadlineMs >= this.#timerAtMs || deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer?.();
    this.#timerAtMs = Math.ceil(deadlineMs / deadlineStepMs) * deadlineStepMs;
    this.#cancelTimer = this.#clock.after(this.#timerAtMs - this.#clock.nowMs(), () => this.#expire());
  }

  #expire(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [id, call] of this.#calls.entries()) {
      if (call.deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, call.deadlineMs);
      } else {
        const waited = `${Math.round(nowMs - call.startedMs)} ms`;
        const message = `${what(call.request)}: ${this.#peer.name} did not answer within ${waited}`;
        this.#giveUp(id, call, new DistcacheError('TIMEOUT', message, { node: this.#peer.name }));
      }
    }
    this.#wakeBy(nextMs);
  }
}

/**
 * What keeps two nodes in step. It has room of its own: refused, as the calls of users fill theirs, it would be said anew
 * with each renewal, and the lease that makes reads cheap again would never come.
 */
const inStep: ReadonlySet<PeerRequest['do']> = new Set(['renew', 'synced', 'vouch', 'floors', 'keyspace']);
/** One for each keyspace, one for each change of one, and some. */
const inStepMax = 10_000;

export const keepsInStep = (request: PeerRequest): boolean => inStep.has(request.do);

/** How many calls of one link may be under way for this one still to be begun. */
export const roomFor = (request: PeerRequest, maxInflight: number): number =>
  keepsInStep(request) ? maxInflight + inStepMax : maxInflight;

/** Calls that another node, or the data source, can answer in the peer's stead. */
const waitedFor: ReadonlySet<PeerRequest['do']> = new Set(['get', 'recall', 'put', 'delete']);

export const what = (request: PeerRequest): string => {
  if ('key' in request) return `${request.do} ${request.keyspace}/${request.key}`;
  return 'keyspace' in request ? `${request.do} ${request.keyspace}` : request.do;
};

export const unreachable = ({ name, address }: NodeInfo, how: string): DistcacheError =>
  new DistcacheError('PEER_UNREACHABLE', `the link to ${name} (${address}) ${how}`, { node: name });
