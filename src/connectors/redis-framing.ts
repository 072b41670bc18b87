import { Buffer } from 'node:buffer';

const carriageReturn = 13;
const endBytes = 2;

/** What may stand in the first line of an answer, by its type; undefined: anything. RESP 2, and what RESP 3 adds. */
const lines: ReadonlyMap<string, RegExp | undefined> = new Map([
  ...[...'+-:('].map((type) => [type, undefined] as const),
  ...[...'$*>'].map((type) => [type, /^(-1|\d{1,10})$/] as const),
  ...[...'=!~%'].map((type) => [type, /^\d{1,10}$/] as const),
  ['_', /^$/],
  ['#', /^[tf]$/],
  [',', /^([+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|inf)|nan)$/],
]);
/** Of these so many bytes follow as the line says. */
const ofBytes = '$=!';
/** Longer than any line that must be something. */
const lineCharsMax = 64;

/**
 * Follows where the answers of a Redis server begin and end, over any pieces. Throws over what is no answer, and over a
 * length that is none: a decoder that counts on it would go back to what it has read, and never come to an end.
 */
export class RedisFraming {
  /** Of the answer, or the element of one, whose first line is under way. */
  #type: string | undefined;
  #line = '';
  /** Of a value, and the end of a line. */
  #skipBytes = 0;

  check(piece: Uint8Array): void {
    for (let at = 0; at < piece.byteLength; ) {
      if (this.#skipBytes > 0) {
        const bytes = Math.min(this.#skipBytes, piece.byteLength - at);
        this.#skipBytes -= bytes;
        at += bytes;
      } else if (this.#type === undefined) {
        this.#begin(String.fromCharCode(piece[at++]!));
      } else {
        at = this.#read(piece, at, this.#type);
      }
    }
  }

  #begin(type: string): void {
    if (!lines.has(type)) throw new Error('it answers what is no RESP');
    this.#type = type;
    this.#line = '';
  }

  /** Gives how far the line reaches. */
  #read(piece: Uint8Array, from: number, type: string): number {
    const found = piece.indexOf(carriageReturn, from);
    const to = found < 0 ? piece.byteLength : found;
    const wanted = lines.get(type);
    if (wanted !== undefined) {
      this.#line += Buffer.from(piece.subarray(from, Math.min(to, from + lineCharsMax))).toString('latin1');
      const isSound = found < 0 ? this.#line.length < lineCharsMax : wanted.test(this.#line);
      if (!isSound) throw new Error('it answers a length or value that is none');
    }
    if (found >= 0) this.#end(type);
    return to;
  }

  #end(type: string): void {
    const hasValue = ofBytes.includes(type) && this.#line !== '-1';
    this.#skipBytes = endBytes + (hasValue ? Number(this.#line) + endBytes : 0);
    this.#type = undefined;
  }
}
