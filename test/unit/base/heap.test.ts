import { expect } from 'chai';
import { Heap } from '../../../src/base/heap.js';
import { seeded } from '../../support/seeded.js';

const seed = 2026;

describe('Heap', () => {
  it('has nothing to give at first', () => {
    const heap = new Heap<number>((a, b) => a < b);
    expect([heap.size, heap.top(), heap.pop()]).to.deep.equal([0, undefined, undefined]);
  });

  it(`gives out what a sorted list would, SEED=${seed}`, () => {
    const random = seeded(seed);
    const heap = new Heap<number>((a, b) => a < b);
    let twin: number[] = [];
    for (let step = 0; step < 5000; step++) {
      const chance = random.next();
      if (chance < 0.55) {
        const item = random.below(500);
        heap.push(item);
        twin.push(item);
        twin.sort((a, b) => a - b);
      } else if (chance < 0.99) {
        expect(heap.top()).to.equal(twin[0]);
        expect(heap.pop()).to.equal(twin.shift());
      } else {
        heap.keep((item) => item % 3 !== 0);
        twin = twin.filter((item) => item % 3 !== 0);
      }
      expect(heap.size).to.equal(twin.length);
      for (const [at, item] of heap.values().entries()) {
        if (at > 0) expect(heap.values()[(at - 1) >> 1]).to.be.at.most(item);
      }
    }
  });
});
