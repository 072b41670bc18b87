import { expect } from 'chai';
import { readFloors, Slots, slotCount } from '../../../src/coherence/slots.js';
import { agree } from '../../support/agree.js';

describe('Slots', () => {
  it('places every 32-bit hash, signed or not, in a slot that there is', () => {
    const slots = new Slots();
    for (const hash of [0, 1, slotCount - 1, slotCount, 2 ** 31, 2 ** 32 - 1, -1]) {
      expect(slots.slotOf(hash), `${hash}`).to.be.within(0, slotCount - 1);
    }
    expect(slots.slotOf(2 ** 32 - 1)).to.equal(slots.slotOf(-1));
    expect(slots.slotOf(slotCount + 5)).to.equal(5);
  });

  it('a write changes the token of its slot, and no other', () => {
    const slots = new Slots();
    slots.touch(7, 100);
    expect([slots.token(6), slots.token(7), slots.token(8)]).to.deep.equal([0, 1, 0]);
  });

  it('an older write heard of later changes the token, and lowers no floor', () => {
    const slots = new Slots();
    slots.touch(7, 100);
    slots.touch(7, 50);
    expect([slots.token(7), slots.floor(7)]).to.deep.equal([2, 100]);
  });

  it('a version that is none raises no floor', () => {
    const slots = new Slots();
    slots.touch(7, Number.NaN);
    slots.touch(7, -5);
    expect([slots.token(7), slots.floor(7)]).to.deep.equal([2, 0]);
  });

  it('bumpAll changes every token and no floor', () => {
    const slots = new Slots();
    slots.touch(3, 9);
    slots.bumpAll();
    expect([slots.token(0), slots.token(3), slots.token(slotCount - 1)]).to.deep.equal([1, 2, 1]);
    expect([slots.floor(3), slots.floor(0)]).to.deep.equal([9, 0]);
  });

  it('tokens count on from zero after 2^32 writes, so a guard that compares them never waits for one', () => {
    // Four billion writes take too long, so the table is handed out as it stands shortly before.
    const { Uint32Array: real } = globalThis;
    class LongRun extends real {
      constructor(length: number) {
        super(length);
        this.fill(2 ** 32 - 2);
      }
    }
    globalThis.Uint32Array = LongRun as Uint32ArrayConstructor;
    let slots: Slots;
    try {
      slots = new Slots();
    } finally {
      globalThis.Uint32Array = real;
    }
    const seen = [slots.token(0)];
    for (let i = 0; i < 3; i++) {
      slots.touch(0, i);
      seen.push(slots.token(0));
    }
    slots.bumpAll();
    expect([...seen, slots.token(0), slots.token(1)]).to.deep.equal([2 ** 32 - 2, 2 ** 32 - 1, 0, 1, 2, 2 ** 32 - 1]);
  });

  it('a slot to which others than its owner write is contested for a time, but not by the only one of them', () => {
    const slots = new Slots();
    slots.embargo(7, 1000, 'a', 0);
    expect([slots.isContested(7, 999), slots.isContested(7, 999, 'b'), slots.isContested(7, 999, 'a')]).to.deep.equal([
      true,
      true,
      false,
    ]);
    expect(slots.isContested(8, 999)).to.equal(false);
    slots.embargo(7, 1500, 'b', 500);
    expect([slots.isContested(7, 1400, 'a'), slots.isContested(7, 1400, 'b')], 'by two').to.deep.equal([true, true]);
    slots.embargo(7, 1200, 'a', 600);
    expect(slots.isContested(7, 1400, 'a'), 'and by one of them again').to.equal(true);
    expect(slots.isContested(7, 1500)).to.equal(false);
    slots.embargo(7, 3000, 'a', 2000);
    expect(slots.isContested(7, 2500, 'a'), 'later, by one alone').to.equal(false);
    expect(slots.isEmbargoed(7, 2500)).to.equal(true);
    expect([slots.embargoedUntilMs(7), slots.contestedUntilMs(7)]).to.deep.equal([3000, 3000]);
    slots.embargoAll(4000);
    expect([slots.embargoedUntilMs(7), slots.contestedUntilMs(7)], 'all').to.deep.equal([4000, 3000]);
  });

  it('floors go to a peer and are taken over where they are higher', () => {
    const [ours, theirs] = [new Slots(), new Slots()];
    ours.touch(1, 10);
    ours.touch(2, 20);
    theirs.touch(2, 30);
    theirs.touch(4095, 40);
    const floors = readFloors(theirs.floors(), 100)!;
    ours.raise(floors);
    expect([1, 2, 4095, 0].map((slot) => ours.floor(slot))).to.deep.equal([10, 30, 40, 0]);
    expect(ours.token(2)).to.equal(1);
    expect(readFloors(new Slots().floors(), 100)?.every((floor) => floor === 0)).to.equal(true);
  });

  const strange: readonly [string, number][] = [
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['negative', -1],
    ['beyond what is believed', 101],
  ];
  for (const [name, value] of strange) {
    it(`a floor that is ${name} counts as none`, () => {
      const bytes = new Uint8Array(slotCount * 8);
      new DataView(bytes.buffer).setFloat64(8, value, true);
      expect(readFloors(bytes, 100)![1]).to.equal(0);
    });
  }

  for (const length of [1, slotCount * 8 - 1, slotCount * 8 + 1]) {
    it(`${length} bytes are no floors`, () => expect(readFloors(new Uint8Array(length), 100)).to.equal(undefined));
  }

  it('agrees with a plain map over random writes', () => {
    const slots = new Slots();
    const twin = new Map<number, { token: number; floor: number }>();
    const of = (slot: number) => twin.get(slot) ?? { token: 0, floor: 0 };
    agree(
      'slots',
      20_000,
      (random) => ({ slot: random.below(8) * 511, version: random.below(1000), all: random.chance(0.001) }),
      ({ slot, version, all }) => {
        if (all) slots.bumpAll();
        else slots.touch(slot, version);
        return [slots.token(slot), slots.floor(slot)];
      },
      ({ slot, version, all }) => {
        for (let one = 0; one < slotCount; one++) {
          const { token, floor } = of(one);
          if (all) twin.set(one, { token: token + 1, floor });
          else if (one === slot) twin.set(one, { token: token + 1, floor: Math.max(floor, version) });
        }
        return [of(slot).token, of(slot).floor];
      },
    );
  });
});
