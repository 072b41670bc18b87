import { isErrorCode } from '../base/errors.js';
import type { PeerReply, PeerRequest } from '../ports/peers.js';
import { decodeRecord } from './keyspace-records.js';
import {
  bodyLast,
  delimitedTag,
  doubleTag,
  field,
  fitsTrace,
  isAnswer,
  loadingMax,
  none,
  type Operation,
  outcomes,
  unreachedMax,
  varintTag,
} from './operations.js';
import { MalformedError, type Reader, wireType } from './reader.js';

/** Names that the operations of one link repeat, so that each is made into a string once. */
export interface Names {
  keyspace: string;
}

/** Reads one operation from `reader.at` to `reader.end`. */
export function readOperation(reader: Reader, names: Names): Operation | undefined {
  let id = 0;
  let body: Operation | undefined;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    const number = tag >>> 3;
    if (number === field.id && (tag & 7) === wireType.varint) {
      id = reader.uint32();
    } else if (number > field.id && number <= bodyLast && (tag & 7) === wireType.bytes) {
      const end = reader.end;
      reader.end = reader.delimited();
      body = readBody(reader, number, id, names);
      reader.at = reader.end;
      reader.end = end;
    } else {
      reader.skip(tag & 7);
    }
  }
  // The id is normally written first; a writer that put it last is no less right.
  if (body !== undefined && body.id !== id) body = { ...body, id };
  return body;
}

function readBody(reader: Reader, number: number, id: number, names: Names): Operation {
  switch (number) {
    case field.get:
    case field.put:
    case field.delete:
    case field.invalidate:
    case field.floors:
    case field.recall:
    case field.hold:
    case field.check:
    case field.compare:
      return readRequest(reader, number, id, names);
    case field.synced:
    case field.renew:
      return readBare(reader, number, id);
    case field.keyspace:
      return readKeyspaceChange(reader, id);
    case field.cancel:
      return { is: 'cancel', id };
    case field.value:
      return { is: 'reply', id, reply: readValue(reader) };
    case field.absent:
      return { is: 'reply', id, reply: readAbsent(reader) };
    case field.written:
      return { is: 'reply', id, reply: readWritten(reader) };
    case field.applied:
      return { is: 'reply', id, reply: { is: 'applied' } };
    case field.notOwner:
      return { is: 'reply', id, reply: { is: 'not-owner', owner: readOwner(reader) } };
    case field.refused:
      return { is: 'reply', id, reply: readRefused(reader) };
    case field.lease:
      return { is: 'reply', id, reply: { is: 'lease', sent: readNumber(reader, doubleTag(1), 'sent') } };
    case field.nothing:
      return { is: 'reply', id, reply: { is: 'nothing' } };
    case field.checked:
      return { is: 'reply', id, reply: { is: 'checked', current: readNumber(reader, varintTag(1), 'current') === 1 } };
    case field.differ:
      return { is: 'reply', id, reply: { is: 'differ', slots: readSlots(reader) } };
    case field.recorded: {
      const changed = readNumber(reader, varintTag(1), 'changed') === 1;
      return { is: 'reply', id, reply: { is: 'recorded', changed } };
    }
    default:
      return { is: isAnswer(number) ? 'unknown-reply' : 'unknown-request', id };
  }
}

const notNegative = (value: number, what: string): number => {
  if (value < 0) throw new MalformedError(`${what} is negative`);
  return value;
};

const finite = (value: number, what: string): number => {
  if (!Number.isFinite(value)) throw new MalformedError(`${what} is not finite`);
  return notNegative(value, what);
};

const noBytes = new Uint8Array(0);

/** Requests that speak of no keyspace. */
function readBare(reader: Reader, kind: number, id: number): Operation {
  let remainingMs = 0;
  let sequence = 0;
  let resync = false;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === varintTag(1)) remainingMs = reader.uint32();
    else if (tag === doubleTag(2) && kind === field.synced) sequence = finite(reader.double(), 'sequence');
    else if (tag === varintTag(2) && kind === field.renew) resync = reader.bool();
    else reader.skip(tag & 7);
  }
  const request: PeerRequest = kind === field.synced ? { do: 'synced', sequence } : { do: 'renew', resync };
  return { is: 'request', id, remainingMs, request };
}

function readKeyspaceChange(reader: Reader, id: number): Operation {
  let remainingMs = 0;
  let record: Uint8Array = noBytes;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === varintTag(1)) remainingMs = reader.uint32();
    else if (tag === delimitedTag(2)) record = reader.bytes();
    else reader.skip(tag & 7);
  }
  return { is: 'request', id, remainingMs, request: { do: 'keyspace', record: decodeRecord(record) } };
}

const withoutKey: ReadonlySet<number> = new Set([field.floors, field.compare]);
/** Requests that may bear a trace context. */
const traced: ReadonlySet<number> = new Set([field.get, field.put, field.delete]);
const withBytes: ReadonlySet<number> = new Set([field.put, field.floors, field.hold, field.compare]);
/** The tag of a request's version; others have none. */
const versionTags: ReadonlyMap<number, number> = new Map([
  [field.invalidate, doubleTag(3)],
  [field.hold, doubleTag(5)],
  [field.check, doubleTag(4)],
]);

/** What requests carry beside keyspace, key and bytes; what a number means depends on the kind. */
interface Extras {
  version: number;
  /** put: ttl_ms; get: min_version; hold: life_ms, below zero of stale_ms. */
  span: number | undefined;
  sequence: number;
  sourceVersion: number | undefined;
  floor: number;
  generation: number;
  /** put and delete: ack; get: stand_in; hold: was_put. */
  flag: boolean;
  /** get, put and delete. */
  traceparent: string;
  tracestate: string;
}

/** The requests share the places of keyspace and key; what else a number means depends on the kind. */
function readRequest(reader: Reader, kind: number, id: number, names: Names): Operation {
  let keyspace = '';
  let key = '';
  let remainingMs = 0;
  let value: Uint8Array | undefined;
  let loading: string[] | undefined;
  let extras: Extras | undefined;
  const remainingTag = varintTag(kind === field.invalidate ? 4 : 3);
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === delimitedTag(1)) {
      keyspace = reader.stringLike(names.keyspace);
      names.keyspace = keyspace;
    } else if (tag === delimitedTag(2) && !withoutKey.has(kind)) {
      key = reader.string();
    } else if (tag === remainingTag) {
      remainingMs = reader.uint32();
    } else if (tag === delimitedTag(4) && withBytes.has(kind)) {
      value = reader.bytes();
    } else if (tag === delimitedTag(4) && kind === field.get) {
      loading ??= [];
      if (loading.push(reader.string()) > loadingMax)
        throw new MalformedError(`more than ${loadingMax} loads in a chain`);
    } else {
      extras ??= { ...plain };
      readExtra(reader, kind, tag, extras);
    }
  }
  return { is: 'request', id, remainingMs, request: requestOf(kind, keyspace, key, value, loading, extras ?? plain) };
}

const plain: Readonly<Extras> = Object.freeze({
  version: 0,
  span: undefined,
  sequence: 0,
  sourceVersion: undefined,
  floor: 0,
  generation: 0,
  flag: false,
  traceparent: '',
  tracestate: '',
});

function readExtra(reader: Reader, kind: number, tag: number, extras: Extras): void {
  if (tag === versionTags.get(kind)) {
    extras.version = finite(reader.double(), 'version');
  } else if (tag === doubleTag(5) && kind === field.put) {
    extras.span = notNegative(reader.double(), 'ttl_ms');
  } else if (tag === doubleTag(5) && kind === field.get) {
    extras.span = finite(reader.double(), 'min_version');
  } else if (tag === doubleTag(6) && kind === field.hold) {
    const lifeMs = notNegative(reader.double(), 'life_ms');
    // `stale_ms` may have come before.
    if (!(extras.span! < 0)) extras.span = lifeMs;
  } else if (tag === doubleTag(11) && kind === field.hold) {
    extras.span = -finite(reader.double(), 'stale_ms') || extras.span;
  } else if (tag === doubleTag(5) && kind === field.invalidate) {
    extras.sequence = finite(reader.double(), 'sequence');
  } else if (tag === doubleTag(8) && kind === field.hold) {
    extras.sequence = finite(reader.double(), 'sequence');
  } else if (tag === doubleTag(9) && kind === field.hold) {
    extras.sourceVersion = finite(reader.double(), 'source_version');
  } else if (tag === doubleTag(10) && kind === field.hold) {
    extras.floor = finite(reader.double(), 'floor');
  } else if (tag === doubleTag(12) && kind === field.hold) {
    extras.generation = finite(reader.double(), 'generation');
  } else if (
    (tag === varintTag(6) && (kind === field.put || kind === field.get)) ||
    (tag === varintTag(4) && kind === field.delete) ||
    (tag === varintTag(7) && (kind === field.hold || kind === field.recall))
  ) {
    extras.flag = reader.bool();
  } else if (tag === delimitedTag(20) && traced.has(kind)) {
    extras.traceparent = reader.string();
  } else if (tag === delimitedTag(21) && traced.has(kind)) {
    extras.tracestate = reader.string();
  } else {
    reader.skip(tag & 7);
  }
}

function requestOf(
  kind: number,
  keyspace: string,
  key: string,
  value: Uint8Array | undefined,
  loading: readonly string[] | undefined,
  { version, span, sequence, sourceVersion, floor, generation, flag, traceparent, tracestate }: Readonly<Extras>,
): PeerRequest {
  const ack = flag ? 'owner' : 'applied';
  const trace = traceparent === '' || !fitsTrace(traceparent, tracestate) ? {} : { trace: { traceparent, tracestate } };
  switch (kind) {
    case field.get:
      return { do: 'get', keyspace, key, loading: loading ?? none, minVersion: span ?? 0, standIn: flag, ...trace };
    case field.put:
      return { do: 'put', keyspace, key, value: value ?? noBytes, ttlMs: span, ack, ...trace };
    case field.delete:
      return { do: 'delete', keyspace, key, ack, ...trace };
    case field.invalidate:
      return { do: 'invalidate', keyspace, key, version, sequence };
    case field.floors:
      return { do: 'floors', keyspace, floors: value ?? noBytes };
    case field.recall:
      return flag ? { do: 'recall', keyspace, key, claim: true } : { do: 'recall', keyspace, key };
    case field.check:
      return { do: 'check', keyspace, key, version };
    case field.compare:
      return { do: 'compare', keyspace, digests: value ?? noBytes };
    case field.hold: {
      const lifeMs = span ?? Number.POSITIVE_INFINITY;
      const held = { do: 'hold', keyspace, key, value: value ?? null, version, lifeMs, wasPut: flag } as const;
      return { ...held, sourceVersion, floor, generation, sequence };
    }
    default:
      throw new MalformedError(`${kind} is no request of a keyspace`);
  }
}

function readNumber(reader: Reader, wanted: number, what: string): number {
  let value = 0;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag !== wanted) reader.skip(tag & 7);
    else value = (tag & 7) === wireType.varint ? reader.uint32() : finite(reader.double(), what);
  }
  return value;
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
    else reader.skip(tag & 7);
  }
  if (staleMs > 0) lifeMs = -staleMs;
  const known = { version, lifeMs, wasPut, sourceVersion, floor, generation };
  return { is: 'value', value, outcome: outcomes[outcome] ?? 'load', ...known };
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
