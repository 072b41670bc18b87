import { assert } from '../base/assert.js';

export interface Counter {
  key: string;
  count: number;
  /** Of the count, what it took over from the key before. */
  error: number;
  /** Its place in the heap. */
  at: number;
}

/** Counters with the least count on top: a binary heap that knows where each of them is. */
export class CounterHeap {
  readonly #items: Counter[] = [];

  get size(): number {
    return this.#items.length;
  }

  least(): Counter {
    const [first] = this.#items;
    assert(first !== undefined, 'the heap is empty');
    return first;
  }

  add(counter: Counter): void {
    counter.at = this.#items.length;
    this.#items.push(counter);
    let { at } = counter;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#items[above]!.count <= counter.count) break;
      this.#swap(at, above);
      at = above;
    }
  }

  /** Its count has become greater. */
  grown(counter: Counter): void {
    const items = this.#items;
    for (let { at } = counter; ; ) {
      const left = 2 * at + 1;
      if (left >= items.length) return;
      const right = left + 1;
      const lesser = right < items.length && items[right]!.count < items[left]!.count ? right : left;
      if (items[lesser]!.count >= counter.count) return;
      this.#swap(at, lesser);
      at = lesser;
    }
  }

  check(): void {
    for (const [at, counter] of this.#items.entries()) {
      assert(counter.at === at, `${counter.key} believes to be at ${counter.at}, is at ${at}`);
      assert(
        at === 0 || this.#items[(at - 1) >> 1]!.count <= counter.count,
        `${counter.key} is less than what it hangs on`,
      );
    }
  }

  #swap(a: number, b: number): void {
    const items = this.#items;
    const first = items[a]!;
    const second = items[b]!;
    items[a] = second;
    items[b] = first;
    second.at = a;
    first.at = b;
  }
}
