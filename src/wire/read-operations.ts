import type { HeardFrom, PeerRequest } from '../ports/peers.js';
import { readHeard } from './heard.js';
import { readHotKeysRequest } from './hot-keys.js';
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
  varintTag,
} from './operations.js';
import { finite, noBytes, notNegative, readReply, readTag } from './read-replies.js';
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
    case field.vouch:
    case field.renew:
      return readBare(reader, number, id);
    case field.keyspace:
      return readKeyspaceChange(reader, id);
    case field.hotKeys:
      return readHotKeysRequest(reader, id);
    case field.cancel:
      return { is: 'cancel', id };
    default: {
      const reply = readReply(reader, number);
      if (reply !== undefined) return { is: 'reply', id, reply };
      return { is: isAnswer(number) ? 'unknown-reply' : 'unknown-request', id };
    }
  }
}

/** Requests that speak of no keyspace. */
function readBare(reader: Reader, kind: number, id: number): Operation {
  let remainingMs = 0;
  let sequence = 0;
  const versions: HeardFrom[] = [];
  let isWhole = false;
  let resync = false;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === varintTag(1)) remainingMs = reader.uint32();
    else if (tag === doubleTag(2) && kind === field.synced) sequence = finite(reader.double(), 'sequence');
    else if (tag === delimitedTag(5) && kind !== field.renew) readHeard(reader, versions);
    else if (tag === varintTag(6) && kind !== field.renew) isWhole = reader.bool();
    else if (tag === varintTag(2) && kind === field.renew) resync = reader.bool();
    else reader.skip(tag & 7);
  }
  const heard = { versions, isWhole };
  const ofKind = (): PeerRequest => {
    if (kind === field.synced) return { do: 'synced', sequence, heard };
    return kind === field.vouch ? { do: 'vouch', heard } : { do: 'renew', resync };
  };
  return { is: 'request', id, remainingMs, request: ofKind() };
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
/** The tag of a request's version, of `taken` or `swept`; others have none. */
const versionTags: ReadonlyMap<number, number> = new Map([
  [field.invalidate, doubleTag(3)],
  [field.hold, doubleTag(5)],
  [field.check, doubleTag(4)],
  [field.recall, doubleTag(8)],
  [field.floors, doubleTag(7)],
]);

/** What requests carry beside keyspace, key and bytes; what a number means depends on the kind. */
interface Extras {
  version: number;
  /** put: ttl_ms; get: min_version; hold: life_ms, below zero of stale_ms. */
  span: number | undefined;
  /** put and delete: once. */
  sequence: number;
  sourceVersion: number | undefined;
  floor: number;
  generation: number;
  heard: number;
  /** hold; floors: steady. */
  yours: boolean;
  /** floors. */
  versions: [string, number][] | undefined;
  /** put and delete: ack; get: stand_in; hold: was_put; floors: whole. */
  flag: boolean;
  /** put and hold. */
  tags: readonly string[] | undefined;
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
  heard: 0,
  yours: false,
  versions: undefined,
  flag: false,
  tags: undefined,
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
  } else if (tag === doubleTag(7) && (kind === field.put || kind === field.delete)) {
    extras.sequence = finite(reader.double(), 'once');
  } else if (tag === doubleTag(9) && kind === field.hold) {
    extras.sourceVersion = finite(reader.double(), 'source_version');
  } else if (tag === doubleTag(10) && kind === field.hold) {
    extras.floor = finite(reader.double(), 'floor');
  } else if (tag === doubleTag(12) && kind === field.hold) {
    extras.generation = finite(reader.double(), 'generation');
  } else if (tag === delimitedTag(5) && kind === field.floors) {
    extras.versions ??= [];
    readHeard(reader, extras.versions);
  } else if ((tag === varintTag(15) && kind === field.hold) || (tag === varintTag(8) && kind === field.floors)) {
    extras.yours = reader.bool();
  } else if (tag === doubleTag(14) && kind === field.hold) {
    extras.heard = finite(reader.double(), 'heard');
  } else if (tag === delimitedTag(13) && (kind === field.put || kind === field.hold)) {
    extras.tags = readTag(reader, extras.tags);
  } else if (
    (tag === varintTag(6) && (kind === field.put || kind === field.get || kind === field.floors)) ||
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
  {
    version,
    span,
    sequence,
    sourceVersion,
    floor,
    generation,
    heard,
    yours,
    versions,
    flag,
    tags,
    traceparent,
    tracestate,
  }: Readonly<Extras>,
): PeerRequest {
  const ack = flag ? 'owner' : 'applied';
  const trace = traceparent === '' || !fitsTrace(traceparent, tracestate) ? {} : { trace: { traceparent, tracestate } };
  const once = sequence > 0 ? { once: sequence } : {};
  switch (kind) {
    case field.get:
      return { do: 'get', keyspace, key, loading: loading ?? none, minVersion: span ?? 0, standIn: flag, ...trace };
    case field.put:
      return {
        do: 'put',
        keyspace,
        key,
        value: value ?? noBytes,
        ttlMs: span,
        ack,
        ...once,
        ...trace,
        ...(tags && { tags }),
      };
    case field.delete:
      return { do: 'delete', keyspace, key, ack, ...once, ...trace };
    case field.invalidate:
      return { do: 'invalidate', keyspace, key, version, sequence };
    case field.floors:
      return {
        do: 'floors',
        keyspace,
        floors: value ?? noBytes,
        heard: { versions: versions ?? [], isWhole: flag },
        swept: version,
        ...(yours && { steady: true }),
      };
    case field.recall:
      if (version > 0) return { do: 'recall', keyspace, key, taken: version };
      return flag ? { do: 'recall', keyspace, key, claim: true } : { do: 'recall', keyspace, key };
    case field.check:
      return { do: 'check', keyspace, key, version };
    case field.compare:
      return { do: 'compare', keyspace, digests: value ?? noBytes };
    case field.hold: {
      const lifeMs = span ?? Number.POSITIVE_INFINITY;
      const held = { do: 'hold', keyspace, key, value: value ?? null, version, lifeMs, wasPut: flag } as const;
      return { ...held, sourceVersion, floor, generation, sequence, heard, yours, ...(tags && { tags }) };
    }
    default:
      throw new MalformedError(`${kind} is no request of a keyspace`);
  }
}
