import { expect } from 'chai';
import {
  copyBytes,
  copyOut,
  entryBytes,
  entryOverheadBytes,
  keyBytes,
  outsideOverheadBytes,
} from '../../../src/store/bytes.js';

describe('bytes of entries', () => {
  const rows: readonly [string, string, number][] = [
    ['ASCII: one a character', 'user:42', 7],
    ['empty', '', 0],
    ['NUL and newline', 'a\0\n', 3],
    ['Latin letters beyond ASCII: two each', '\u00e9\u00e9', 4],
    ['one such letter makes V8 keep all in two bytes', 'abcdefgh\u0416', 18],
    ['CJK: three each in UTF-8', '\u65e5\u672c', 6],
    ['emoji: four in UTF-8 and in UTF-16', '\u{1f600}', 4],
  ];
  for (const [what, key, bytes] of rows) {
    it(`of a key: ${what}`, () => expect(keyBytes(key)).to.equal(bytes));
  }

  it('add up key, value and overhead, more of it where the value lies outside of the heap', () => {
    expect(entryBytes('abc', 0)).to.equal(3 + entryOverheadBytes);
    expect(entryBytes('abc', 64)).to.equal(3 + 64 + entryOverheadBytes);
    expect(entryBytes('abc', 65)).to.equal(3 + 65 + entryOverheadBytes + outsideOverheadBytes);
  });

  for (const length of [0, 1, 64, 65, 4095, 4096, 4097, 16_383, 16_384, 1 << 20]) {
    it(`copies ${length} bytes in and out bit for bit, sharing nothing`, () => {
      const around = Uint8Array.from({ length: length + 20 }, (_, i) => i * 7);
      const given = around.subarray(10, 10 + length);
      const expected = Buffer.from(given).toString('latin1');
      const kept = copyBytes(given);
      const lent = copyOut(kept);
      given.fill(1);
      expect(Buffer.from(lent).toString('latin1') === expected).to.equal(true);
      lent.fill(2);
      expect(Buffer.from(kept).toString('latin1') === expected).to.equal(true);
      expect(kept.buffer.byteLength, 'keeps no more memory alive than it is accounted with').to.equal(length);
    });
  }
});
