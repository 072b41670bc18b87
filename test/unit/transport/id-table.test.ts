import { expect } from 'chai';
import { IdTable } from '../../../src/transport/id-table.js';
import { seeded } from '../../support/seeded.js';

describe('IdTable', () => {
  it('knows no ids that it does not hold, also where they share a place with one that it holds', () => {
    const table = new IdTable<string>();
    const id = table.nextId();
    table.set(id, 'a');
    expect([table.get(id), table.get(id + 64), table.get(0)]).to.deep.equal(['a', undefined, undefined]);
    expect(table.delete(id + 64)).to.equal(false);
    expect(table.delete(id)).to.equal(true);
    expect(table.delete(id)).to.equal(false);
    expect([table.get(id), table.size]).to.deep.equal([undefined, 0]);
  });

  for (const seed of (process.env.SEED ?? 'a,b,c').split(',')) {
    it(`agrees with a Map while it grows and empties, past 32 bits, SEED=${seed}`, () => {
      const random = seeded(seed);
      const table = new IdTable<number>(0xffff_ffff - 5_000);
      const twin = new Map<number, number>();
      for (let step = 0; step < 20_000; step++) {
        const fills = Math.floor(step / 2_000) % 2 === 0;
        if (random.chance(fills ? 0.7 : 0.3)) {
          const id = table.nextId();
          expect(id).to.be.within(1, 0xffff_ffff);
          expect(twin.has(id), `SEED=${seed} step ${step}: ${id} is in use`).to.equal(false);
          table.set(id, step);
          twin.set(id, step);
        } else {
          const ids = [...twin.keys()];
          const id = ids[random.below(ids.length)] ?? 7;
          expect(table.delete(id)).to.equal(twin.delete(id));
        }
        expect(table.size).to.equal(twin.size);
      }
      for (const [id, value] of twin) expect(table.get(id)).to.equal(value);
      expect(new Map(table.entries())).to.deep.equal(twin);
    });
  }
});
