import type { StreamMessage } from '../../membership/messages.js';
import { compress, inflate } from './compress.js';
import { type Drop, dropOf, GossipFault } from './fault.js';
import { Gathered } from './gathered.js';
import { type LabelPolicy, labelHeader, passLabel } from './label.js';
import { inflatedBytesMax, plainStreamBytesMax, pushPullNodesRead, sealedStreamBytesMax } from './limits.js';
import { encodeStreamMessage } from './messages.js';
import { PackReader } from './msgpack.js';
import type { EncryptionPolicy } from './packet.js';
import { openStream, sealStream, streamFrameBytes } from './seal.js';
import { StreamBody, type StreamKind } from './stream-body.js';
import { messageType } from './structs.js';

/*
 * A stream carries one message each way. From the outside in: label (from the dialler alone), encryption, compression,
 * message; no layer may be missing from the order, none may stand twice.
 *
 * The dialler keeps its side open while it waits for the answer, so nothing here waits for the end of a stream: the
 * reader is fed what arrives and says when the message is whole. Until then it holds what arrived, and it refuses at once
 * whatever announces more than may be held.
 */

/** Who opened the stream. The listener's answer has no label, though its encryption vouches for the label all the same. */
export type StreamRole = 'dialler' | 'listener';

export interface StreamPolicy extends LabelPolicy, EncryptionPolicy {
  /** Compress what is sent, always. What arrives is always inflated. */
  readonly compress: boolean;
  /** Nodes read from one push/pull: by default 65536, at most 1048576. */
  readonly nodesMax?: number;
}

export type StreamStep =
  | { readonly is: 'more' }
  | { readonly is: 'message'; readonly message: StreamMessage }
  /** Close the stream. `reply` goes out before, where the protocol has an answer to what was wrong. */
  | { readonly is: 'refused'; readonly drop: Drop; readonly reply: Uint8Array | undefined };

const expectedBy: Readonly<Record<StreamRole, ReadonlySet<StreamKind>>> = {
  dialler: new Set(['pushPull', 'ack', 'err']),
  listener: new Set(['pushPull', 'user', 'ping']),
};

export class StreamCodec {
  readonly #policy: StreamPolicy;

  constructor(policy: StreamPolicy) {
    this.#policy = policy;
  }

  /**
   * All bytes that this side sends on a stream.
   * Throws `tooLarge` when an encrypted message is longer than peers read, `outOfRange` when it cannot be written.
   */
  write(message: StreamMessage, role: StreamRole): Uint8Array {
    const { label, keys, sealVersion, verifyOutgoing, nonce } = this.#policy;
    let bytes = encodeStreamMessage(message);
    if (this.#policy.compress) bytes = compress(bytes);
    if (keys !== undefined && verifyOutgoing) {
      bytes = sealStream(keys, bytes, { version: sealVersion, label, nonce: nonce() });
    }
    return role === 'listener' || label.length === 0 ? bytes : Buffer.concat([labelHeader(label), bytes]);
  }

  /** @param role this side's: it reads what the other side sends */
  reader(role: StreamRole): StreamReader {
    return new StreamReader(this.#policy, role, (error) => this.write({ is: 'err', error }, role));
  }
}

/** Reads one message. Takes any bytes in any pieces, and never throws. */
export class StreamReader {
  readonly #policy: StreamPolicy;
  readonly #role: StreamRole;
  readonly #answer: (error: string) => Uint8Array;
  readonly #arrived = new Gathered();
  readonly #body: StreamBody;
  #neededBytes = 1;
  /** Peers are told of faults in the layers, not of those around or within them. */
  #inLayers = false;
  #done = false;

  constructor(policy: StreamPolicy, role: StreamRole, answer: (error: string) => Uint8Array) {
    this.#policy = policy;
    this.#role = role;
    this.#answer = answer;
    this.#body = new StreamBody(expectedBy[role], policy.nodesMax ?? pushPullNodesRead);
  }

  /** `message` and `refused` come once; what arrives afterwards is ignored. */
  push(piece: Uint8Array): StreamStep {
    if (this.#done) return { is: 'more' };
    this.#arrived.add(piece);
    if (this.#arrived.length < this.#neededBytes) return { is: 'more' };
    try {
      const message = this.#read(this.#arrived.view());
      this.#finish();
      return { is: 'message', message };
    } catch (error) {
      return this.#missing(error) ? { is: 'more' } : this.#refuse(dropOf(error));
    }
  }

  /** The other side sends no more. Gives what that costs: a message that was not whole. */
  end(): Drop | undefined {
    if (this.#done) return undefined;
    const heldBytes = this.#arrived.length;
    this.#finish();
    if (heldBytes === 0) return { reason: 'empty', detail: 'the stream ended before its first byte' };
    return { reason: 'truncated', detail: `the stream ended within its message, after ${heldBytes} bytes` };
  }

  #read(bytes: Uint8Array): StreamMessage {
    const start = this.#role === 'listener' ? passLabel(bytes, this.#policy) : 0;
    this.#inLayers = true;
    const type = bytes[start];
    if (type === undefined) throw new GossipFault('truncated', 'nothing behind the label yet', start + 1);
    if (type === messageType.encrypt) {
      const plain = this.#open(bytes, start);
      return whole(() => this.#uncompressed(plain));
    }
    if (this.#policy.keys !== undefined && this.#policy.verifyIncoming) {
      throw new GossipFault('unencrypted', 'Encryption is configured but remote state is not encrypted');
    }
    return this.#uncompressed(bytes, start);
  }

  #open(bytes: Uint8Array, start: number): Uint8Array {
    const { keys, label } = this.#policy;
    if (keys === undefined) {
      const detail = 'Remote state is encrypted and encryption is not configured';
      throw new GossipFault('unexpectedlyEncrypted', detail);
    }
    const reader = new PackReader(bytes, start);
    reader.need(streamFrameBytes);
    const length = new DataView(bytes.buffer, bytes.byteOffset + start).getUint32(1);
    if (length > sealedStreamBytesMax) {
      throw new GossipFault('tooLarge', `Remote node state is larger than limit (${length})`);
    }
    reader.need(streamFrameBytes + length);
    const from = start + streamFrameBytes;
    return openStream(keys, bytes.subarray(start, from), bytes.subarray(from, from + length), label);
  }

  #uncompressed(bytes: Uint8Array, start = 0): StreamMessage {
    if (bytes[start] !== messageType.compress) {
      this.#inLayers = false;
      return this.#body.read(bytes, start);
    }
    const inflated = inflate(new PackReader(bytes, start + 1), inflatedBytesMax);
    this.#inLayers = false;
    return whole(() => this.#body.read(inflated, 0));
  }

  /** True when the fault is that more has to arrive, and that may be waited for. */
  #missing(error: unknown): boolean {
    if (!(error instanceof GossipFault) || error.reason !== 'truncated' || error.neededBytes === 0) return false;
    this.#neededBytes = error.neededBytes;
    return error.neededBytes <= plainStreamBytesMax;
  }

  #refuse(fault: Drop): StreamStep {
    const drop: Drop =
      fault.reason === 'truncated' && this.#neededBytes > plainStreamBytesMax
        ? {
            reason: 'tooLarge',
            detail: `the stream announces ${this.#neededBytes} bytes, ${plainStreamBytesMax} are read`,
          }
        : fault;
    const answers = this.#inLayers && this.#role === 'listener';
    this.#finish();
    return { is: 'refused', drop, reply: answers ? this.#answer(drop.detail) : undefined };
  }

  #finish(): void {
    this.#done = true;
    this.#arrived.clear();
  }
}

/** Reads from bytes that are all there: no more of them can mend a truncated message. */
function whole<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof GossipFault) || error.reason !== 'truncated') throw error;
    throw new GossipFault('truncated', error.detail);
  }
}
