/*
 * What a node remembers of writes: not one tombstone per key, which would grow, but a fixed table per keyspace. A key
 * falls into the slot `hash mod slotCount`. Two numbers per slot:
 *
 *   token  counts the writes and invalidations that arrived. A load or a fetch notes it at its start; if it has changed
 *          at the end, the value may be older than a write that was acknowledged meanwhile, so the waiters get it and
 *          nothing is stored (the fill guard).
 *   floor  the highest version of them. What arrives below it is older than a write that this node knows of.
 *
 * Two keys that share a slot cost each other at most a fill, never a wrong answer.
 */

/** Enough up to some 5,000 writes per second and keyspace; 48 KiB. */
export const slotCount = 4096;

export class Slots {
  readonly #tokens = new Uint32Array(slotCount);
  readonly #floors = new Float64Array(slotCount);

  /** The slot of a key's 32-bit hash. */
  slotOf(hash: number): number {
    return hash & (slotCount - 1);
  }

  token(slot: number): number {
    return this.#tokens[slot]!;
  }

  floor(slot: number): number {
    return this.#floors[slot]!;
  }

  /** A write of this version was made here or heard of. */
  touch(slot: number, version: number): void {
    this.#tokens[slot]!++;
    if (version > this.#floors[slot]!) this.#floors[slot] = version;
  }

  /** Nothing that is under way may be stored any more: writes may have been missed, or all entries go. */
  bumpAll(): void {
    for (let slot = 0; slot < slotCount; slot++) this.#tokens[slot]!++;
  }
}
