import { assert } from '../base/assert.js';

/** Many small frames share one chunk; a frame that would not fit gets a buffer of its own size. */
const chunkBytes = 64 * 1024;

/**
 * Writes protobuf from the last byte to the first, so that the length of a nested message is known when its prefix is
 * due, and nothing is measured twice or moved. Fields are therefore written in reverse order.
 *
 * The caller reserves an upper bound for the whole message first; single writes do not check.
 */
export class BackwardWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(chunkBytes);
  #view = new DataView(this.#bytes.buffer, 0, chunkBytes);
  /** The next byte goes right below here. */
  #at = chunkBytes;
  #floor = 0;
  #end = chunkBytes;

  /** Starts a message of at most `boundBytes`. */
  start(boundBytes: number): void {
    if (boundBytes > this.#at) {
      const size = Math.max(chunkBytes, boundBytes);
      this.#bytes = Buffer.allocUnsafeSlow(size);
      this.#view = new DataView(this.#bytes.buffer, 0, size);
      this.#at = size;
    }
    this.#end = this.#at;
    this.#floor = this.#at - boundBytes;
  }

  /** The message, for the receiver to keep: its bytes are not written again. */
  finish(): Buffer {
    assert(this.#at >= this.#floor, 'a message is longer than its bound');
    return this.#bytes.subarray(this.#at, this.#end);
  }

  /** A mark for `nested`: where the message that is about to be written ends. */
  mark(): number {
    return this.#at;
  }

  /** Puts tag and length before everything written since `mark`. */
  nested(tag: number, mark: number): void {
    this.varint(mark - this.#at);
    this.varint(tag);
  }

  varint(value: number): void {
    const bytes = this.#bytes;
    if (value < 0x80) {
      bytes[--this.#at] = value;
      return;
    }
    let at = this.#at - (value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5);
    this.#at = at;
    let rest = value;
    while (rest >= 0x80) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest = rest >>> 7;
    }
    bytes[at] = rest;
  }

  uint32Field(tag: number, value: number): void {
    if (value === 0) return;
    this.varint(value);
    this.varint(tag);
  }

  /** Zero is written too: for fields whose presence says something. */
  doubleField(tag: number, value: number): void {
    this.#at -= 8;
    this.#view.setFloat64(this.#at, value, true);
    this.varint(tag);
  }

  bytesField(tag: number, value: Uint8Array): void {
    this.#at -= value.byteLength;
    this.#bytes.set(value, this.#at);
    this.varint(value.byteLength);
    this.varint(tag);
  }

  stringField(tag: number, value: string): void {
    this.#text(value);
    this.varint(tag);
  }

  #text(value: string): void {
    const bytes = this.#bytes;
    const length = value.length;
    if (length <= 48) {
      const start = this.#at - length - 1;
      let i = 0;
      for (; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code >= 0x80) break;
        bytes[start + 1 + i] = code;
      }
      if (i === length) {
        bytes[start] = length;
        this.#at = start;
        return;
      }
    }
    const byteLength = Buffer.byteLength(value);
    this.#at -= byteLength;
    bytes.write(value, this.#at, byteLength, 'utf8');
    this.varint(byteLength);
  }
}
