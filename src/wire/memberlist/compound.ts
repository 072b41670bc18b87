import { assert } from '../../base/assert.js';
import { type Drop, dropOf, GossipFault } from './fault.js';
import { compoundPartBytesMax, compoundPartsMax } from './limits.js';
import { messageType } from './structs.js';

/** The type byte and the count. */
export const compoundHeaderBytes = 2;
/** The length of each part, in the table behind the header. */
export const compoundPartHeaderBytes = 2;

/**
 * Packs messages into as few packet bodies as their counts and lengths allow, in order: a message alone or too long for
 * a compound stands bare. Nobody may send an empty part, old peers crash on it.
 */
export function joinParts(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const bodies: Uint8Array[] = [];
  let waiting: Uint8Array[] = [];
  const flush = (): void => {
    if (waiting.length === 1) bodies.push(waiting[0]!);
    else if (waiting.length > 1) bodies.push(compoundOf(waiting));
    waiting = [];
  };
  for (const part of parts) {
    assert(part.length > 0, 'an empty message is never sent');
    if (part.length > compoundPartBytesMax) {
      flush();
      bodies.push(part);
      continue;
    }
    waiting.push(part);
    if (waiting.length === compoundPartsMax) flush();
  }
  flush();
  return bodies;
}

function compoundOf(parts: readonly Uint8Array[]): Uint8Array {
  const header = Buffer.alloc(compoundHeaderBytes + compoundPartHeaderBytes * parts.length);
  header[0] = messageType.compound;
  header[1] = parts.length;
  for (const [i, part] of parts.entries()) {
    header.writeUInt16BE(part.length, compoundHeaderBytes + compoundPartHeaderBytes * i);
  }
  return Buffer.concat([header, ...parts]);
}

export interface SplitCompound {
  readonly parts: readonly Uint8Array[];
  /** Why parts at the end are missing. */
  readonly drop: Drop | undefined;
}

/**
 * The parts of a compound, as views. With an incomplete table of lengths there are none; with a body that ends early the
 * complete parts at its start are there.
 * @param bytes the compound, its type byte first
 */
export function splitCompound(bytes: Uint8Array): SplitCompound {
  const count = bytes[1];
  if (count === undefined) return { parts: [], drop: cut('a compound without a count') };
  let at = compoundHeaderBytes + compoundPartHeaderBytes * count;
  if (at > bytes.length) return { parts: [], drop: cut(`a compound ends within the lengths of its ${count} parts`) };
  const lengths = new DataView(bytes.buffer, bytes.byteOffset + compoundHeaderBytes);
  const parts: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const length = lengths.getUint16(compoundPartHeaderBytes * i);
    if (at + length > bytes.length) return { parts, drop: cut(`a compound of ${count} parts ends within part ${i}`) };
    parts.push(bytes.subarray(at, at + length));
    at += length;
  }
  return { parts, drop: undefined };
}

const cut = (detail: string): Drop => dropOf(new GossipFault('truncated', detail));
