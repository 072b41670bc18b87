import { expect } from 'chai';
import { Spared } from '../../../src/engine/spared.js';
import { doubtful } from '../../../src/engine/topology.js';

describe('Spared', () => {
  const setUp = (inTouch = false) => new Spared({ leases: { owns: () => inTouch } });
  const put = { version: 10, wasPut: true };
  const states = [
    { owner: '' },
    { owner: doubtful },
    { owner: 'p', wasPassed: true },
    { owner: 'p', wasPassed: false },
  ] as const;
  const floors = (spared: Spared, floor: number): number[] =>
    states.map((state) => spared.floorOf({ ...put, ...state }, floor));

  it('changes no floor while nothing was spared', () => {
    expect(floors(setUp(), 20)).to.deep.equal([20, 20, 20, 20]);
  });

  it('of what was held out of touch, is known what was before the writes that were missed', () => {
    const spared = setUp();
    spared.note('w', 5);
    spared.note('x', 15);
    expect(floors(spared, 20)).to.deep.equal([5, 5, 5, 20]);
  });

  it('of what is its own while it is in touch, all is known', () => {
    const spared = setUp(true);
    spared.note('w', 5);
    expect(floors(spared, 20)).to.deep.equal([20, 5, 5, 20]);
  });

  it('what was put after the latest write, or was loaded, is as it was', () => {
    const spared = setUp();
    spared.note('w', 5);
    expect(spared.floorOf(put, 10)).to.equal(10);
    expect(spared.floorOf({ ...put, wasPut: false }, 20)).to.equal(20);
  });

  it('the earliest of a writer counts, until it has said', () => {
    const spared = setUp();
    for (const since of [8, 5, 7]) spared.note('w', since);
    expect([spared.size, spared.sinceOf('w'), spared.sinceOf('x')]).to.deep.equal([1, 5, undefined]);
    spared.settled('w');
    expect([spared.size, spared.sinceOf('w')]).to.deep.equal([0, undefined]);
    expect(floors(spared, 20)).to.deep.equal([20, 20, 20, 20]);
  });

  it('gives up those that may never say, and the earliest beyond 1,024', () => {
    const spared = setUp();
    for (const [at, id] of ['a', 'b', 'c'].entries()) spared.note(id, 5 + at);
    expect(spared.giveUp((id) => id !== 'b')).to.equal(6);
    expect(spared.giveUp(() => true)).to.equal(undefined);
    for (let i = 0; i < 1024; i++) spared.note(`n${i}`, 100 + i);
    expect(spared.giveUp(() => true)).to.equal(5);
    expect(spared.size).to.equal(1024);
  });
});
