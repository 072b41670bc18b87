import { GossipFault } from './fault.js';
import { byteArrayMax, skippedValuesMax, structEntriesMax } from './limits.js';

/*
 * The part of msgpack that memberlist speaks. Messages are Go structs, written as maps from field names to values. What
 * is written is the one form that every Go codec writes and reads: keys in ascending order of their bytes, the old raw
 * family for both text and bytes (never str8, never bin), nil for no bytes, the smallest unsigned form for numbers.
 * What is read is whatever any of those codecs accepts: any key order, unknown and missing keys, nil for anything, any
 * width of number that fits its field, bin and arrays for bytes, 0 and 1 for bool, a struct as an array in the order of
 * its declaration.
 *
 * The bytes come from strangers. Nothing is allocated by a length before it was compared with what is there, and nothing
 * recurses. Where bytes are missing, the fault tells how many there must be at least, counting one byte for every value
 * still owed: a stream that waits for that many tries a message again a few times, not once per byte.
 */

/** `text` is one character per byte (latin1); `bytes` are copied, a `view` lives as long as its input. */
export type Kind = 'text' | 'bytes' | 'view' | 'u8' | 'u16' | 'u32' | 'int' | 'bool';

/** A Go struct: field names to kinds, in the order of its declaration. */
export type Shape = Readonly<Record<string, Kind>>;

type ValueOf<K extends Kind> = K extends 'text'
  ? string
  : K extends 'bytes' | 'view'
    ? Uint8Array
    : K extends 'bool'
      ? boolean
      : number;

export type Fields<S extends Shape> = { -readonly [Name in keyof S]: ValueOf<S[Name]> };

type Value = string | Uint8Array | number | boolean;

const maxOf = { u8: 0xff, u16: 0xffff, u32: 0xffff_ffff, int: Number.MAX_SAFE_INTEGER } as const;

const nil = 0xc0;
const malformed = (what: string): GossipFault => new GossipFault('malformed', what);

/** A struct's fields, zero where they are missing or nil. Reads from `reader.at` on and leaves it behind the struct. */
export function readStruct<S extends Shape>(reader: PackReader, shape: S): Fields<S> {
  const fields: Record<string, Value> = {};
  for (const name in shape) fields[name] = zeroOf(shape[name]!);
  const { named, count } = reader.struct();
  const order = named ? undefined : Object.keys(shape);
  for (let i = 0; i < count; i++) {
    reader.need(named ? 2 * (count - i) : count - i);
    const name = order === undefined ? reader.text() : order[i];
    if (name !== undefined && Object.hasOwn(shape, name)) fields[name] = reader.value(shape[name]!, name);
    else reader.skip();
  }
  return fields as Fields<S>;
}

/** Appends a struct. Fields in `omitEmpty` are left out when zero, as Go does with those tagged so. */
export function writeStruct<S extends Shape>(
  writer: PackWriter,
  shape: S,
  fields: Fields<S>,
  omitEmpty: readonly string[] = [],
): void {
  const names = Object.keys(shape)
    .filter((name) => !(omitEmpty.includes(name) && isZero(fields[name] as Value)))
    .sort();
  writer.map(names.length);
  for (const name of names) {
    writer.text(name);
    writer.value(shape[name]!, fields[name] as Value, name);
  }
}

function zeroOf(kind: Kind): Value {
  switch (kind) {
    case 'text':
      return '';
    case 'bytes':
    case 'view':
      return new Uint8Array();
    case 'bool':
      return false;
    default:
      return 0;
  }
}

const isZero = (value: Value): boolean => (value instanceof Uint8Array ? value.length === 0 : !value);

export class PackReader {
  readonly #bytes: Buffer;

  constructor(
    bytes: Uint8Array,
    /** Where the next value starts. */
    public at = 0,
  ) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Throws `truncated` unless `count` bytes follow. */
  need(count: number): void {
    const neededBytes = this.at + count;
    if (neededBytes > this.#bytes.length) {
      throw new GossipFault('truncated', 'the message ends inside a value', neededBytes);
    }
  }

  /** The header of a struct: a map from names, or an array in order; nil is a struct of zeros. */
  struct(): { readonly named: boolean; readonly count: number } {
    const head = this.#byte();
    let count = 0;
    let named = true;
    if (head >= 0x80 && head <= 0x8f) count = head & 0x0f;
    else if (head === 0xde || head === 0xdf) count = this.#uint(head === 0xde ? 2 : 4);
    else if (head !== nil) {
      named = false;
      if (head >= 0x90 && head <= 0x9f) count = head & 0x0f;
      else if (head === 0xdc || head === 0xdd) count = this.#uint(head === 0xdc ? 2 : 4);
      else throw malformed(`0x${head.toString(16)} where a struct belongs`);
    }
    if (count > structEntriesMax) throw new GossipFault('tooMany', `a struct of ${count} entries`);
    return { named, count };
  }

  value(kind: Kind, name: string): Value {
    if (kind === 'text') return this.text();
    if (kind === 'view') return this.#view();
    if (kind === 'bytes') return new Uint8Array(this.#view());
    if (kind === 'bool') return this.#bool(name);
    const value = this.#integer();
    if (value < 0 || value > maxOf[kind]) throw new GossipFault('outOfRange', `${name} is ${value}, no ${kind}`);
    return value;
  }

  /** One character for each byte; '' for nil. */
  text(): string {
    const head = this.#byte();
    if (head === nil) return '';
    const length = this.#rawLength(head);
    if (length === undefined) throw malformed(`0x${head.toString(16)} where text belongs`);
    const view = this.#take(length);
    return view.toString('latin1');
  }

  /** Passes over one value of any kind, however deep. */
  skip(): void {
    let owed = 1;
    for (let seen = 0; owed > 0; seen++) {
      if (seen >= skippedValuesMax) throw new GossipFault('tooMany', 'an unknown field holds too many values');
      this.need(owed);
      owed += this.#skipOne() - 1;
    }
  }

  /** Passes over one value or the header of a container; gives how many values the container holds. */
  #skipOne(): number {
    const head = this.#byte();
    if (head < 0x80 || head >= 0xe0) return 0;
    if (head <= 0x8f) return 2 * (head & 0x0f);
    if (head <= 0x9f) return head & 0x0f;
    const raw = this.#rawLength(head);
    if (raw !== undefined) {
      this.#take(raw);
      return 0;
    }
    switch (head) {
      case nil:
      case 0xc2:
      case 0xc3:
        return 0;
      case 0xcc:
      case 0xd0:
        this.#take(1);
        return 0;
      case 0xcd:
      case 0xd1:
        this.#take(2);
        return 0;
      case 0xca:
      case 0xce:
      case 0xd2:
        this.#take(4);
        return 0;
      case 0xcb:
      case 0xcf:
      case 0xd3:
        this.#take(8);
        return 0;
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        this.#take(1 + 2 ** (head - 0xd4));
        return 0;
      case 0xc7:
      case 0xc8:
      case 0xc9:
        this.#take(1 + this.#uint(2 ** (head - 0xc7)));
        return 0;
      case 0xdc:
      case 0xdd:
        return this.#uint(head === 0xdc ? 2 : 4);
      case 0xde:
      case 0xdf:
        return 2 * this.#uint(head === 0xde ? 2 : 4);
      default:
        throw malformed('0xc1 is no msgpack');
    }
  }

  /** Length of a raw, str8 or bin value, or undefined when `head` opens none. */
  #rawLength(head: number): number | undefined {
    if (head >= 0xa0 && head <= 0xbf) return head & 0x1f;
    if (head >= 0xd9 && head <= 0xdb) return this.#uint(2 ** (head - 0xd9));
    if (head >= 0xc4 && head <= 0xc6) return this.#uint(2 ** (head - 0xc4));
    return undefined;
  }

  /** Raw, bin or an array of small numbers; only the last makes a copy. */
  #view(): Uint8Array {
    const head = this.#byte();
    if (head === nil) return new Uint8Array();
    const length = this.#rawLength(head);
    if (length !== undefined) return this.#take(length);
    let count: number;
    if (head >= 0x90 && head <= 0x9f) count = head & 0x0f;
    else if (head === 0xdc || head === 0xdd) count = this.#uint(head === 0xdc ? 2 : 4);
    else throw malformed(`0x${head.toString(16)} where bytes belong`);
    if (count > byteArrayMax) throw new GossipFault('tooLarge', `${count} bytes as an array of numbers`);
    this.need(count);
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      this.need(count - i);
      const value = this.#integer();
      if (value < 0 || value > 0xff) throw new GossipFault('outOfRange', `${value} where a byte belongs`);
      bytes[i] = value;
    }
    return bytes;
  }

  #bool(name: string): boolean {
    const head = this.#bytes[this.at];
    if (head === 0xc2 || head === 0xc3) {
      this.at++;
      return head === 0xc3;
    }
    const value = this.#integer();
    if (value !== 0 && value !== 1) throw new GossipFault('outOfRange', `${name} is ${value}, no bool`);
    return value === 1;
  }

  /** Any width, signed or not; beyond 2 ** 53 it is inexact, and out of every field's range. */
  #integer(): number {
    const head = this.#byte();
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    switch (head) {
      case nil:
        return 0;
      case 0xcc:
        return this.#uint(1);
      case 0xcd:
        return this.#uint(2);
      case 0xce:
        return this.#uint(4);
      case 0xcf:
        return this.#uint(4) * 2 ** 32 + this.#uint(4);
      case 0xd0:
        return (this.#uint(1) << 24) >> 24;
      case 0xd1:
        return (this.#uint(2) << 16) >> 16;
      case 0xd2:
        return this.#uint(4) | 0;
      case 0xd3:
        return (this.#uint(4) | 0) * 2 ** 32 + this.#uint(4);
      default:
        throw malformed(`0x${head.toString(16)} where a whole number belongs`);
    }
  }

  #byte(): number {
    this.need(1);
    return this.#bytes[this.at++]!;
  }

  #uint(size: number): number {
    this.need(size);
    const value = this.#bytes.readUIntBE(this.at, size);
    this.at += size;
    return value;
  }

  #take(length: number): Buffer {
    this.need(length);
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
}

const firstBytes = 256;

export class PackWriter {
  #bytes = Buffer.allocUnsafeSlow(firstBytes);
  #length = 0;

  /** A header for `count` pairs; no struct has more than fit the short form. */
  map(count: number): void {
    this.byte(0x80 | count);
  }

  value(kind: Kind, value: Value, name: string): void {
    if (typeof value === 'string') this.text(value);
    else if (typeof value === 'boolean') this.byte(value ? 0xc3 : 0xc2);
    else if (typeof value !== 'number') this.#rawOrNil(value);
    else this.#unsigned(value, maxOf[kind as keyof typeof maxOf], name);
  }

  /** @param text one character for each byte; a character beyond U+00FF throws `outOfRange` */
  text(text: string): void {
    for (let i = 0; i < text.length; i++) {
      if (text.charCodeAt(i) > 0xff) throw new GossipFault('outOfRange', 'a name holds a character that is no byte');
    }
    this.#rawHeader(text.length);
    this.#reserve(text.length);
    this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Bytes as they are, without a header. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What was written: a copy of its own. */
  finish(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(0, this.#length));
  }

  #rawOrNil(bytes: Uint8Array): void {
    if (bytes.length === 0) {
      this.byte(nil);
      return;
    }
    this.#rawHeader(bytes.length);
    this.raw(bytes);
  }

  #rawHeader(length: number): void {
    if (length <= 31) this.byte(0xa0 | length);
    else if (length <= 0xffff) this.#headed(0xda, length, 2);
    else this.#headed(0xdb, length, 4);
  }

  #unsigned(value: number, max: number, name: string): void {
    if (!Number.isInteger(value) || value < 0 || value > Math.min(max, 0xffff_ffff)) {
      throw new GossipFault('outOfRange', `${name} is ${value}, must be a whole number of at most ${max}`);
    }
    if (value <= 0x7f) this.byte(value);
    else if (value <= 0xff) this.#headed(0xcc, value, 1);
    else if (value <= 0xffff) this.#headed(0xcd, value, 2);
    else this.#headed(0xce, value, 4);
  }

  #headed(head: number, value: number, size: number): void {
    this.byte(head);
    this.#reserve(size);
    this.#length = this.#bytes.writeUIntBE(value, this.#length, size);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#length + count));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
