import { isUtf8 } from 'node:buffer';

/** Bytes that are no message of ours. Whoever sent them is not believed further: the link that brought them closes. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

const truncated = (): MalformedError => new MalformedError('the message ends inside a field');

export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/**
 * Reads protobuf fields from bytes that nobody vouches for. Nothing is allocated by a length that was read before it was
 * compared with what is there, nothing recurses, and every failure is a MalformedError.
 */
export class Reader {
  at = 0;
  end: number;
  readonly #bytes: Buffer;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = bytes.byteLength;
  }

  /** A varint as an unsigned 32-bit number; higher bits must be absent. */
  uint32(): number {
    const bytes = this.#bytes;
    let at = this.at;
    if (at >= this.end) throw truncated();
    let byte = bytes[at++]!;
    if (byte < 0x80) {
      this.at = at;
      return byte;
    }
    let value = byte & 0x7f;
    for (let shift = 7; shift <= 28; shift += 7) {
      if (at >= this.end) throw truncated();
      byte = bytes[at++]!;
      if (shift === 28 && byte > 0x0f) throw new MalformedError('a number exceeds 32 bits');
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.at = at;
        return value >>> 0;
      }
    }
    throw new MalformedError('a number exceeds 32 bits');
  }

  bool(): boolean {
    return this.uint32() !== 0;
  }

  /** A double that is a number; infinities are for the caller to judge. */
  double(): number {
    const at = this.at;
    if (this.end - at < 8) throw truncated();
    const value = this.#view.getFloat64(at, true);
    if (Number.isNaN(value)) throw new MalformedError('NaN where a number belongs');
    this.at = at + 8;
    return value;
  }

  /** Reads the length of a delimited field and gives its end; the caller narrows `end` to it and widens it again. */
  delimited(): number {
    const length = this.uint32();
    if (length > this.end - this.at) throw truncated();
    return this.at + length;
  }

  /** A view, not a copy: it lives as long as the message it came from. */
  bytes(): Buffer {
    const to = this.delimited();
    const view = this.#bytes.subarray(this.at, to);
    this.at = to;
    return view;
  }

  string(): string {
    const to = this.delimited();
    const text = this.#text(this.at, to);
    this.at = to;
    return text;
  }

  /** As `string`, but gives `known` itself when the bytes say the same: keyspace names repeat in every operation. */
  stringLike(known: string): string {
    const bytes = this.#bytes;
    const from = this.at;
    const to = this.delimited();
    const start = this.at;
    if (to - start === known.length) {
      let i = 0;
      while (i < known.length && bytes[start + i] === known.charCodeAt(i) && bytes[start + i]! < 0x80) i++;
      if (i === known.length) {
        this.at = to;
        return known;
      }
    }
    this.at = from;
    return this.string();
  }

  /** Passes over a field that this release does not know. */
  skip(type: number): void {
    switch (type) {
      case wireType.varint:
        for (let count = 0; count < 10; count++) {
          if (this.at >= this.end) throw truncated();
          if (this.#bytes[this.at++]! < 0x80) return;
        }
        throw new MalformedError('a number exceeds 64 bits');
      case wireType.fixed64:
        this.#advance(8);
        return;
      case wireType.bytes:
        this.at = this.delimited();
        return;
      case wireType.fixed32:
        this.#advance(4);
        return;
      default:
        throw new MalformedError(`wire type ${type} is not used here`);
    }
  }

  #advance(count: number): void {
    if (this.end - this.at < count) throw truncated();
    this.at += count;
  }

  #text(from: number, to: number): string {
    const bytes = this.#bytes;
    // Short keys, nearly all of them ASCII, are read faster here than by crossing into native code.
    if (to - from <= 24) {
      let text = '';
      let at = from;
      while (at < to && bytes[at]! < 0x80) text += String.fromCharCode(bytes[at++]!);
      if (at === to) return text;
    }
    const text = bytes.toString('utf8', from, to);
    // Ill-formed bytes decode to U+FFFD, and two different keys must not become one.
    if (text.includes('\ufffd') && !isUtf8(bytes.subarray(from, to))) throw new MalformedError('text is not UTF-8');
    return text;
  }
}
