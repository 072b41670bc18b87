/*
 * What a node remembers of writes: not one tombstone per key, which would grow, but a fixed table per keyspace. A key
 * falls into the slot `hash mod slotCount`. Four numbers per slot:
 *
 *   token  counts the writes and invalidations that arrived. A load or a fetch notes it at its start; if it has changed
 *          at the end, the value may be older than a write that was acknowledged meanwhile, so the waiters get it and
 *          nothing is stored (the fill guard).
 *   floor  the highest version of them. What arrives below it is older than a write that this node knows of.
 *   written  the highest version of the writes made here. What another node hands over unasked may be kept only where that
 *          node has heard of them: its floor may be higher by a third one's write.
 *   embargo  a time. Until then nothing fetched is stored and no flight joined: somebody else than the slot's owner, as
 *            this node sees it, wrote to it, so nodes disagree about the ring and an owner's answer may miss that write.
 *
 * Two keys that share a slot cost each other at most a fill, never a wrong answer.
 */

/** Enough up to some 5,000 writes per second and keyspace; 112 KiB. */
export const slotCount = 4096;

export class Slots {
  readonly #tokens = new Uint32Array(slotCount);
  readonly #floors = new Float64Array(slotCount);
  readonly #written = new Float64Array(slotCount);
  readonly #embargoUntilMs = new Float64Array(slotCount).fill(Number.NEGATIVE_INFINITY);
  /** Who did, where it was one node alone. */
  readonly #contesters = new Map<number, string>();
  /** Of all slots. */
  #allUntilMs = Number.NEGATIVE_INFINITY;

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

  /** As `touch`, of a write made here. */
  wrote(slot: number, version: number): void {
    this.touch(slot, version);
    if (version > this.#written[slot]!) this.#written[slot] = version;
  }

  /** Version of the latest write made here; 0: none. */
  written(slot: number): number {
    return this.#written[slot]!;
  }

  /** Another node acted as the owner. Lasts longer, never shorter than before. */
  embargo(slot: number, untilMs: number, by: string, nowMs: number): void {
    const isAlone = !this.isContested(slot, nowMs) || this.#contesters.get(slot) === by;
    if (isAlone) this.#contesters.set(slot, by);
    else this.#contesters.delete(slot);
    if (untilMs > this.#embargoUntilMs[slot]!) this.#embargoUntilMs[slot] = untilMs;
  }

  embargoAll(untilMs: number): void {
    if (untilMs > this.#allUntilMs) this.#allUntilMs = untilMs;
  }

  isEmbargoed(slot: number, nowMs: number): boolean {
    return nowMs < this.embargoedUntilMs(slot);
  }

  /** When the embargo ends or has ended; -Infinity: there was none. */
  embargoedUntilMs(slot: number): number {
    return Math.max(this.#allUntilMs, this.#embargoUntilMs[slot]!);
  }

  /** As `embargoedUntilMs`, where somebody else acted as the owner of this very slot. */
  contestedUntilMs(slot: number): number {
    return this.#embargoUntilMs[slot]!;
  }

  /** Somebody else acted as the owner of this very slot; with `butBy`, somebody else than that node too. */
  isContested(slot: number, nowMs: number, butBy?: string): boolean {
    if (nowMs >= this.#embargoUntilMs[slot]!) return false;
    return butBy === undefined || this.#contesters.get(slot) !== butBy;
  }

  /** Takes over what a peer knows of writes; of those above `highest` nothing. */
  raise(floors: Float64Array, highest = Number.POSITIVE_INFINITY): void {
    for (let slot = 0; slot < slotCount; slot++) {
      const floor = floors[slot]!;
      if (floor > this.#floors[slot]! && floor <= highest) this.#floors[slot] = floor;
    }
  }

  /** A write of this version to all keys was made here or heard of. */
  touchAll(version: number): void {
    for (let slot = 0; slot < slotCount; slot++) this.touch(slot, version);
  }

  /** All floors for a peer, 8 bytes a slot, little-endian doubles; no bytes where no write is known. */
  floors(): Uint8Array {
    if (this.#floors.every((floor) => floor === 0)) return new Uint8Array();
    const bytes = new Uint8Array(slotCount * 8);
    const view = new DataView(bytes.buffer);
    for (let slot = 0; slot < slotCount; slot++) view.setFloat64(slot * 8, this.#floors[slot]!, true);
    return bytes;
  }

  /** Nothing that is under way may be stored any more: writes may have been missed, or all entries go. */
  bumpAll(): void {
    for (let slot = 0; slot < slotCount; slot++) this.#tokens[slot]!++;
  }
}

/** A peer's floors, or undefined where the bytes are none. Floors beyond `highest` are not believed and count as none. */
export function readFloors(bytes: Uint8Array, highest: number): Float64Array | undefined {
  if (bytes.byteLength === 0) return new Float64Array(slotCount);
  if (bytes.byteLength !== slotCount * 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float64Array.from({ length: slotCount }, (_, slot) => {
    const floor = view.getFloat64(slot * 8, true);
    return floor > 0 && floor <= highest ? floor : 0;
  });
}
