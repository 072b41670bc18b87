import { aborted, DistcacheError } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';
import { formatDuration } from '../base/units.js';
import type { Cancel, Clock } from '../ports/clock.js';
import type { RateLimitStatus } from '../ports/source-status.js';
import { type Bucket, fullBucket, type RateLimits, refilled, taken, tokensInMs } from './bucket.js';

interface Waiter {
  /** It is refused then, where it has no token yet. */
  readonly untilMs: number;
  readonly signal: StopSignal;
  onAbort(): void;
  pass(): void;
  refuse(error: DistcacheError): void;
}

/**
 * Hands out a bucket's tokens in the order in which they are asked for. Whoever finds none waits for up to `waitMs`, or is
 * refused at once where even that will not do: all who wait ahead are counted. One timer, for the first in the queue.
 */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #keyspace: string;
  readonly #queue = new Set<Waiter>();
  #queueMax: number;
  #limits: RateLimits | undefined;
  #bucket: Bucket;
  #cancelTimer: Cancel | undefined;

  /** @param queueMax loads that may wait at once, whatever their time allows */
  constructor(clock: Clock, keyspace: string, limits: RateLimits | undefined, queueMax: number) {
    this.#clock = clock;
    this.#keyspace = keyspace;
    this.#limits = limits;
    this.#queueMax = queueMax;
    this.#bucket = limits === undefined ? { tokens: 0, atMs: 0 } : fullBucket(limits, clock.nowMs());
  }

  /**
   * Takes a token: undefined where there is one, else a promise that resolves with it. Throws or rejects with
   * DATA_SOURCE_RATE_LIMITED where none is to be had in time, and with ABORTED where `signal` ends the wait.
   */
  take(signal: StopSignal): Promise<void> | undefined {
    const limits = this.#limits;
    if (limits === undefined) return undefined;
    const nowMs = this.#clock.nowMs();
    if (this.#queue.size === 0) {
      const left = taken(this.#bucket, limits, nowMs);
      if (left !== undefined) {
        this.#bucket = left;
        return undefined;
      }
    }
    const neededMs = tokensInMs(this.#bucket, this.#queue.size + 1, limits, nowMs);
    if (neededMs > limits.waitMs || this.#queue.size >= this.#queueMax) throw this.#refusal(limits);
    if (signal.aborted) throw aborted(`a load of keyspace '${this.#keyspace}'`, signal.reason);
    return this.#wait(signal, nowMs + limits.waitMs);
  }

  /** All who wait are refused. */
  refuseAll(error: DistcacheError): void {
    for (const waiter of [...this.#queue]) {
      this.#leave(waiter);
      waiter.refuse(error);
    }
    this.#serve();
  }

  /** In force at once: the bucket keeps what it holds, up to the new burst. Without limits all who wait pass. */
  retune(limits: RateLimits | undefined, queueMax: number): void {
    const nowMs = this.#clock.nowMs();
    const before = this.#limits;
    this.#queueMax = queueMax;
    this.#limits = limits;
    if (limits !== undefined) {
      this.#bucket =
        before === undefined
          ? fullBucket(limits, nowMs)
          : refilled(refilled(this.#bucket, before, nowMs), limits, nowMs);
    }
    this.#serve();
  }

  status(): RateLimitStatus | undefined {
    if (this.#limits === undefined) return undefined;
    const { perSecond, burst, waitMs } = this.#limits;
    const nowMs = this.#clock.nowMs();
    return Object.freeze({
      tokens: refilled(this.#bucket, this.#limits, nowMs).tokens,
      perSecond,
      burst,
      waitMs,
      waiting: this.#queue.size,
      nextTokenInMs: tokensInMs(this.#bucket, this.#queue.size + 1, this.#limits, nowMs),
    });
  }

  #wait(signal: StopSignal, untilMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        untilMs,
        signal,
        onAbort: () => {
          this.#leave(waiter);
          reject(aborted(`a load of keyspace '${this.#keyspace}'`, signal.reason));
          this.#serve();
        },
        pass: resolve,
        refuse: reject,
      };
      this.#queue.add(waiter);
      signal.addEventListener('abort', waiter.onAbort, { once: true });
      if (this.#cancelTimer === undefined) this.#serve();
    });
  }

  #leave(waiter: Waiter): void {
    this.#queue.delete(waiter);
    waiter.signal.removeEventListener('abort', waiter.onAbort);
  }

  /** Serves whom it can, and comes back when the first of the others has its token or has waited for too long. */
  #serve(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const nowMs = this.#clock.nowMs();
    for (const waiter of this.#queue) {
      const limits = this.#limits;
      const left = limits && taken(this.#bucket, limits, nowMs);
      if (limits !== undefined && left === undefined && nowMs < waiter.untilMs) {
        const delayMs = Math.min(tokensInMs(this.#bucket, 1, limits, nowMs), waiter.untilMs - nowMs);
        this.#cancelTimer = this.#clock.after(delayMs, () => this.#serve());
        return;
      }
      this.#leave(waiter);
      if (limits !== undefined && left === undefined) {
        waiter.refuse(this.#refusal(limits));
        continue;
      }
      if (left !== undefined) this.#bucket = left;
      waiter.pass();
    }
  }

  #refusal(limits: RateLimits): DistcacheError {
    const inMs = tokensInMs(this.#bucket, this.#queue.size + 1, limits, this.#clock.nowMs());
    const rate = Number(limits.perSecond.toPrecision(3));
    return new DistcacheError(
      'DATA_SOURCE_RATE_LIMITED',
      `the data source of keyspace '${this.#keyspace}' may be asked ${rate} times a second (burst ${limits.burst}), and ` +
        `all of that is used; the next load may start in ${formatDuration(Math.ceil(inMs))}`,
    );
  }
}
