import { assert } from '../base/assert.js';

const capacityAtFirst = 64;

/**
 * Values by ids that this table gives out itself, in order: an array in which an id's place are its lower bits. It grows
 * with the most that were ever held at a time.
 *
 * A Map would do but for what it leaves behind. Entries that pass through it make it rehash over and over; each table
 * that it gives up refers to the next one and to all it held. Once one of them has grown old, the collector of young
 * objects takes all that follow for alive, values and promises with them, until the next full collection: at 64 calls at a
 * time a quarter of all memory allocated was copied and kept for nothing.
 */
export class IdTable<T> {
  #ids = new Uint32Array(capacityAtFirst);
  #values = new Array<T | undefined>(capacityAtFirst).fill(undefined);
  #lastId: number;
  #size = 0;

  constructor(firstId = 1) {
    this.#lastId = firstId - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** An id in [1, 2^32) whose place is free. */
  nextId(): number {
    // A place in two is free, so the search is short.
    if (2 * this.#size >= this.#ids.length) this.#grow();
    do {
      this.#lastId = (this.#lastId % 0xffff_ffff) + 1;
    } while (this.#values[this.#placeOf(this.#lastId)] !== undefined);
    return this.#lastId;
  }

  /** `id` is one that `nextId` gave since the last `set`. */
  set(id: number, value: T): void {
    const place = this.#placeOf(id);
    assert(this.#values[place] === undefined, `id ${id} is set while its place is taken`);
    this.#ids[place] = id;
    this.#values[place] = value;
    this.#size++;
  }

  get(id: number): T | undefined {
    const place = this.#placeOf(id);
    return this.#ids[place] === id ? this.#values[place] : undefined;
  }

  delete(id: number): boolean {
    const place = this.#placeOf(id);
    if (this.#ids[place] !== id || this.#values[place] === undefined) return false;
    this.#values[place] = undefined;
    this.#size--;
    return true;
  }

  /** As they stand now, in no order that means anything; what is deleted meanwhile is still among them. */
  entries(): readonly (readonly [number, T])[] {
    const entries: (readonly [number, T])[] = [];
    for (const [place, value] of this.#values.entries()) {
      if (value !== undefined) entries.push([this.#ids[place]!, value]);
    }
    return entries;
  }

  #placeOf(id: number): number {
    return id & (this.#ids.length - 1);
  }

  #grow(): void {
    const entries = this.entries();
    const capacity = 2 * this.#ids.length;
    this.#ids = new Uint32Array(capacity);
    this.#values = new Array<T | undefined>(capacity).fill(undefined);
    // Ids that differ in their lower bits differ in one bit more too.
    for (const [id, value] of entries) {
      this.#ids[this.#placeOf(id)] = id;
      this.#values[this.#placeOf(id)] = value;
    }
  }
}
