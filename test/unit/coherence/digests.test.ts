import { expect } from 'chai';
import { differingSlots, digestsBytes, hasSlot, SlotDigests } from '../../../src/coherence/digests.js';
import { slotCount } from '../../../src/coherence/slots.js';
import { seeded } from '../../support/seeded.js';

const differing = (a: SlotDigests, b: SlotDigests): number[] => {
  const slots = differingSlots(a, b.bytes());
  return Array.from({ length: slotCount }, (_, slot) => slot).filter((slot) => hasSlot(slots, slot));
};

describe('digests of slots', () => {
  it('are the same for the same entries in any order', () => {
    const random = seeded('digests');
    const entries = Array.from({ length: 20_000 }, () => [random.below(2 ** 32), random.below(2 ** 50)] as const);
    const [a, b] = [new SlotDigests(), new SlotDigests()];
    for (const [hash, version] of entries) a.add(hash, version);
    for (const [hash, version] of [...entries].reverse()) b.add(hash, version);
    expect(differing(a, b)).to.deep.equal([]);
    expect(a.size).to.equal(20_000);
    expect(a.bytes()).to.have.length(digestsBytes);
  });

  it('differ in exactly the slots in which an entry or a version differs', () => {
    const [a, b] = [new SlotDigests(), new SlotDigests()];
    for (let hash = 0; hash < slotCount; hash++) {
      a.add(hash, 7);
      b.add(hash, hash === 17 ? 8 : 7);
    }
    a.add(slotCount + 3, 2 ** 40);
    b.add(slotCount + 5, 2 ** 40);
    b.add(slotCount + 6, 2 ** 33 + 1);
    a.add(slotCount + 6, 2 ** 34 + 1);
    expect(differing(a, b)).to.deep.equal([3, 5, 6, 17]);
  });
});
