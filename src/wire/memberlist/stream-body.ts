import type { PushNodeState, StreamMessage } from '../../membership/messages.js';
import { GossipFault } from './fault.js';
import { pushPullNodesMax, streamStructBytesMax, userMessageBytesMax, userStateBytesMax } from './limits.js';
import { decodeAck, decodeErr, decodeNodeState, decodePing } from './messages.js';
import { type Fields, PackReader, readStruct } from './msgpack.js';
import { messageType, pushPullHeaderShape, userHeaderShape } from './structs.js';

export type StreamKind = StreamMessage['is'];

/**
 * Reads the message within a stream, its layers taken off. No length stands before it and its sender keeps the stream
 * open, so it is complete when its values are: `read` is called again with more bytes after each `truncated`, and goes
 * on behind the last whole node state.
 */
export class StreamBody {
  readonly #expected: ReadonlySet<StreamKind>;
  readonly #nodesMax: number;
  #at = 0;
  #type: number | undefined;
  #header: Fields<typeof pushPullHeaderShape> | undefined;
  #userHeader: Fields<typeof userHeaderShape> | undefined;
  #nodesRead = 0;
  readonly #nodes: PushNodeState[] = [];

  constructor(expected: ReadonlySet<StreamKind>, nodesMax: number) {
    this.#expected = expected;
    this.#nodesMax = Math.min(nodesMax, pushPullNodesMax);
  }

  /**
   * @param bytes all that arrived so far; what follows the message is ignored
   * @param start where its type byte stands, the same in every call
   */
  read(bytes: Uint8Array, start: number): StreamMessage {
    this.#type ??= this.#readType(bytes, start);
    switch (this.#type) {
      case messageType.pushPull:
        return this.#readPushPull(bytes);
      case messageType.user: {
        const reader = new PackReader(bytes, this.#at);
        this.#userHeader ??= this.#struct(reader, (within) => readStruct(within, userHeaderShape));
        checkPayload(this.#userHeader.UserMsgLen, userMessageBytesMax);
        return { is: 'user', payload: payloadOf(bytes, reader, this.#userHeader.UserMsgLen) };
      }
      case messageType.ping:
        return this.#struct(new PackReader(bytes, this.#at), decodePing);
      case messageType.ack:
        return this.#struct(new PackReader(bytes, this.#at), decodeAck);
      default:
        return this.#struct(new PackReader(bytes, this.#at), decodeErr);
    }
  }

  #readType(bytes: Uint8Array, start: number): number {
    const type = bytes[start];
    if (type === undefined) throw new GossipFault('truncated', 'the stream ends before its message', start + 1);
    const kind = kindOfType[type];
    if (kind === undefined || !this.#expected.has(kind)) {
      throw new GossipFault('unsupportedType', `message type ${type} in a stream, where none such is expected`);
    }
    this.#at = start + 1;
    return type;
  }

  #readPushPull(bytes: Uint8Array): StreamMessage {
    const reader = new PackReader(bytes, this.#at);
    this.#header ??= this.#struct(reader, (within) => readStruct(within, pushPullHeaderShape));
    const { Join: join, Nodes: nodeCount, UserStateLen: stateLength } = this.#header;
    if (nodeCount > this.#nodesMax) {
      throw new GossipFault('tooMany', `a push/pull of ${nodeCount} nodes; at most ${this.#nodesMax} are read`);
    }
    checkPayload(stateLength, userStateBytesMax);
    for (; this.#nodesRead < nodeCount; this.#nodesRead++) {
      reader.need(nodeCount - this.#nodesRead);
      const node = this.#struct(reader, decodeNodeState);
      if (node !== undefined) this.#nodes.push(node);
    }
    return { is: 'pushPull', join, nodes: this.#nodes, userState: payloadOf(bytes, reader, stateLength) };
  }

  /** Reads one struct, and remembers where it ended. One that takes too many bytes is neither waited for nor believed. */
  #struct<T>(reader: PackReader, read: (reader: PackReader) => T): T {
    const checkEnd = (end: number): void => {
      if (end - this.#at <= streamStructBytesMax) return;
      throw new GossipFault('tooLarge', `one entry of the stream exceeds ${streamStructBytesMax} bytes`);
    };
    try {
      const value = read(reader);
      checkEnd(reader.at);
      this.#at = reader.at;
      return value;
    } catch (error) {
      if (error instanceof GossipFault) checkEnd(error.neededBytes);
      throw error;
    }
  }
}

const kindOfType: Readonly<Record<number, StreamKind>> = {
  [messageType.pushPull]: 'pushPull',
  [messageType.user]: 'user',
  [messageType.ping]: 'ping',
  [messageType.ack]: 'ack',
  [messageType.err]: 'err',
};

function checkPayload(length: number, bytesMax: number): void {
  if (length > bytesMax) throw new GossipFault('tooLarge', `${length} bytes of the application; ${bytesMax} are read`);
}

function payloadOf(bytes: Uint8Array, reader: PackReader, length: number): Uint8Array {
  reader.need(length);
  return new Uint8Array(bytes.subarray(reader.at, reader.at + length));
}
