import { assert } from '../../base/assert.js';
import { Heap } from '../../base/heap.js';

interface Slot<Due> {
  readonly key: string;
  readonly atMs: number;
  readonly sequence: number;
  readonly due: Due;
}

const before = <Due>(a: Slot<Due>, b: Slot<Due>): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);

/**
 * Things to do at a time, one for each key; a later `set` of the same key replaces the earlier. Bounded by its users: each
 * kind of key has its own limit. A heap in which what was replaced or cleared stays until it surfaces or makes up half.
 */
export class Schedule<Due> {
  readonly #heap = new Heap<Slot<Due>>(before);
  readonly #byKey = new Map<string, Slot<Due>>();
  #sequence = 0;

  get size(): number {
    return this.#byKey.size;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  set(key: string, atMs: number, due: Due): void {
    const slot: Slot<Due> = { key, atMs, sequence: this.#sequence++, due };
    this.#byKey.set(key, slot);
    this.#heap.push(slot);
    if (this.#heap.size > 64 && this.#heap.size > 2 * this.#byKey.size) this.#heap.keep((slot) => this.#isSet(slot));
  }

  clear(key: string): void {
    this.#byKey.delete(key);
  }

  /** The earliest time set, or undefined. */
  nextMs(): number | undefined {
    return this.#top()?.atMs;
  }

  /** Takes the earliest out when its time has come; equal times in the order they were set. */
  take(nowMs: number): Due | undefined {
    const top = this.#top();
    if (top === undefined || top.atMs > nowMs) return undefined;
    this.#heap.pop();
    this.#byKey.delete(top.key);
    return top.due;
  }

  /** For tests. */
  check(): void {
    const live = this.#heap.values().filter((slot) => this.#isSet(slot));
    assert(live.length === this.#byKey.size, `${live.length} in the heap, ${this.#byKey.size} by key`);
  }

  #isSet(slot: Slot<Due>): boolean {
    return this.#byKey.get(slot.key) === slot;
  }

  #top(): Slot<Due> | undefined {
    for (let top = this.#heap.top(); top !== undefined; top = this.#heap.top()) {
      if (this.#isSet(top)) return top;
      this.#heap.pop();
    }
    return undefined;
  }
}
