import { expect } from 'chai';
import { Latest } from '../../../src/base/latest.js';

describe('Latest', () => {
  it('holds so many, and of those the ones that were set last', () => {
    const latest = new Latest<string, number>(3);
    for (const [at, key] of ['a', 'b', 'c', 'a', 'd'].entries()) latest.set(key, at);
    expect(latest.size).to.equal(3);
    expect(['a', 'b', 'c', 'd'].map((key) => latest.get(key))).to.deep.equal([3, undefined, 2, 4]);
  });

  it('hands out what it holds, the longest ago set first, and any may be deleted meanwhile', () => {
    const latest = new Latest<string, number>(3);
    for (const [at, key] of ['a', 'b', 'c', 'a'].entries()) latest.set(key, at);
    const seen: [string, number][] = [];
    for (const [key, value] of latest) {
      seen.push([key, value]);
      if (key !== 'c') latest.delete(key);
    }
    expect(seen).to.deep.equal([
      ['b', 1],
      ['c', 2],
      ['a', 3],
    ]);
    expect([...latest]).to.deep.equal([['c', 2]]);
    latest.clear();
    expect(latest.size).to.equal(0);
  });
});
