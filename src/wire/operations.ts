import type { Outcome, PeerReply, PeerRequest } from '../ports/peers.js';
import { type TraceContext, traceparentCharsMax, tracestateCharsMax } from '../ports/recorder.js';
import { heardBound, writeHeard } from './heard.js';
import { writeHotKeysReply, writeHotKeysRequest } from './hot-keys.js';
import { encodeRecord, recordBound } from './keyspace-records.js';
import { wireType } from './reader.js';
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
const overheadBytes = 112;
/** Of a trace context; its texts are ASCII. */
const traceBytesMax = traceparentCharsMax + tracestateCharsMax + 8;

export const field = {
  id: 1,
  get: 2,
  put: 3,
  delete: 4,
  invalidate: 5,
  cancel: 7,
  floors: 8,
  synced: 9,
  renew: 10,
  recall: 11,
  hold: 12,
  check: 13,
  compare: 14,
  keyspace: 15,
  hotKeys: 32,
  vouch: 33,
  value: 16,
  absent: 17,
  written: 18,
  applied: 19,
  notOwner: 20,
  refused: 21,
  lease: 22,
  nothing: 23,
  checked: 24,
  differ: 25,
  recorded: 26,
  toldHotKeys: 48,
} as const;
export const bodyLast = 63;
/** Bodies of these numbers answer something; the others ask. */
export const isAnswer = (number: number): boolean => (number & 16) !== 0;

export const outcomes: readonly (Outcome | undefined)[] = [undefined, 'hit', 'hot', 'load', 'stale', 'negative'];
const outcomeNumber: Readonly<Record<Outcome, number>> = { hit: 1, hot: 2, load: 3, stale: 4, negative: 5 };

export const none: readonly string[] = Object.freeze([]);

export const delimitedTag = (number: number): number => (number << 3) | wireType.bytes;
export const doubleTag = (number: number): number => (number << 3) | wireType.fixed64;
export const varintTag = (number: number): number => (number << 3) | wireType.varint;

const textBound = (text: string): number => 3 * text.length;

/**
 * An upper bound of an operation's encoded size in bytes, from lengths alone: text counts three bytes a character, or
 * what `bytesOfText` says.
 */
export function operationBound(operation: Operation, bytesOfText = textBound): number {
  if (operation.is === 'request') return requestBound(operation.request, bytesOfText);
  return operation.is === 'reply' ? replyBound(operation.reply, bytesOfText) : overheadBytes;
}

/** Of a request alone. */
export function requestBound(request: PeerRequest, bytesOfText: (text: string) => number): number {
  const bound =
    overheadBytes +
    ('keyspace' in request ? bytesOfText(request.keyspace) : 0) +
    ('key' in request ? bytesOfText(request.key) : 0) +
    ('trace' in request && request.trace !== undefined ? traceBytesMax : 0);
  switch (request.do) {
    case 'get':
      return bound + listBound(request.loading, bytesOfText);
    case 'put':
      return bound + request.value.byteLength + listBound(request.tags ?? none, bytesOfText);
    case 'hold':
      return bound + (request.value?.byteLength ?? 0) + listBound(request.tags ?? none, bytesOfText);
    case 'floors':
      return bound + request.floors.byteLength + heardBound(request.heard, bytesOfText);
    case 'synced':
    case 'vouch':
      return bound + heardBound(request.heard, bytesOfText);
    case 'compare':
      return bound + request.digests.byteLength;
    case 'keyspace':
      return bound + recordBound(request.record);
    default:
      return bound;
  }
}

function replyBound(reply: PeerReply, bytesOfText: (text: string) => number): number {
  switch (reply.is) {
    case 'value':
      return overheadBytes + reply.value.byteLength + listBound(reply.tags ?? none, bytesOfText);
    case 'written':
      return overheadBytes + listBound(reply.unreached, bytesOfText);
    case 'refused':
      return overheadBytes + 3 * messageCharsMax + bytesOfText(reply.code) + bytesOfText(reply.node);
    case 'not-owner':
      return overheadBytes + bytesOfText(reply.owner);
    case 'differ':
      return overheadBytes + reply.slots.byteLength;
    case 'hot-keys':
      return overheadBytes + listBound(reply.keys, bytesOfText);
    default:
      return overheadBytes;
  }
}

/** Too long, or no ASCII: then it is nobody's trace context, and is left out. */
export const fitsTrace = (traceparent: string, tracestate: string): boolean =>
  traceparent.length <= traceparentCharsMax &&
  tracestate.length <= tracestateCharsMax &&
  /^[\x20-\x7e]*$/.test(traceparent + tracestate);

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
      if (request.trace !== undefined) writeTrace(writer, request.trace);
      if (request.standIn) writer.uint32Field(varintTag(6), 1);
      if (request.minVersion > 0) writer.doubleField(doubleTag(5), request.minVersion);
      for (let i = request.loading.length - 1; i >= 0; i--) writer.stringField(delimitedTag(4), request.loading[i]!);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.get), mark);
      return;
    case 'put':
      if (request.trace !== undefined) writeTrace(writer, request.trace);
      writeTags(writer, request.tags);
      if (request.once !== undefined) writer.doubleField(doubleTag(7), request.once);
      if (request.ack === 'owner') writer.uint32Field(varintTag(6), 1);
      if (request.ttlMs !== undefined) writer.doubleField(doubleTag(5), request.ttlMs);
      writer.bytesField(delimitedTag(4), request.value);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.put), mark);
      return;
    case 'delete':
      if (request.trace !== undefined) writeTrace(writer, request.trace);
      if (request.once !== undefined) writer.doubleField(doubleTag(7), request.once);
      if (request.ack === 'owner') writer.uint32Field(varintTag(4), 1);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.delete), mark);
      return;
    case 'invalidate':
      if (request.sequence > 0) writer.doubleField(doubleTag(5), request.sequence);
      writer.uint32Field(varintTag(4), wholeMs);
      writer.doubleField(doubleTag(3), request.version);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.invalidate), mark);
      return;
    case 'floors':
      if (request.steady) writer.uint32Field(varintTag(8), 1);
      if (request.swept > 0) writer.doubleField(doubleTag(7), request.swept);
      writeHeard(writer, request.heard);
      writer.bytesField(delimitedTag(4), request.floors);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.floors), mark);
      return;
    case 'synced':
      writeHeard(writer, request.heard);
      writer.doubleField(doubleTag(2), request.sequence);
      writer.uint32Field(varintTag(1), wholeMs);
      writer.nested(delimitedTag(field.synced), mark);
      return;
    case 'vouch':
      writeHeard(writer, request.heard);
      writer.uint32Field(varintTag(1), wholeMs);
      writer.nested(delimitedTag(field.vouch), mark);
      return;
    case 'renew':
      if (request.resync) writer.uint32Field(varintTag(2), 1);
      writer.uint32Field(varintTag(1), wholeMs);
      writer.nested(delimitedTag(field.renew), mark);
      return;
    case 'recall':
      if (request.taken !== undefined) writer.doubleField(doubleTag(8), request.taken);
      if (request.claim) writer.uint32Field(varintTag(7), 1);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.recall), mark);
      return;
    case 'hold':
      if (request.yours) writer.uint32Field(varintTag(15), 1);
      if (request.heard > 0) writer.doubleField(doubleTag(14), request.heard);
      writeTags(writer, request.tags);
      if (request.generation > 0) writer.doubleField(doubleTag(12), request.generation);
      if (request.lifeMs < 0) writer.doubleField(doubleTag(11), -request.lifeMs);
      if (request.floor > 0) writer.doubleField(doubleTag(10), request.floor);
      if (request.sourceVersion !== undefined) writer.doubleField(doubleTag(9), request.sourceVersion);
      if (request.sequence > 0) writer.doubleField(doubleTag(8), request.sequence);
      if (request.wasPut) writer.uint32Field(varintTag(7), 1);
      if (request.lifeMs !== Number.POSITIVE_INFINITY) writer.doubleField(doubleTag(6), Math.max(0, request.lifeMs));
      writer.doubleField(doubleTag(5), request.version);
      if (request.value !== null) writer.bytesField(delimitedTag(4), request.value);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.hold), mark);
      return;
    case 'check':
      writer.doubleField(doubleTag(4), request.version);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(2), request.key);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.check), mark);
      return;
    case 'compare':
      writer.bytesField(delimitedTag(4), request.digests);
      writer.uint32Field(varintTag(3), wholeMs);
      writer.stringField(delimitedTag(1), request.keyspace);
      writer.nested(delimitedTag(field.compare), mark);
      return;
    case 'keyspace':
      writer.bytesField(delimitedTag(2), encodeRecord(request.record));
      writer.uint32Field(varintTag(1), wholeMs);
      writer.nested(delimitedTag(field.keyspace), mark);
      return;
    case 'hot-keys':
      writeHotKeysRequest(writer, request, wholeMs);
  }
}

/** The same fields in every request that can bear one. One that no reader would take is not sent. */
function writeTrace(writer: BackwardWriter, { traceparent, tracestate }: TraceContext): void {
  if (!fitsTrace(traceparent, tracestate)) return;
  if (tracestate !== '') writer.stringField(delimitedTag(21), tracestate);
  writer.stringField(delimitedTag(20), traceparent);
}

/** Field 13 wherever there are tags. */
function writeTags(writer: BackwardWriter, tags: readonly string[] = none): void {
  for (let i = tags.length - 1; i >= 0; i--) writer.stringField(delimitedTag(13), tags[i]!);
}

function writeReply(writer: BackwardWriter, reply: PeerReply): void {
  const mark = writer.mark();
  switch (reply.is) {
    case 'value':
      writeTags(writer, reply.tags);
      if (reply.generation > 0) writer.doubleField(doubleTag(12), reply.generation);
      if (reply.lifeMs < 0) writer.doubleField(doubleTag(8), -reply.lifeMs);
      if (reply.floor > 0) writer.doubleField(doubleTag(7), reply.floor);
      if (reply.sourceVersion !== undefined) writer.doubleField(doubleTag(6), reply.sourceVersion);
      if (reply.wasPut) writer.uint32Field(varintTag(5), 1);
      writer.uint32Field(varintTag(4), outcomeNumber[reply.outcome]);
      if (reply.lifeMs !== Number.POSITIVE_INFINITY) writer.doubleField(doubleTag(3), Math.max(0, reply.lifeMs));
      writer.doubleField(doubleTag(2), reply.version);
      writer.bytesField(delimitedTag(1), reply.value);
      writer.nested(delimitedTag(field.value), mark);
      return;
    case 'absent':
      if (reply.generation > 0) writer.doubleField(doubleTag(12), reply.generation);
      if (reply.floor > 0) writer.doubleField(doubleTag(4), reply.floor);
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
      writer.stringField(delimitedTag(1), reply.owner);
      writer.nested(delimitedTag(field.notOwner), mark);
      return;
    case 'refused':
      writer.stringField(delimitedTag(3), reply.node);
      writer.stringField(delimitedTag(2), reply.message.slice(0, messageCharsMax));
      writer.stringField(delimitedTag(1), reply.code);
      writer.nested(delimitedTag(field.refused), mark);
      return;
    case 'lease':
      writer.doubleField(doubleTag(2), reply.ownsMs);
      writer.doubleField(doubleTag(1), reply.sent);
      writer.nested(delimitedTag(field.lease), mark);
      return;
    case 'nothing':
      writer.nested(delimitedTag(field.nothing), mark);
      return;
    case 'checked':
      if (reply.current) writer.uint32Field(varintTag(1), 1);
      writer.nested(delimitedTag(field.checked), mark);
      return;
    case 'hot-keys':
      writeHotKeysReply(writer, reply);
      return;
    case 'differ':
      writer.bytesField(delimitedTag(1), reply.slots);
      writer.nested(delimitedTag(field.differ), mark);
      return;
    case 'recorded':
      if (reply.newer > 0) writer.doubleField(doubleTag(3), reply.newer);
      if (reply.removed > 0) writer.doubleField(doubleTag(2), reply.removed);
      if (reply.changed) writer.uint32Field(varintTag(1), 1);
      writer.nested(delimitedTag(field.recorded), mark);
  }
}
