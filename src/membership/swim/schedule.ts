import { assert } from '../../base/assert.js';

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
  #heap: Slot<Due>[] = [];
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
    this.#push(slot);
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#byKey.size) this.#compact();
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
    this.#pop();
    this.#byKey.delete(top.key);
    return top.due;
  }

  /** For tests. */
  check(): void {
    const live = this.#heap.filter((slot) => this.#byKey.get(slot.key) === slot);
    assert(live.length === this.#byKey.size, `${live.length} in the heap, ${this.#byKey.size} by key`);
    for (const [at, slot] of this.#heap.entries()) {
      assert(at === 0 || !before(slot, this.#heap[(at - 1) >> 1]!), `heap order at ${at}`);
    }
  }

  #top(): Slot<Due> | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#byKey.get(top.key) === top) return top;
      this.#pop();
    }
    return undefined;
  }

  #push(slot: Slot<Due>): void {
    const heap = this.#heap;
    let at = heap.push(slot) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(slot, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = slot;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }

  #compact(): void {
    const live = this.#heap.filter((slot) => this.#byKey.get(slot.key) === slot);
    this.#heap = [];
    for (const slot of live) this.#push(slot);
  }
}
