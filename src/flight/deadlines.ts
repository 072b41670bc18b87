import { assert } from '../base/assert.js';
import type { Cancel, Clock } from '../ports/clock.js';

/** What waits for its time; belongs to one `Deadlines`. */
export interface Due {
  /** Monotonic; Infinity never comes. */
  readonly deadlineMs: number;
  /** Set by `Deadlines.drop`: it does not come up any more. */
  dropped: boolean;
}

/** Dropped ones that may lie about before they are swept out, beside as many as are still waited for. */
const droppedMax = 64;

/**
 * Any number of deadlines on one timer, met as exactly as the clock's own timers are. A timer each would cost more than
 * all else that a waiter does, and nearly every one would be cancelled.
 *
 * A binary heap. Deadlines mostly come in their order, so that adding one is a single comparison. Dropping one only marks
 * it; when the marked outnumber the others, the heap is rebuilt without them, so it holds at most twice what it needs.
 */
export class Deadlines<D extends Due> {
  readonly #clock: Clock;
  readonly #onDue: (item: D) => void;
  #heap: D[] = [];
  #live = 0;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #cancelTimer: Cancel | undefined;

  /** `onDue` is told of each item whose time has come, once, after it was dropped. */
  constructor(clock: Clock, onDue: (item: D) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  add(item: D): void {
    if (item.deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#live++;
    this.#heap.push(item);
    this.#rise(this.#heap.length - 1);
    if (item.deadlineMs < this.#timerAtMs) this.#arm(item.deadlineMs);
  }

  /** Idempotent. With the last one the timer goes too, so nothing keeps the process alive that nobody waits for. */
  drop(item: D): void {
    if (item.dropped) return;
    item.dropped = true;
    if (item.deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#live--;
    if (this.#live === 0) {
      this.#heap = [];
      this.#disarm();
    } else if (this.#heap.length - this.#live > Math.max(droppedMax, this.#live)) {
      this.#sweep();
    }
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
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (!first.dropped && first.deadlineMs > nowMs) {
        this.#arm(first.deadlineMs);
        return;
      }
      this.#removeFirst();
      if (first.dropped) continue;
      first.dropped = true;
      this.#live--;
      this.#onDue(first);
    }
    assert(this.#live === 0, `${this.#live} deadlines are not in the heap`);
  }

  #sweep(): void {
    const left = this.#heap.filter((item) => !item.dropped);
    this.#heap = left.sort((a, b) => a.deadlineMs - b.deadlineMs);
  }

  #removeFirst(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(from: number): void {
    const heap = this.#heap;
    const item = heap[from]!;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (heap[above]!.deadlineMs <= item.deadlineMs) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = item;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const item = heap[from]!;
    let at = from;
    for (let below = 2 * at + 1; below < heap.length; below = 2 * at + 1) {
      if (below + 1 < heap.length && heap[below + 1]!.deadlineMs < heap[below]!.deadlineMs) below++;
      if (heap[below]!.deadlineMs >= item.deadlineMs) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = item;
  }
}
