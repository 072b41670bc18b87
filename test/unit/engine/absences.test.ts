import { expect } from 'chai';
import { Absences } from '../../../src/engine/absences.js';

describe('Absences', () => {
  let absences: Absences;
  /** What the peers were told of is on its way, until these are called. */
  let onTheirWay: (() => void)[] | undefined;
  beforeEach(() => {
    onTheirWay = undefined;
    absences = new Absences((_, done) => {
      if (onTheirWay === undefined) done();
      else onTheirWay.push(done);
    });
  });
  const exchange = (id: string, isOnRing: boolean): void => {
    absences.telling(id, isOnRing)();
    absences.heard(id, isOnRing);
  };

  it('who joins by links first is steady from the start, and stays so when its link is reset', () => {
    absences.linkUp('a');
    exchange('a', false);
    absences.arrived('a');
    expect(absences.isSteady('a')).to.equal(true);
    absences.linkLost('a');
    absences.linkUp('a');
    expect(absences.isSteady('a')).to.equal(true);
  });

  it('who joins is steady once it has applied what was written here before it was known to own keys', () => {
    onTheirWay = [];
    absences.linkUp('a');
    exchange('a', false);
    absences.arrived('a');
    expect(absences.isSteady('a')).to.equal(false);
    for (const done of onTheirWay) done();
    expect(absences.isSteady('a')).to.equal(true);
  });

  it('what was on its way as the link broke is made good by floors alone', () => {
    onTheirWay = [];
    absences.linkUp('a');
    exchange('a', false);
    absences.arrived('a');
    absences.linkLost('a');
    absences.linkUp('a');
    for (const done of onTheirWay) done();
    expect(absences.isSteady('a')).to.equal(false);
    exchange('a', true);
    expect(absences.isSteady('a')).to.equal(true);
  });

  it('who comes on the ring while floors are on their way is steady when they have come', () => {
    absences.linkUp('a');
    absences.arrived('a');
    expect(absences.isSteady('a')).to.equal(false);
    exchange('a', false);
    expect(absences.isSteady('a')).to.equal(true);
  });

  it('who was off the ring is steady once both have told all since it is back', () => {
    absences.linkUp('a');
    exchange('a', false);
    absences.arrived('a');
    absences.began('a');
    expect(absences.isSteady('a')).to.equal(false);
    exchange('a', false);
    expect(absences.isSteady('a'), 'it was not back').to.equal(false);
    const told = absences.telling('a', true);
    absences.heard('a', true);
    expect(absences.isSteady('a'), 'it has not taken all').to.equal(false);
    told();
    expect(absences.isSteady('a')).to.equal(true);
  });

  it('what was told before it was off once more does not count', () => {
    absences.began('a');
    const told = absences.telling('a', true);
    absences.began('a');
    told();
    absences.heard('a', true);
    expect(absences.isSteady('a')).to.equal(false);
    absences.telling('a', true)();
    expect(absences.isSteady('a')).to.equal(true);
  });

  it('who is met as it serves already, or whose link broke before it served, has not been steady', () => {
    absences.arrived('stranger');
    absences.linkUp('a');
    exchange('a', false);
    absences.linkLost('a');
    absences.linkUp('a');
    absences.arrived('a');
    expect(['stranger', 'a'].map((id) => absences.isSteady(id))).to.deep.equal([false, false]);
  });

  it('where more than 1,024 were off the ring, nobody is taken for steady any more', () => {
    for (let i = 0; i < 1024; i++) absences.began(`node-${i}`);
    expect(absences.isSteady('other')).to.equal(true);
    absences.began('one more');
    expect(absences.isSteady('other')).to.equal(false);
  });
});
