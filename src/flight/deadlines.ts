import type { Cancel, Clock } from '../ports/clock.js';

/** What waits for its time. Belongs to one `Deadlines` and to one bucket in it, and has its links within. */
export interface Due<D> {
  /** Monotonic; Infinity never comes. */
  readonly deadlineMs: number;
  bucket: Bucket<D> | undefined;
  earlier: D | undefined;
  later: D | undefined;
}

interface Bucket<D> {
  readonly key: number;
  last: D | undefined;
}

/** Deadlines this close together are kept together. */
const bucketMs = 64;

/**
 * Any number of deadlines on one timer, met as exactly as the clock's own timers are. A timer each would cost more than
 * all else that a waiter does, and nearly every one would be cancelled.
 *
 * Deadlines that fall into the same 64 ms share a bucket, a list linked through its members: adding takes one hash lookup,
 * dropping none, and what was dropped holds on to nothing that the garbage collector would have to carry about. When the
 * timer goes off, the buckets' keys and the first bucket are looked through.
 */
export class Deadlines<D extends Due<D>> {
  readonly #clock: Clock;
  readonly #onDue: (item: D) => void;
  /** By `floor(deadlineMs / bucketMs)`; none is empty. */
  readonly #buckets = new Map<number, Bucket<D>>();
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
    const key = Math.floor(deadlineMs / bucketMs);
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = { key, last: undefined };
      this.#buckets.set(key, bucket);
    }
    item.bucket = bucket;
    item.earlier = bucket.last;
    if (bucket.last !== undefined) bucket.last.later = item;
    bucket.last = item;
    if (deadlineMs < this.#timerAtMs) this.#arm(deadlineMs);
  }

  /** Idempotent. With the last one the timer goes too, so nothing keeps the process alive that nobody waits for. */
  drop(item: D): void {
    const { bucket, earlier, later } = item;
    if (bucket === undefined) return;
    if (earlier !== undefined) earlier.later = later;
    if (later === undefined) bucket.last = earlier;
    else later.earlier = earlier;
    item.bucket = undefined;
    item.earlier = undefined;
    item.later = undefined;
    if (bucket.last !== undefined) return;
    this.#buckets.delete(bucket.key);
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
      for (const item of byTime(bucket)) {
        // What came up before it may have dropped it, or added others.
        if (item.bucket !== bucket) continue;
        if (item.deadlineMs > nowMs) {
          if (item.deadlineMs < this.#timerAtMs) this.#arm(item.deadlineMs);
          return;
        }
        this.drop(item);
        this.#onDue(item);
      }
    }
  }

  #firstBucket(): Bucket<D> | undefined {
    let first = Number.POSITIVE_INFINITY;
    for (const key of this.#buckets.keys()) if (key < first) first = key;
    return this.#buckets.get(first);
  }
}

function byTime<D extends Due<D>>(bucket: Bucket<D>): D[] {
  const items: D[] = [];
  for (let item = bucket.last; item !== undefined; item = item.earlier) items.push(item);
  return items.reverse().sort((a, b) => a.deadlineMs - b.deadlineMs);
}
