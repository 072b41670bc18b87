import { GossipFault } from './fault.js';

/*
 * LZW in the dialect of GIF and of Go's compress/lzw with 8-bit literals: codes of 9 to 12 bits, the low bits first.
 * Codes below 256 are bytes, 256 empties the table, 257 ends the data, and from 258 on each new code stands for the
 * string of the code before it and one byte more.
 *
 * Both sides count codes: `high` is 257 after a clear and grows by one with every data code, and the code that moves it
 * to 512, 1024 or 2048 is the last of its width. The reader learns the string for `high` only from the code that
 * follows, so a code equal to `high` means "the string before, and its own first byte again". A writer clears the table
 * when `high` reaches 4095. A reader bears one that does not: its table then stays as it is.
 *
 * The reader keeps no strings: every one of them is the copy of a string that it has just written, together with the
 * byte after it, so a place and a length within the output name it.
 *
 * Cost: O(1) a byte written, one hash lookup a byte read. A few bytes can inflate a thousandfold; the caller says how
 * far that may go, and the output never grows beyond it.
 */

const clear = 256;
const end = 257;
const widthMin = 9;
const widthMax = 12;
const highMax = 2 ** widthMax - 1;

/** @returns what any LZW reader of this dialect inflates to `bytes` */
export function compressLzw(bytes: Uint8Array): Uint8Array {
  const bits = new BitWriter(bytes.length);
  /** From (code of a string, byte after it) to the code of both. */
  const table = new Map<number, number>();
  let high = end;
  let width = widthMin;
  bits.write(clear, width);
  let code = bytes[0];

  /** Writes a data code. False when it filled the table, which is empty again. */
  const write = (data: number): boolean => {
    bits.write(data, width);
    high++;
    if (high === 1 << width) width++;
    if (high < highMax) return true;
    bits.write(clear, width);
    table.clear();
    high = end;
    width = widthMin;
    return false;
  };

  for (let i = 1; i < bytes.length; i++) {
    const byte = bytes[i]!;
    const key = (code! << 8) | byte;
    const longer = table.get(key);
    if (longer !== undefined) {
      code = longer;
      continue;
    }
    if (write(code!)) table.set(key, high);
    code = byte;
  }
  if (code !== undefined) write(code);
  bits.write(end, width);
  return bits.finish();
}

/**
 * Inflates. What follows the end code is ignored.
 * @param bytesMax more output than this is `tooLarge`; anything that is no LZW, or ends before its end code, is
 *   `compressData`
 */
export function inflateLzw(bytes: Uint8Array, bytesMax: number): Uint8Array {
  // No code defines more than one string, and none is shorter than 9 bits: short inputs need short tables.
  const codesMax = Math.min(highMax + 1, end + 2 + bytes.length);
  const startOf = new Uint32Array(codesMax);
  const lengthOf = new Uint32Array(codesMax);
  let out = Buffer.allocUnsafeSlow(Math.min(bytesMax, 4 * bytes.length + 64));
  let length = 0;
  let high = end;
  let width = widthMin;
  /** Length of the string before, which ends where the output ends; 0 behind a clear and in a full table. */
  let before = 0;
  let full = false;
  let held = 0;
  let heldBits = 0;
  let at = 0;

  for (;;) {
    while (heldBits < width) {
      if (at === bytes.length) throw new GossipFault('compressData', 'the compressed data ends before its end code');
      held |= bytes[at++]! << heldBits;
      heldBits += 8;
    }
    const code = held & ((1 << width) - 1);
    held >>>= width;
    heldBits -= width;

    if (code === end) return new Uint8Array(out.subarray(0, length));
    if (code === clear) {
      high = end;
      width = widthMin;
      before = 0;
      full = false;
      continue;
    }
    const repeats = code === high && before > 0;
    if (code > high || (code === high && !repeats && !full)) {
      throw new GossipFault('compressData', `the compressed data holds the code ${code} before it is defined`);
    }
    const from = repeats ? length - before : startOf[code]!;
    const count = code < clear ? 1 : repeats ? before + 1 : lengthOf[code]!;
    if (length + count > bytesMax) throw new GossipFault('tooLarge', `inflates to more than ${bytesMax} bytes`);
    if (length + count > out.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(bytesMax, Math.max(2 * out.length, length + count)));
      out.copy(larger, 0, 0, length);
      out = larger;
    }
    if (code < clear) out[length] = code;
    else out.copyWithin(length, from, from + count);
    // Within a repetition the last byte lies beyond what could be copied: it is the first of the copy itself.
    if (repeats) out[length + count - 1] = out[from]!;
    if (before > 0) {
      startOf[high] = length - before;
      lengthOf[high] = before + 1;
    }
    length += count;
    before = count;
    high++;
    if (high < 1 << width) continue;
    if (width < widthMax) {
      width++;
    } else {
      high = highMax;
      before = 0;
      full = true;
    }
  }
}

/** Packs codes from the low bits of each byte on. */
class BitWriter {
  #bytes: Buffer;
  #length = 0;
  #held = 0;
  #heldBits = 0;

  constructor(expectedBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(expectedBytes + 16);
  }

  write(code: number, width: number): void {
    this.#held |= code << this.#heldBits;
    this.#heldBits += width;
    while (this.#heldBits >= 8) this.#flushByte();
  }

  finish(): Uint8Array {
    if (this.#heldBits > 0) this.#flushByte();
    return new Uint8Array(this.#bytes.subarray(0, this.#length));
  }

  #flushByte(): void {
    if (this.#length === this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.allocUnsafeSlow(this.#bytes.length)]);
    }
    this.#bytes[this.#length++] = this.#held & 0xff;
    this.#held >>>= 8;
    this.#heldBits -= 8;
  }
}
