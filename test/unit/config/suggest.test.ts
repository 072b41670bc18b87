import { expect } from 'chai';
import { nearest } from '../../../src/config/suggest.js';

describe('config: did you mean', () => {
  const keys = ['maxBytes', 'defaultTtl', 'hotShare', 'port', 'addr', 'source'];
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['maxByte', 'maxBytes'],
    ['maxBytess', 'maxBytes'],
    ['max_bytes', 'maxBytes'],
    ['MAX-BYTES', 'maxBytes'],
    ['prot', 'port'],
    ['pot', 'port'],
    ['prt', 'port'],
    ['adr', 'addr'],
    ['soruce', 'source'],
    ['defaultTTL', 'defaultTtl'],
    ['hotshares', 'hotShare'],
    ['x', undefined],
    ['', undefined],
    ['completely', undefined],
    ['p'.repeat(1_000_000), undefined],
  ];
  for (const [written, meant] of rows) {
    it(`${written.slice(0, 20) || '(empty)'}: ${meant ?? 'nothing'}`, () =>
      expect(nearest(written, keys)).to.equal(meant));
  }
});
