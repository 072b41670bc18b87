import { isErrorCode } from '../base/errors.js';
import type { Outcome, PeerReply, PeerRequest } from '../ports/peers.js';
import { MalformedError, type Reader, wireType } from './reader.js';
import type { BackwardWriter } from './writer.js';

/** What one frame carries many of: requests, answers and cancels of one direction, in order. Ids are u32, above zero. */
export type Operation =
  | { readonly is: 'request'; readonly id: number; readonly request: PeerRequest; readonly remainingMs: number }
  | { readonly is: 'reply'; readonly id: number; readonly reply: PeerReply }
  | { readonly is: 'cancel'; readonly id: number }
  /** Sent by a newer release. A request is answered with 'refused'; an answer fails the call that it answers. */
  | { readonly is: 'unknown-request' | 'unknown-reply'; readonly id: number };

/** Bounds on lists inside one operation, so that a frame's cost in memory follows its size. */
export const loadingMax = 256;
export const unreachedMax = 4096;
const messageCharsMax = 1024;

/** Largest deadline on the wire, about 49 days; longer ones are cut to it. */
const remainingMsMax = 0xffff_ffff;
/** Tags, lengths, id, numbers and flags of any operation. */
const overheadBytes = 96;

const field = {
  id: 1,
  get: 2,
  put: 3,
  delete: 4,
  invalidate: 5,
  dropKeyspace: 6,
  cancel: 7,
  floors: 8,
  value: 16,
  absent: 17,
  written: 18,
  applied: 19,
  notOwner: 20,
  refused: 21,
} as const;
/** Bodies from here to `bodyLast` answer something; below they ask. */
const replyFirst = 16;
const bodyLast = 31;

const outcomes: readonly (Outcome | undefined)[] = [undefined, 'hit', 'hot', 'load', 'stale', 'negative'];
const outcomeNumber: Readonly<Record<Outcome, number>> = { hit: 1, hot: 2, load: 3, stale: 4, negative: 5 };

const none: readonly string[] = Object.freeze([]);

const delimitedTag = (number: number): number => (number << 3) | wireType.bytes;
const doubleTag = (number: number): number => (number << 3) | wireType.fixed64;
const varintTag = (number: number): number => (number << 3) | wireType.varint;

const textBound = (text: string): number => 3 * text.length;

/**
 * An upper bound of an operation's encoded size in bytes, from lengths alone: text counts three bytes a character, or
 * what `bytesOfText` says.
 */
export function operationBound(operation: Operation, bytesOfText = textBound): number {
  if (operation.is === 'request') return requestBound(operation.request, bytesOfText);
  return operation.is === 'reply' ? replyBound(operation.reply, bytesOfText) : overheadBytes;
}

function requestBound(request: PeerRequest, bytesOfText: (text: string) => number): number {
  const bound = overheadBytes + bytesOfText(request.keyspace);
  switch (request.do) {
    case 'drop-keyspace':
      return bound;
    case 'floors':
      return bound + request.floors.byteLength;
    case 'put':
      return bound + bytesOfText(request.key) + request.value.byteLength;
    case 'get':
      return bound + bytesOfText(request.key) + listBound(request.loading, bytesOfText);
    default:
      return bound + bytesOfText(request.key);
  }
}

function replyBound(reply: PeerReply, bytesOfText: (text: string) => number): number {
  switch (reply.is) {
    case 'value':
      return overheadBytes + reply.value.byteLength;
    case 'written':
      return overheadBytes + listBound(reply.unreached, bytesOfText);
    case 'refused':
      return overheadBytes + 3 * messageCharsMax + bytesOfText(reply.code) + bytesOfText(reply.node);
    default:
      return overheadBytes;
  }
}

function listBound(texts: readonly string[], bytesOfText: (text: string) => number): number {
  let sum = 0;
  for (let i = 0; i < texts.length; i++) sum += bytesOfText(texts[i]!) + 8;
  return sum;
}

/** The operation as a nested message of its frame, written in reverse. */
export function writeOperation(writer: BackwardWriter, operation: Operation): void {
  const outer = writer.mark();
  if (operation.is === 'request') writeRequest(writer, operation.request, operation.remainingMs);
  else if (operation.is === 'reply') writeReply(writer, operation.reply);
  else if (operation.is === 'cancel') writer.nested(delimitedTag(field.cancel), writer.mark());
  writer.uint32Field(varintTag(field.id), operation.id);
  writer.nested(delimitedTag(2), outer);
}

function writeRequest(writer: BackwardWriter, request: PeerRequest, remainingMs: number): void {
  const mark = writer.mark();
  const wholeMs = remainingMs >= remainingMsMax ? remainingMsMax : Math.ceil(remainingMs);
  switch (request.do) {
    case 'get':
      for (let i = request.loading.length - 1; i >= 0; i--) writer.stringField(delimitedTag(4), request.loading[i]!);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.get), mark);
      return;
    case 'put':
      if (request.ttlMs !== undefined) writer.doubleField(doubleTag(5), request.ttlMs);
      writer.bytesField(delimitedTag(4), request.value);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.put), mark);
      return;
    case 'delete':
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.delete), mark);
      return;
    case 'invalidate':
      writer.uint32Field(varintTag(4), wholeMs);
      writer.doubleField(doubleTag(3), request.version);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.invalidate), mark);
      return;
    case 'floors':
      writer.bytesField(delimitedTag(4), request.floors);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.floors), mark);
      return;
    case 'drop-keyspace':
      writer.uint32Field(varintTag(3), wholeMs);
      writer.doubleField(doubleTag(2), request.version);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.dropKeyspace), mark);
  }
}

function writeReply(writer: BackwardWriter, reply: PeerReply): void {
  const mark = writer.mark();
  switch (reply.is) {
    case 'value':
      if (reply.wasPut) writer.uint32Field(varintTag(5), 1);
      writer.uint32Field(varintTag(4), outcomeNumber[reply.outcome]);
      if (reply.lifeMs !== Number.POSITIVE_INFINITY) writer.doubleField(doubleTag(3), reply.lifeMs);
      writer.doubleField(doubleTag(2), reply.version);
      writer.bytesField(delimitedTag(1), reply.value);
      writer.nested(delimitedTag(field.value), mark);
      return;
    case 'absent':
      writer.uint32Field(varintTag(3), outcomeNumber[reply.outcome]);
      if (reply.lifeMs !== Number.POSITIVE_INFINITY) writer.doubleField(doubleTag(2), reply.lifeMs);
      writer.doubleField(doubleTag(1), reply.version);
      writer.nested(delimitedTag(field.absent), mark);
      return;
    case 'written': {
      const last = Math.min(reply.unreached.length, unreachedMax) - 1;
      for (let i = last; i >= 0; i--) writer.stringField(delimitedTag(2), reply.unreached[i]!);
      writer.doubleField(doubleTag(1), reply.version);
      writer.nested(delimitedTag(field.written), mark);
      return;
    }
    case 'applied':
      writer.nested(delimitedTag(field.applied), mark);
      return;
    case 'not-owner':
      writer.nested(delimitedTag(field.notOwner), mark);
      return;
    case 'refused':
      writer.stringField(delimitedTag(3), reply.node);
      writer.stringField(delimitedTag(2), reply.message.slice(0, messageCharsMax));
      writer.stringField(delimitedTag(1), reply.code);
      writer.nested(delimitedTag(field.refused), mark);
  }
}

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
    case field.dropKeyspace:
    case field.floors:
      return readRequest(reader, number, id, names);
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
      return { is: 'reply', id, reply: { is: 'not-owner' } };
    case field.refused:
      return { is: 'reply', id, reply: readRefused(reader) };
    default:
      return { is: number >= replyFirst ? 'unknown-reply' : 'unknown-request', id };
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

/** The requests share the places of keyspace and key; what else a number means depends on the kind. */
function readRequest(reader: Reader, kind: number, id: number, names: Names): Operation {
  let keyspace = '';
  let key = '';
  let remainingMs = 0;
  let version = 0;
  let value: Uint8Array = noBytes;
  let ttlMs: number | undefined;
  let loading: string[] | undefined;
  const remainingTag = varintTag(kind === field.invalidate ? 4 : 3);
  const versionTag = doubleTag(kind === field.invalidate ? 3 : 2);
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === delimitedTag(1)) {
      keyspace = reader.stringLike(names.keyspace);
      names.keyspace = keyspace;
    } else if (tag === delimitedTag(2) && kind !== field.dropKeyspace && kind !== field.floors) {
      key = reader.string();
    } else if (tag === remainingTag) {
      remainingMs = reader.uint32();
    } else if (tag === versionTag && (kind === field.invalidate || kind === field.dropKeyspace)) {
      version = finite(reader.double(), 'version');
    } else if (tag === delimitedTag(4) && (kind === field.put || kind === field.floors)) {
      value = reader.bytes();
    } else if (tag === doubleTag(5) && kind === field.put) {
      ttlMs = notNegative(reader.double(), 'ttl_ms');
    } else if (tag === delimitedTag(4) && kind === field.get) {
      loading ??= [];
      if (loading.push(reader.string()) > loadingMax)
        throw new MalformedError(`more than ${loadingMax} loads in a chain`);
    } else {
      reader.skip(tag & 7);
    }
  }
  return { is: 'request', id, remainingMs, request: toRequest() };

  function toRequest(): PeerRequest {
    switch (kind) {
      case field.get:
        return { do: 'get', keyspace, key, loading: loading ?? none };
      case field.put:
        return { do: 'put', keyspace, key, value, ttlMs };
      case field.delete:
        return { do: 'delete', keyspace, key };
      case field.invalidate:
        return { do: 'invalidate', keyspace, key, version };
      case field.floors:
        return { do: 'floors', keyspace, floors: value };
      default:
        return { do: 'drop-keyspace', keyspace, version };
    }
  }
}

function readValue(reader: Reader): PeerReply {
  let value: Uint8Array = noBytes;
  let version = 0;
  let lifeMs = Number.POSITIVE_INFINITY;
  let outcome = 0;
  let wasPut = false;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === delimitedTag(1)) value = reader.bytes();
    else if (tag === doubleTag(2)) version = finite(reader.double(), 'version');
    else if (tag === doubleTag(3)) lifeMs = notNegative(reader.double(), 'life_ms');
    else if (tag === varintTag(4)) outcome = reader.uint32();
    else if (tag === varintTag(5)) wasPut = reader.bool();
    else reader.skip(tag & 7);
  }
  return { is: 'value', value, version, lifeMs, outcome: outcomes[outcome] ?? 'load', wasPut };
}

function readAbsent(reader: Reader): PeerReply {
  let version = 0;
  let lifeMs = Number.POSITIVE_INFINITY;
  let outcome = 0;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === doubleTag(1)) version = finite(reader.double(), 'version');
    else if (tag === doubleTag(2)) lifeMs = notNegative(reader.double(), 'life_ms');
    else if (tag === varintTag(3)) outcome = reader.uint32();
    else reader.skip(tag & 7);
  }
  return { is: 'absent', version, lifeMs, outcome: outcomes[outcome] ?? 'load' };
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
