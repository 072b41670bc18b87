import { assert } from '../base/assert.js';
import type { NodeInfo } from '../ports/membership.js';
import { distcache } from './generated/distcache.js';
import { type Operation, operationBound, writeOperation } from './operations.js';
import { type Names, readOperation } from './read-operations.js';
import { MalformedError, Reader, wireType } from './reader.js';
import { BackwardWriter } from './writer.js';

export const protocolVersion = 1;

/** The first thing each side of a link says. */
export interface Hello extends NodeInfo {
  readonly protocol: number;
  readonly label: string;
  /** Name of the function that places keys; '' where a node does not say. */
  readonly hasher: string;
  /** Of this link, where the cluster has a secret. */
  readonly nonce?: Uint8Array | undefined;
  /** That the sender holds the cluster's secret. */
  readonly proof?: Uint8Array | undefined;
}

export const goodbyeReasons = [
  'REASON_UNSPECIFIED',
  'LEAVING',
  'DIAL_YOU',
  'DUPLICATE',
  'WRONG_LABEL',
  'WRONG_PROTOCOL',
  'NAME_TAKEN',
  'CLOCK_SKEW',
  'SELF',
  'BAD_FRAME',
  'TOO_MANY',
  'NOT_PROVEN',
] as const;
export type GoodbyeReason = (typeof goodbyeReasons)[number];

/** The sender closes the link, and why. */
export interface Goodbye {
  readonly reason: GoodbyeReason;
  readonly detail: string;
}

export interface Frame {
  /** The sender's hybrid logical clock. */
  readonly clock: number;
  readonly operations: readonly Operation[];
  readonly hello?: Hello | undefined;
  readonly goodbye?: Goodbye | undefined;
}

/** More in one frame is refused, so that the memory a frame costs follows its size. */
export const operationsPerFrameMax = 16_384;
/** Names, addresses and labels in a greeting; longer ones are refused. */
const greetingCharsMax = 1024;
const proofBytesMax = 64;

const clockTag = (1 << 3) | wireType.fixed64;
const operationTag = (2 << 3) | wireType.bytes;
const helloTag = (3 << 3) | wireType.bytes;
const goodbyeTag = (4 << 3) | wireType.bytes;
/** The clock, and the prefix of what else a frame may hold once. */
const frameOverheadBytes = 32;

/** Encodes the frames of any number of links. The frames it gives are never written again. */
export class FrameEncoder {
  readonly #writer = new BackwardWriter();

  /** `operations[from..to)` as one frame; `boundBytes` is the sum of their `operationBound`. */
  operations(clock: number, operations: readonly Operation[], from: number, to: number, boundBytes: number): Buffer {
    assert(to - from <= operationsPerFrameMax, 'too many operations for one frame');
    const writer = this.#writer;
    writer.start(boundBytes + frameOverheadBytes);
    for (let i = to - 1; i >= from; i--) writeOperation(writer, operations[i]!);
    writer.doubleField(clockTag, clock);
    return writer.finish();
  }

  frame(frame: Frame): Buffer {
    const { operations, hello, goodbye } = frame;
    if (hello === undefined && goodbye === undefined) {
      const bound = operations.reduce((sum, operation) => sum + operationBound(operation), 0);
      return this.operations(frame.clock, operations, 0, operations.length, bound);
    }
    assert(operations.length === 0, 'a greeting carries no operations');
    const writer = this.#writer;
    const helloBytes = hello === undefined ? undefined : encodeHello(hello, frame.clock);
    const goodbyeBytes = goodbye === undefined ? undefined : encodeGoodbye(goodbye);
    writer.start(frameOverheadBytes + (helloBytes?.byteLength ?? 0) + (goodbyeBytes?.byteLength ?? 0));
    if (goodbyeBytes !== undefined) writer.bytesField(goodbyeTag, goodbyeBytes);
    if (helloBytes !== undefined) writer.bytesField(helloTag, helloBytes);
    writer.doubleField(clockTag, frame.clock);
    return writer.finish();
  }
}

/**
 * Decodes the frames of one link. Values of puts and answers are views on the frame's bytes: each frame has its own
 * buffer, so they stay valid, but they keep the whole frame alive, and whoever stores one copies it.
 */
export class FrameDecoder {
  readonly #names: Names = { keyspace: '' };

  /** Throws MalformedError on anything that is no frame. Unknown fields are passed over. */
  frame(bytes: Uint8Array): Frame {
    const reader = new Reader(bytes);
    const operations: Operation[] = [];
    let clock = 0;
    let hello: Hello | undefined;
    let goodbye: Goodbye | undefined;
    let count = 0;
    while (reader.at < reader.end) {
      const tag = reader.uint32();
      if (tag === operationTag) {
        if (++count > operationsPerFrameMax) throw new MalformedError(`more than ${operationsPerFrameMax} operations`);
        const end = reader.end;
        reader.end = reader.delimited();
        const operation = readOperation(reader, this.#names);
        reader.end = end;
        if (operation !== undefined) operations.push(operation);
      } else if (tag === clockTag) {
        clock = reader.double();
        if (!(clock >= 0 && Number.isFinite(clock))) throw new MalformedError('the clock is no point in time');
      } else if (tag === helloTag) {
        hello = decodeHello(reader.bytes());
      } else if (tag === goodbyeTag) {
        goodbye = decodeGoodbye(reader.bytes());
      } else {
        reader.skip(tag & 7);
      }
    }
    return { clock, operations, hello, goodbye };
  }
}

export const encodeFrame = (frame: Frame): Buffer => new FrameEncoder().frame(frame);
export const decodeFrame = (bytes: Uint8Array): Frame => new FrameDecoder().frame(bytes);

function encodeHello(hello: Hello, clock: number): Uint8Array {
  const { nonce, proof, ...told } = hello;
  const proofs = { ...(nonce && { nonce }), ...(proof && { proof }) };
  return distcache.v1.Hello.encode({ ...told, ...proofs, clock, state: 'serving' }).finish();
}

function encodeGoodbye(goodbye: Goodbye): Uint8Array {
  const detail = goodbye.detail.slice(0, greetingCharsMax);
  return distcache.v1.Goodbye.encode({ reason: goodbyeReasons.indexOf(goodbye.reason), detail }).finish();
}

function decodeHello(bytes: Uint8Array): Hello {
  const hello = parse(() => distcache.v1.Hello.decode(bytes));
  const { protocol, label, id, name, address, admin, gossip, version, weight, incarnation, hasher } = hello;
  const { nonce, proof } = hello;
  for (const text of [label, id, name, address, admin, gossip, version, hasher]) {
    if (text.length > greetingCharsMax)
      throw new MalformedError(`a greeting's text exceeds ${greetingCharsMax} characters`);
  }
  if (id === '' || name === '') throw new MalformedError('a greeting without id or name');
  if (!(weight >= 0 && Number.isFinite(weight)) || !Number.isFinite(incarnation)) {
    throw new MalformedError('a greeting whose weight or incarnation is no number');
  }
  if (nonce.length > proofBytesMax || proof.length > proofBytesMax)
    throw new MalformedError('a proof of no such length');
  const proofs = { ...(nonce.length > 0 && { nonce }), ...(proof.length > 0 && { proof }) };
  return { protocol, label, id, name, address, admin, gossip, version, weight, incarnation, hasher, ...proofs };
}

function decodeGoodbye(bytes: Uint8Array): Goodbye {
  const { reason, detail } = parse(() => distcache.v1.Goodbye.decode(bytes));
  return { reason: goodbyeReasons[reason] ?? 'REASON_UNSPECIFIED', detail: detail.slice(0, greetingCharsMax) };
}

function parse<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new MalformedError('a greeting cannot be read', { cause });
  }
}
