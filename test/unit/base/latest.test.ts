import { expect } from 'chai';
import { Latest } from '../../../src/base/latest.js';

describe('Latest', () => {
  it('holds so many, and of those the ones that were added last', () => {
    const latest = new Latest<string>(3);
    for (const value of ['a', 'b', 'c', 'a', 'd']) latest.add(value);
    expect(latest.size).to.equal(3);
    expect(['a', 'b', 'c', 'd'].map((value) => latest.has(value))).to.deep.equal([true, false, true, true]);
  });
});
