import { expect } from 'chai';
import { dateAt } from '../../../src/base/lifetimes.js';

describe('dateAt', () => {
  for (const [name, atMs, dateMs] of [
    ['a moment', 5, 5],
    ['the last', 8.64e15, 8.64e15],
    ['one beyond', 1e20, 8.64e15],
    ['one for ever ahead', Number.POSITIVE_INFINITY, 8.64e15],
    ['one before the first', -1e20, -8.64e15],
  ] as const) {
    it(`is a valid date: ${name}`, () => expect(dateAt(atMs).getTime()).to.equal(dateMs));
  }
});
