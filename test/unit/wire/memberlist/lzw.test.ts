import { expect } from 'chai';
import { compressLzw, inflateLzw } from '../../../../src/wire/memberlist/lzw.js';
import { type Seeded, seeded } from '../../../support/seeded.js';
import { ascii, concat, faultOf, hex, none, randomBytes, toHex } from './samples.js';

const big = 1 << 24;

describe('memberlist LZW', () => {
  it('agrees with its twin on random inputs of up to 60 kB', () => {
    const random = seeded('lzw');
    for (let i = 0; i < 60; i++) {
      const plain = randomPlain(random, i < 50 ? 3000 : 60_000);
      const where = `seed ${random.seed} step ${i}, ${plain.length} bytes`;
      const packed = compressLzw(plain);
      expect(Buffer.compare(packed, twinCompress(plain)), where).to.equal(0);
      expect(Buffer.compare(inflateLzw(packed, plain.length), plain), where).to.equal(0);
      expect(Buffer.compare(twinInflate(packed), plain), where).to.equal(0);
    }
  });

  it('comes back around each length at which a code grows or the table is emptied', () => {
    const random = seeded('lzw-edges');
    // Random bytes hardly repeat: nearly every byte is a code, so these lengths pass 512, 1024, 2048 and 4095 codes.
    const noise = randomBytes(random, 9000);
    const edges = [255, 767, 1791, 3838, 7676].flatMap((at) => Array.from({ length: 40 }, (_, i) => at - 20 + i));
    for (const length of edges) {
      const plain = noise.subarray(0, length);
      const packed = compressLzw(plain);
      expect(Buffer.compare(inflateLzw(packed, length), plain), `${length} bytes`).to.equal(0);
      expect(Buffer.compare(packed, twinCompress(plain)), `${length} bytes`).to.equal(0);
    }
  });

  it('reads what begins without a clear, as older Go peers write', () => {
    expect(inflateLzw(codes([97, 98, 258, 257]), big)).to.deep.equal(ascii('abab'));
    expect(inflateLzw(codes([257]), big)).to.deep.equal(none);
  });

  it('reads clears in the middle and one after the other', () => {
    expect(inflateLzw(codes([256, 97, 256, 256, 98, 99, 258, 256, 100, 257]), big)).to.deep.equal(ascii('abcbcd'));
  });

  it('reads a string that holds itself', () => {
    expect(inflateLzw(codes([256, 97, 258, 259, 260, 257]), big)).to.deep.equal(ascii('a'.repeat(10)));
  });

  it('keeps a full table that is never emptied, as the twin does', () => {
    const random = seeded('lzw-full');
    const list = Array.from({ length: 6000 }, (_, i) => (i === 0 ? 97 : random.below(Math.min(257 + i, 4096))));
    const packed = codes(list.map((code) => (code === 256 || code === 257 ? 98 : code)).concat(257));
    expect(Buffer.compare(inflateLzw(packed, big), twinInflate(packed))).to.equal(0);
  });

  it('ignores what follows the end', () => {
    expect(inflateLzw(concat(hex('00c30404'), randomBytes(seeded('tail'), 50)), big)).to.deep.equal(ascii('a'));
  });

  const refused: readonly [string, Uint8Array, string][] = [
    ['no bytes', none, 'compressData'],
    ['a clear and nothing more', hex('0001'), 'compressData'],
    ['data without an end', compressLzw(ascii('abcabcabc')).slice(0, -2), 'compressData'],
    ['a code that is not defined', codes([256, 97, 259, 257]), 'compressData'],
    ['a string before any byte', codes([256, 258, 257]), 'compressData'],
    ['a string behind a clear', codes([256, 97, 98, 99, 256, 258, 257]), 'compressData'],
    ['more than is allowed', compressLzw(new Uint8Array(1001)), 'tooLarge'],
  ];
  for (const [name, bytes, reason] of refused) {
    it(`refuses ${name}`, () => expect(faultOf(() => inflateLzw(bytes, 1000))).to.equal(reason));
  }

  it('inflates to exactly what is allowed', () => {
    expect(inflateLzw(compressLzw(new Uint8Array(1000)), 1000)).to.have.length(1000);
    expect(inflateLzw(hex('000302'), 0)).to.have.length(0);
    expect(faultOf(() => inflateLzw(hex('00c30404'), 0))).to.equal('tooLarge');
  });
});

/** Noise, runs, words, or text over few letters. */
function randomPlain(random: Seeded, lengthMax: number): Uint8Array {
  const length = random.below(lengthMax + 1);
  const letters = random.pick([1, 2, 4, 64, 256]);
  if (random.chance(0.3)) {
    const words = Array.from({ length: 20 }, () => toHex(randomBytes(random, random.between(1, 9))));
    return ascii(Array.from({ length: Math.ceil(length / 10) }, () => random.pick(words)).join('')).slice(0, length);
  }
  return randomBytes(random, length).map((byte) => byte % letters);
}

/** Codes as bytes, each as wide as the reader expects it there. */
function codes(list: readonly number[]): Uint8Array {
  let bits = '';
  let high = 257;
  for (const code of list) {
    const width = Math.min(12, Math.max(9, high.toString(2).length));
    bits += [...code.toString(2).padStart(width, '0')].reverse().join('');
    high = code === 256 ? 257 : Math.min(4096, high + 1);
  }
  return Uint8Array.from(bits.match(/.{1,8}/g) ?? [], (byte) => Number.parseInt([...byte].reverse().join(''), 2));
}

/** Strings in a map, codes in a list. */
function twinCompress(plain: Uint8Array): Uint8Array {
  const list = [256];
  let table = new Map<string, number>();
  let high = 257;
  let held = '';
  const codeOf = (text: string): number | undefined => (text.length === 1 ? text.charCodeAt(0) : table.get(text));
  const write = (text: string, longer: string): void => {
    list.push(codeOf(text)!);
    high++;
    if (high === 4095) {
      list.push(256);
      table = new Map();
      high = 257;
    } else {
      table.set(longer, high);
    }
  };
  for (const byte of plain) {
    const longer = held + String.fromCharCode(byte);
    if (codeOf(longer) !== undefined) {
      held = longer;
    } else {
      write(held, longer);
      held = String.fromCharCode(byte);
    }
  }
  if (held !== '') write(held, '');
  return codes([...list, 257]);
}

/** Bits as text, strings in a list. */
function twinInflate(packed: Uint8Array): Uint8Array {
  const bits = [...packed].map((byte) => [...byte.toString(2).padStart(8, '0')].reverse().join('')).join('');
  let table: string[] = [];
  let before = '';
  let high = 257;
  let out = '';
  for (let at = 0; ; ) {
    const width = Math.min(12, Math.max(9, high.toString(2).length));
    const code = Number.parseInt([...bits.slice(at, at + width)].reverse().join(''), 2);
    at += width;
    if (code === 257) return ascii(out);
    if (code === 256) {
      table = [];
      before = '';
      high = 257;
      continue;
    }
    const text = code < 256 ? String.fromCharCode(code) : (table[code - 258] ?? before + before[0]);
    if (before !== '' && table.length < 4096 - 258) table.push(before + text[0]);
    out += text;
    before = text;
    high = Math.min(4096, high + 1);
  }
}
