import { xxh3 } from '@node-rs/xxhash';
import { expect } from 'chai';
import { xxh3Hasher } from '../../../src/platform/hasher.js';

describe('xxh3Hasher', () => {
  const texts = [
    '',
    'a',
    'user:42',
    'a\0b',
    '%2F',
    '__proto__',
    'line\nbreak',
    'ключ',
    '😀',
    '\u00e9',
    'e\u0301',
    'x'.repeat(5000),
  ];
  for (const text of texts) {
    it(`hashes the UTF-8 bytes of ${JSON.stringify(text.slice(0, 20))}`, () => {
      expect(xxh3Hasher.hash(text)).to.equal(Number(xxh3.xxh64(Buffer.from(text)) % 2n ** 32n));
    });
  }

  it('keeps its published values, since all nodes of a cluster must agree across releases', () => {
    expect(['', 'user:42', '😀'].map((text) => xxh3Hasher.hash(text))).to.deep.equal([
      953390274, 4201739434, 564166798,
    ]);
  });

  it('uses all 32 bits evenly', () => {
    const ones = new Array<number>(32).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const hash = xxh3Hasher.hash(`key-${i}`);
      for (let bit = 0; bit < 32; bit++) ones[bit]! += (hash >>> bit) & 1;
    }
    for (const count of ones) expect(count).to.be.within(9500, 10_500);
  });
});
