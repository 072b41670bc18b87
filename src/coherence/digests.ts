import { slotCount } from './slots.js';

/*
 * Do an owner and a replica hold the same? Each sums up its entries in one 32-bit number per slot, the exclusive or of a
 * mix of hash and version, so that the order of entries does not matter; the owner sends its numbers, 16 KiB, and learns
 * which slots differ. Equal digests of different entries are a matter of one in 2^32 a slot, and last half a minute.
 */

/** Of all digests on the wire. */
export const digestsBytes = slotCount * 4;

export class SlotDigests {
  readonly #digests = new Uint32Array(slotCount);
  /** Entries summed up. */
  size = 0;

  add(hash: number, version: number): void {
    this.size++;
    this.#digests[hash & (slotCount - 1)]! ^= mixed(hash, version);
  }

  at(slot: number): number {
    return this.#digests[slot]!;
  }

  /** Little-endian. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(digestsBytes);
    const view = new DataView(bytes.buffer);
    for (let slot = 0; slot < slotCount; slot++) view.setUint32(slot * 4, this.#digests[slot]!, true);
    return bytes;
  }
}

/** One bit per slot, the lowest first, set where a peer's digest is another one. */
export function differingSlots(own: SlotDigests, theirs: Uint8Array): Uint8Array {
  const view = new DataView(theirs.buffer, theirs.byteOffset, theirs.byteLength);
  const slots = new Uint8Array(slotCount / 8);
  for (let slot = 0; slot < slotCount; slot++) {
    if (view.getUint32(slot * 4, true) !== own.at(slot)) slots[slot >> 3]! |= 1 << (slot & 7);
  }
  return slots;
}

export const hasSlot = (slots: Uint8Array, slot: number): boolean =>
  ((slots[slot >> 3] ?? 0) & (1 << (slot & 7))) !== 0;

/** The finalizer of MurmurHash3 over the hash and both halves of the version. */
function mixed(hash: number, version: number): number {
  let mix = hash ^ Math.imul(version >>> 0, 0x9e3779b1) ^ Math.imul(Math.floor(version / 2 ** 32) >>> 0, 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}
