import { isErrorCode } from '../base/errors.js';
import { tagFault, tagsMax } from '../base/tags.js';
import type { PeerReply } from '../ports/peers.js';
import { readHotKeys } from './hot-keys.js';
import { delimitedTag, doubleTag, field, none, outcomes, unreachedMax, varintTag } from './operations.js';
import { MalformedError, type Reader } from './reader.js';

export const notNegative = (value: number, what: string): number => {
  if (value < 0) throw new MalformedError(`${what} is negative`);
  return value;
};

export const finite = (value: number, what: string): number => {
  if (!Number.isFinite(value)) throw new MalformedError(`${what} is not finite`);
  return notNegative(value, what);
};

export const noBytes = new Uint8Array(0);

/** The body of an answer; undefined: none that is known here. */
export function readReply(reader: Reader, number: number): PeerReply | undefined {
  switch (number) {
    case field.value:
      return readValue(reader);
    case field.absent:
      return readAbsent(reader);
    case field.written:
      return readWritten(reader);
    case field.applied:
      return { is: 'applied' };
    case field.notOwner:
      return { is: 'not-owner', owner: readOwner(reader) };
    case field.refused:
      return readRefused(reader);
    case field.lease:
      return readLease(reader);
    case field.nothing:
      return { is: 'nothing' };
    case field.checked:
      return { is: 'checked', current: readCurrent(reader) };
    case field.differ:
      return { is: 'differ', slots: readSlots(reader) };
    case field.recorded:
      return readRecorded(reader);
    case field.toldHotKeys:
      return { is: 'hot-keys', keys: readHotKeys(reader) };
    default:
      return undefined;
  }
}

/** One more tag of an entry. */
export function readTag(reader: Reader, tags: readonly string[] = none): readonly string[] {
  const tag = reader.string();
  const fault = tags.length >= tagsMax ? `are more than ${tagsMax}` : tagFault(tag);
  if (fault !== undefined) throw new MalformedError(`tags ${fault}`);
  return [...tags, tag];
}

function readRecorded(reader: Reader): PeerReply {
  let changed = false;
  let removed = 0;
  let newer = 0;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === varintTag(1)) changed = reader.bool();
    else if (tag === doubleTag(2)) removed = finite(reader.double(), 'removed');
    else if (tag === doubleTag(3)) newer = finite(reader.double(), 'newer');
    else reader.skip(tag & 7);
  }
  return { is: 'recorded', changed, removed, newer };
}

function readLease(reader: Reader): PeerReply {
  let sent = 0;
  let ownsMs = 0;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === doubleTag(1)) sent = finite(reader.double(), 'sent');
    else if (tag === doubleTag(2)) ownsMs = finite(reader.double(), 'owns_ms');
    else reader.skip(tag & 7);
  }
  return { is: 'lease', sent, ownsMs };
}

function readCurrent(reader: Reader): boolean {
  let current = false;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === varintTag(1)) current = reader.bool();
    else reader.skip(tag & 7);
  }
  return current;
}

function readOwner(reader: Reader): string {
  let owner = '';
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === delimitedTag(1)) owner = reader.string();
    else reader.skip(tag & 7);
  }
  return owner;
}

function readSlots(reader: Reader): Uint8Array {
  let slots: Uint8Array = noBytes;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === delimitedTag(1)) slots = reader.bytes();
    else reader.skip(tag & 7);
  }
  return slots;
}

function readValue(reader: Reader): PeerReply {
  let value: Uint8Array = noBytes;
  let version = 0;
  let lifeMs = Number.POSITIVE_INFINITY;
  let outcome = 0;
  let wasPut = false;
  let sourceVersion: number | undefined;
  let floor = 0;
  let staleMs = 0;
  let generation = 0;
  let tags: readonly string[] | undefined;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === delimitedTag(1)) value = reader.bytes();
    else if (tag === doubleTag(2)) version = finite(reader.double(), 'version');
    else if (tag === doubleTag(3)) lifeMs = notNegative(reader.double(), 'life_ms');
    else if (tag === varintTag(4)) outcome = reader.uint32();
    else if (tag === varintTag(5)) wasPut = reader.bool();
    else if (tag === doubleTag(6)) sourceVersion = finite(reader.double(), 'source_version');
    else if (tag === doubleTag(7)) floor = finite(reader.double(), 'floor');
    else if (tag === doubleTag(8)) staleMs = finite(reader.double(), 'stale_ms');
    else if (tag === doubleTag(12)) generation = finite(reader.double(), 'generation');
    else if (tag === delimitedTag(13)) tags = readTag(reader, tags);
    else reader.skip(tag & 7);
  }
  if (staleMs > 0) lifeMs = -staleMs;
  const known = { version, lifeMs, wasPut, sourceVersion, floor, generation };
  return { is: 'value', value, outcome: outcomes[outcome] ?? 'load', ...known, ...(tags && { tags }) };
}

function readAbsent(reader: Reader): PeerReply {
  let version = 0;
  let lifeMs = Number.POSITIVE_INFINITY;
  let outcome = 0;
  let floor = 0;
  let generation = 0;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === doubleTag(1)) version = finite(reader.double(), 'version');
    else if (tag === doubleTag(2)) lifeMs = notNegative(reader.double(), 'life_ms');
    else if (tag === varintTag(3)) outcome = reader.uint32();
    else if (tag === doubleTag(4)) floor = finite(reader.double(), 'floor');
    else if (tag === doubleTag(12)) generation = finite(reader.double(), 'generation');
    else reader.skip(tag & 7);
  }
  return { is: 'absent', version, lifeMs, outcome: outcomes[outcome] ?? 'load', floor, generation };
}

function readWritten(reader: Reader): PeerReply {
  let version = 0;
  let unreached: string[] | undefined;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === doubleTag(1)) {
      version = finite(reader.double(), 'version');
    } else if (tag === delimitedTag(2)) {
      unreached ??= [];
      if (unreached.push(reader.string()) > unreachedMax) throw new MalformedError(`more than ${unreachedMax} nodes`);
    } else {
      reader.skip(tag & 7);
    }
  }
  return { is: 'written', version, unreached: unreached ?? none };
}

function readRefused(reader: Reader): PeerReply {
  let code = '';
  let message = '';
  let node = '';
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === delimitedTag(1)) code = reader.string();
    else if (tag === delimitedTag(2)) message = reader.string();
    else if (tag === delimitedTag(3)) node = reader.string();
    else reader.skip(tag & 7);
  }
  // A code of a newer release: the node could not answer, and nothing finer can be said here.
  if (!isErrorCode(code)) return { is: 'refused', code: 'PEER_UNREACHABLE', message: `${code}: ${message}`, node };
  return { is: 'refused', code, message, node };
}
