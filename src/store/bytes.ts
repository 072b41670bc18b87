import { noTags } from '../base/tags.js';

/** Bytes of entries: what they cost, and copies of them. */

/** V8 keeps arrays up to this length in its own heap, within the array; larger ones get a buffer outside of it. */
const inHeapMax = 64;
/** From here on, leaving out the zeroing of memory that is overwritten at once pays for the second object it takes. */
const unzeroedMin = 16_384;

/**
 * What an entry costs beside key and value: the entry, three boxed numbers, the value's array and its buffer object, the
 * string's head, its places in the map and in the lists of lru-cache, and their slack. Measured on Node 24 as the growth of
 * `heapUsed + external` after full collections, with real stores of 100,000 to 270,000 entries of 16-byte keys, values of
 * 0 to 1,000 bytes, finite lives: 435 to 465 bytes, the most just after the map has doubled. Resident memory is more than
 * all this together, by what the collector keeps free.
 */
export const entryOverheadBytes = 480;

/**
 * What a value outside of V8's heap costs beside its bytes: the allocator's and V8's records of it. Measured as growth of
 * resident memory without V8's heap over 300,000 arrays of 65, 100 and 1,000 bytes: about 200 each.
 */
export const outsideOverheadBytes = 200;

/**
 * An upper bound of what a key's text takes, UTF-8 or as V8 holds it: one byte per character where all are ASCII, else
 * two per UTF-16 unit or the UTF-8, whichever is more.
 */
export function keyBytes(key: string): number {
  const utf8Bytes = Buffer.byteLength(key);
  return utf8Bytes === key.length ? utf8Bytes : Math.max(utf8Bytes, 2 * key.length);
}

/**
 * What a tag of an entry costs beside its text, where no other entry bears it: its place in a map, a set of one, and the
 * entry's list. Measured as growth of `heapUsed` over 100,000 entries with a tag of their own each.
 */
export const tagOverheadBytes = 280;

/** What the tags of an entry cost. */
export function tagsBytes(tags: readonly string[]): number {
  let bytes = 0;
  for (const tag of tags) bytes += keyBytes(tag) + tagOverheadBytes;
  return bytes;
}

/** What an entry is accounted with; `valueBytes` is 0 for a remembered absence. */
export function entryBytes(key: string, valueBytes: number, tags: readonly string[] = noTags): number {
  return (
    keyBytes(key) +
    valueBytes +
    tagsBytes(tags) +
    (valueBytes > inHeapMax ? entryOverheadBytes + outsideOverheadBytes : entryOverheadBytes)
  );
}

/** A private copy to keep: exactly as long as the view, never a piece of a larger buffer that it would keep alive. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  const length = bytes.byteLength;
  const copy = length < unzeroedMin ? new Uint8Array(length) : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  copy.set(bytes);
  return copy;
}

/**
 * A copy to give away, from Node's pool where it is small (100 bytes: 60 ns, against 340 ns with a buffer of its own). The
 * bytes in view are the caller's own to change; the pool's `.buffer` around them is shared, as with any `Buffer.from`,
 * which does the same in 75 ns.
 */
export function copyOut(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafe(bytes.byteLength);
  copy.set(bytes);
  return copy;
}
