import type { Cancel, Clock } from '../ports/clock.js';

/** What waits for its time; belongs to one `Deadlines`. */
export interface Due {
  /** Monotonic; Infinity never comes. */
  readonly deadlineMs: number;
}

/** Deadlines this close together are kept together. */
const bucketMs = 64;

/**
 * Any number of deadlines on one timer, met as exactly as the clock's own timers are. A timer each would cost more than
 * all else that a waiter does, and nearly every one would be cancelled.
 *
 * Deadlines that fall into the same 64 ms share a bucket, so adding and dropping one takes two hash lookups, and nothing
 * of what was dropped stays behind for the garbage collector to carry about. When the timer goes off, the buckets' keys
 * and the entries of the first bucket are looked through.
 */
export class Deadlines<D extends Due> {
  readonly #clock: Clock;
  readonly #onDue: (item: D) => void;
  /** By `floor(deadlineMs / bucketMs)`; none is empty. */
  readonly #buckets = new Map<number, Set<D>>();
  #timerAtMs = Number.POSITIVE_INFINITY;
  #cancelTimer: Cancel | undefined;

  /** `onDue` is told of each item whose time has come, once, after it was dropped. */
  constructor(clock: Clock, onDue: (item: D) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  add(item: D): void {
    const { deadlineMs } = item;
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const key = bucketOf(item);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, new Set([item]));
    else bucket.add(item);
    if (deadlineMs < this.#timerAtMs) this.#arm(deadlineMs);
  }

  /** Idempotent. With the last one the timer goes too, so nothing keeps the process alive that nobody waits for. */
  drop(item: D): void {
    const key = bucketOf(item);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return;
    bucket.delete(item);
    if (bucket.size > 0) return;
    this.#buckets.delete(key);
    if (this.#buckets.size === 0) this.#disarm();
  }

  #arm(atMs: number): void {
    this.#cancelTimer?.();
    this.#timerAtMs = atMs;
    this.#cancelTimer = this.#clock.after(atMs - this.#clock.nowMs(), () => this.#ring());
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  #ring(): void {
    this.#disarm();
    const nowMs = this.#clock.nowMs();
    for (;;) {
      const bucket = this.#firstBucket();
      if (bucket === undefined) return;
      const sorted = [...bucket].sort((a, b) => a.deadlineMs - b.deadlineMs);
      for (const item of sorted) {
        // What came up before it may have dropped it, or added others.
        if (!bucket.has(item)) continue;
        if (item.deadlineMs > nowMs) {
          if (item.deadlineMs < this.#timerAtMs) this.#arm(item.deadlineMs);
          return;
        }
        this.drop(item);
        this.#onDue(item);
      }
    }
  }

  #firstBucket(): Set<D> | undefined {
    let first = Number.POSITIVE_INFINITY;
    for (const key of this.#buckets.keys()) if (key < first) first = key;
    return this.#buckets.get(first);
  }
}

const bucketOf = ({ deadlineMs }: Due): number => Math.floor(deadlineMs / bucketMs);
