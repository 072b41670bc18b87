import { Buffer } from 'node:buffer';
import { DistcacheError } from '../../base/errors.js';

const newline = 0x0a;
const heldBytesStart = 16 * 1024;

/**
 * Puts lines of UTF-8 together from chunks that end anywhere, also within a character. Holds at most `lineBytesMax` of an
 * unfinished line, in one buffer that doubles: a list of chunks could be as many objects as there are bytes.
 */
export class LineSplitter {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #held = Buffer.alloc(0);
  #heldBytes = 0;

  constructor(private readonly lineBytesMax: number) {}

  /** The lines that this chunk ends, blank ones left out. Throws PEER_UNREACHABLE for one too long or not UTF-8. */
  *push(chunk: Buffer): Generator<string> {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      const line = this.#decode(this.#withHeld(chunk.subarray(from, end)));
      from = end + 1;
      if (line.trim() !== '') yield line;
    }
    if (from < chunk.length) this.#hold(chunk.subarray(from));
  }

  /** Whether a line was begun that nothing has ended yet. */
  get unfinished(): boolean {
    return this.#held.subarray(0, this.#heldBytes).some((byte) => byte > 0x20);
  }

  #withHeld(piece: Buffer): Buffer {
    if (this.#heldBytes === 0) {
      this.#check(piece.length);
      return piece;
    }
    this.#hold(piece);
    const line = this.#held.subarray(0, this.#heldBytes);
    this.#held = Buffer.alloc(0);
    this.#heldBytes = 0;
    return line;
  }

  #hold(piece: Buffer): void {
    const bytes = this.#heldBytes + piece.length;
    this.#check(bytes);
    if (bytes > this.#held.length) {
      const larger = Buffer.alloc(Math.max(heldBytesStart, 2 * this.#held.length, bytes));
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    piece.copy(this.#held, this.#heldBytes);
    this.#heldBytes = bytes;
  }

  #check(bytes: number): void {
    if (bytes <= this.lineBytesMax) return;
    throw new DistcacheError('PEER_UNREACHABLE', `sent a line longer than ${this.lineBytesMax} bytes`);
  }

  #decode(line: Buffer): string {
    try {
      return this.#decoder.decode(line);
    } catch (cause) {
      throw new DistcacheError('PEER_UNREACHABLE', 'sent a line that is not UTF-8', { cause });
    }
  }
}
