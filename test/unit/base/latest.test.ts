import { expect } from 'chai';
import { Latest } from '../../../src/base/latest.js';

describe('Latest', () => {
  it('holds so many, and of those the ones that were set last', () => {
    const latest = new Latest<string, number>(3);
    for (const [at, key] of ['a', 'b', 'c', 'a', 'd'].entries()) latest.set(key, at);
    expect(latest.size).to.equal(3);
    expect(['a', 'b', 'c', 'd'].map((key) => latest.get(key))).to.deep.equal([3, undefined, 2, 4]);
  });
});
