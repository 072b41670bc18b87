import { expect } from 'chai';
import type { LeaseTimes } from '../../../src/coherence/lease-times.js';
import { Leases, leaseMs, renewMs, silentMs, touchMs } from '../../../src/coherence/leases.js';

const wallOffsetMs = 1_700_000_000_000;
const nothing = { versions: [], isWhole: true };
const at = (nowMs: number, jumpMs = 0): LeaseTimes => ({ nowMs, wallMs: nowMs + wallOffsetMs + jumpMs });

/** Linked with `p`, which has told its floors. */
function linked(): Leases {
  const leases = new Leases();
  leases.linkUp('p');
  leases.synced('p', 0, nothing, at(0));
  return leases;
}

/** A renewal asked at `askedMs` and answered at `answeredMs`. */
function renew(leases: Leases, askedMs: number, answeredMs = askedMs, sent = 0): void {
  expect(leases.asking('p', askedMs, 0)).not.to.equal(undefined);
  leases.answered('p', at(askedMs), { sent, ownsMs: touchMs }, answeredMs);
}

describe('Leases: of a holder', () => {
  it('count from when they were asked for, not from the answer', () => {
    const leases = linked();
    renew(leases, 1000, 1400);
    expect(leases.holds('p', at(1000 + leaseMs - 1))).to.equal(true);
    expect(leases.holds('p', at(1000 + leaseMs))).to.equal(false);
  });

  it('let copies be served for as long as their granter said that it owns its keys', () => {
    const leases = linked();
    expect(leases.serves('p', at(999))).to.equal(false);
    renew(leases, 1000, 1400);
    expect(leases.serves('p', at(1000 + touchMs - 1))).to.equal(true);
    expect(leases.serves('p', at(1000 + touchMs))).to.equal(false);
    expect(leases.holds('p', at(1000 + touchMs))).to.equal(true);
    const before = leases.generation('p');
    leases.asking('p', 2600, 0);
    leases.answered('p', at(2600), { sent: 0, ownsMs: 0 }, 2600);
    expect(leases.serves('p', at(2600))).to.equal(false);
    expect(leases.generation('p'), 'what was begun before is not stored').to.be.above(before);
  });

  it('are worth nothing before the peer has told what was missed', () => {
    const leases = new Leases();
    leases.linkUp('p');
    renew(leases, 1000);
    expect(leases.holds('p', at(1001))).to.equal(false);
    leases.synced('p', 0, nothing, at(0));
    renew(leases, 1500);
    expect(leases.holds('p', at(1501))).to.equal(true);
  });

  it('end at a gap in the invalidations, and the next request asks for all floors', () => {
    const leases = linked();
    renew(leases, 1000);
    leases.invalidated('p', 1, 0);
    expect(leases.holds('p', at(1100))).to.equal(true);
    leases.invalidated('p', 3, 0);
    expect(leases.holds('p', at(1100))).to.equal(false);
    expect(leases.asking('p', 1200, 0)).to.deep.equal({ resync: true });
    leases.synced('p', 3, nothing, at(0));
    leases.answered('p', at(1200), { sent: 3, ownsMs: touchMs }, 1210);
    expect(leases.holds('p', at(1211))).to.equal(true);
  });

  it('end where the answer tells of an invalidation that never came', () => {
    const leases = linked();
    renew(leases, 1000, 1010, 1);
    expect(leases.holds('p', at(1020))).to.equal(false);
    expect(leases.asking('p', 1100, 0)).to.deep.equal({ resync: true });
  });

  it('end where all floors came under them, and an invalidation before is missing: they must come again', () => {
    const leases = linked();
    renew(leases, 1000);
    expect(leases.synced('p', 0, nothing, at(1005)), 'nothing is missing').to.equal(true);
    expect(leases.synced('p', 2, nothing, at(1010))).to.equal(false);
    expect(leases.isSynced('p')).to.equal(false);
    expect(leases.holds('p', at(1020))).to.equal(false);
    expect(leases.asking('p', 1100, 0)).to.deep.equal({ resync: true });
    expect(leases.synced('p', 2, nothing, at(1110))).to.equal(true);
    leases.answered('p', at(1100), { sent: 2, ownsMs: touchMs }, 1120);
    expect(leases.holds('p', at(1130))).to.equal(true);
  });

  it('end when the wall clock moves against monotonic time, as after the sleep of a machine', () => {
    const leases = linked();
    renew(leases, 1000);
    expect(leases.holds('p', at(1100, 501))).to.equal(false);
    expect(leases.holds('p', at(1100, -499))).to.equal(true);
  });

  it('that ended by a jump are not brought back by a renewal that failed', () => {
    const leases = linked();
    renew(leases, 1000);
    leases.asking('p', 1500, 0);
    leases.answered('p', at(1500, 60_000), undefined, 1510);
    expect(leases.holds('p', at(1510, 60_000))).to.equal(false);
    expect(leases.serves('p', at(1510, 60_000))).to.equal(false);
  });

  it('have another generation once the clock has jumped in between', () => {
    const leases = linked();
    renew(leases, 1000);
    const before = leases.generation('p');
    leases.asking('p', 1500, 0);
    leases.answered('p', at(1500, 60_000), { sent: 0, ownsMs: touchMs }, 1510);
    expect(leases.holds('p', at(1510, 60_000))).to.equal(true);
    expect(leases.generation('p')).to.not.equal(before);
  });

  it('have another generation once they have lapsed in between', () => {
    const leases = linked();
    renew(leases, 1000);
    const before = leases.generation('p');
    renew(leases, 1500);
    expect(leases.generation('p')).to.equal(before);
    renew(leases, 1500 + leaseMs + 1);
    expect(leases.generation('p')).to.not.equal(before);
  });

  it('end with the link, and begin anew with the next one', () => {
    const leases = linked();
    renew(leases, 1000);
    leases.linkDown('p', 1100);
    expect(leases.holds('p', at(1101))).to.equal(false);
    expect(leases.knows('p')).to.equal(true);
    leases.linkUp('p');
    expect(leases.asking('p', 1200, 0)).to.deep.equal({ resync: false });
  });

  it('are asked for once at a time, and a peer that does not answer for long is silent', () => {
    const leases = linked();
    expect(leases.asking('p', 1000, 0)).not.to.equal(undefined);
    expect(leases.asking('p', 1500, 0)).to.equal(undefined);
    expect(leases.isSilent('p', 1000 + silentMs)).to.equal(false);
    expect(leases.isSilent('p', 1001 + silentMs)).to.equal(true);
    leases.answered('p', at(1000), undefined, 3000);
    expect(leases.isSilent('p', 3000)).to.equal(false);
  });
});

describe('Leases: of a granter', () => {
  it('last from when the request came', () => {
    const leases = linked();
    expect(leases.grant('p', 5000)).to.equal(0);
    expect(leases.servesUntil('p')).to.equal(5000 + leaseMs);
  });

  it('tell how many invalidations were sent', () => {
    const leases = linked();
    expect([leases.nextSequence('p'), leases.nextSequence('p')]).to.deep.equal([1, 2]);
    expect(leases.grant('p', 1000)).to.equal(2);
  });

  it('are not extended while an invalidation could not be delivered', () => {
    const leases = linked();
    leases.grant('p', 1000);
    leases.undelivered('p');
    expect(leases.grant('p', 2000)).to.equal(Number.MAX_SAFE_INTEGER);
    expect(leases.servesUntil('p')).to.equal(1000 + leaseMs);
    leases.telling('p');
    expect(leases.grant('p', 3000)).to.equal(0);
  });

  it('outlast the link: who departed may serve copies until then', () => {
    const leases = linked();
    leases.grant('p', 1000);
    leases.linkDown('p', 1200);
    expect(leases.departedHolders(1300)).to.deep.equal(['p']);
    expect(leases.departedHolders(1000 + leaseMs)).to.deep.equal([]);
    leases.linkUp('p');
    expect(leases.servesUntil('p')).to.equal(1000 + leaseMs);
  });

  it('are given to nobody who is not linked', () => {
    expect(new Leases().grant('stranger', 1000)).to.equal(0);
    expect(new Leases().servesUntil('stranger')).to.equal(Number.NEGATIVE_INFINITY);
  });
});

describe('Leases: what was heard of writes', () => {
  const heard = (versions: Readonly<Record<string, number>>, isWhole = true) => ({
    versions: Object.entries(versions),
    isWhole,
  });
  /** Linked with `p`, whose lease it holds from now on. */
  const linked = (leases: Leases, id: string, versions: Readonly<Record<string, number>>): void => {
    leases.linkUp(id);
    leases.synced(id, 0, heard(versions), at(0));
    leases.asking(id, 0, 0);
    leases.answered(id, at(0), { sent: 0, ownsMs: leaseMs }, 0);
  };

  it('is all of a peer up to its latest write, and what it has told of with its floors', () => {
    const leases = new Leases();
    expect(leases.heard('p')).to.equal(0);
    leases.linkUp('p');
    leases.invalidated('p', 1, 50);
    expect(leases.heard('p'), 'before it has told its floors').to.equal(0);
    leases.synced('p', 1, heard({ p: 60, q: 5 }), at(0));
    expect(leases.heard('q')).to.equal(5);
    leases.invalidated('p', 2, 70);
    expect(leases.heard('p')).to.equal(70);
    leases.invalidated('p', 4, 90);
    leases.invalidated('p', 5, 95);
    expect(leases.heard('p'), 'after a gap').to.equal(70);
    leases.synced('p', 5, heard({ p: 95 }), at(0));
    expect(leases.heard('p')).to.equal(95);
    leases.wrote('self', 99);
    expect(leases.told()).to.deep.equal({
      versions: [
        ['q', 5],
        ['p', 95],
        ['self', 99],
      ],
      isWhole: true,
    });
  });

  it('nothing is missed of a joiner that knows what others told it, as long as they tell it here too', () => {
    const leases = new Leases();
    leases.wrote('self', 40);
    linked(leases, 'p', { p: 30 });
    leases.linkUp('new');
    // It has heard of a write of p that is still on its way to this node.
    const told = heard({ p: 35, self: 40 });
    expect(leases.missedSince('new', told, at(1))).to.equal(undefined);
    leases.synced('new', 0, told, at(1));
    expect(leases.heard('p'), 'not before it comes').to.equal(30);
    leases.linkDown('p', 2);
    leases.linkUp('newer');
    expect(leases.missedSince('newer', told, at(leaseMs + 1)), 'without its lease').to.equal(30);
  });

  it('has heard of all up to what it has heard of each that has written since, whether or not it hears of that by itself', () => {
    const leases = new Leases();
    linked(leases, 'p', { p: 30, q: 20 });
    expect(leases.heardOfAllTo(heard({ p: 30, q: 19 }))).to.equal(Number.POSITIVE_INFINITY);
    expect(leases.heardOfAllTo(heard({ p: 35 })), 'on its way').to.equal(30);
    expect(leases.heardOfAllTo(heard({ p: 35, q: 21, r: 1 }))).to.equal(0);
    expect(leases.heardOfAllTo(heard({ p: 35, q: 21 }))).to.equal(20);
    leases.asking('p', 500, 40);
    leases.answered('p', at(500), { sent: 0, ownsMs: leaseMs }, 501);
    expect(leases.heardOfAllTo(heard({ p: 35 })), 'by its answer to a renewal').to.equal(Number.POSITIVE_INFINITY);
  });

  it('a peer has written once it says so, as it tells its floors already', () => {
    const leases = new Leases();
    linked(leases, 'p', { q: 20 });
    expect([leases.hasWritten('p'), leases.hasWritten('q')]).to.deep.equal([false, true]);
    leases.linkUp('r');
    leases.missedSince('r', heard({ r: 30 }), at(1));
    expect(leases.hasWritten('r'), 'as it tells').to.equal(true);
    leases.synced('r', 0, heard({ r: 30 }), at(1));
    expect(leases.hasWritten('r')).to.equal(true);
  });

  it('says of what was missed since when, up to when, and whether its writer is gone', () => {
    const leases = new Leases();
    linked(leases, 'p', { p: 30, q: 20, r: 7 });
    const told = { versions: [['q', 25, true] as const, ['r', 9] as const], isWhole: true };
    leases.missedSince('p', told, at(1));
    expect(leases.missedOf('p')).to.deep.equal([
      { id: 'q', since: 20, to: 25, gone: true },
      { id: 'r', since: 7, to: 9, gone: undefined },
    ]);
  });

  it('all may be missed since the last write that was heard of, and with several since the earliest', () => {
    const leases = new Leases();
    linked(leases, 'p', { p: 30, q: 20 });
    leases.linkDown('p', 1);
    leases.linkUp('p');
    const told = heard({ p: 33, q: 25 });
    expect(leases.missedSince('p', told, at(leaseMs + 1))).to.equal(20);
    // The next keyspace's floors of the same telling are judged alike.
    expect(leases.missedSince('p', told, at(leaseMs + 1))).to.equal(20);
    leases.synced('p', 0, told, at(leaseMs + 1));
    expect(leases.missedSince('p', told, at(leaseMs + 1))).to.equal(undefined);
  });

  it('nothing of a peer is missed from before its last answer in order, whether or not it has written', () => {
    const leases = new Leases();
    linked(leases, 'p', {});
    leases.asking('p', 500, 70);
    leases.answered('p', at(500), { sent: 0, ownsMs: leaseMs }, 501);
    leases.linkDown('p', 600);
    leases.linkUp('p');
    expect(leases.missedSince('p', heard({ p: 75 }), at(3000)), 'its first write').to.equal(70);
    leases.synced('p', 0, heard({ p: 75 }), at(3000));
    leases.linkDown('p', 3001);
    leases.linkUp('p');
    expect(leases.missedSince('p', heard({ p: 70 }), at(6000)), 'nothing new').to.equal(undefined);
  });

  it('what a peer has heard of is not heard of here where it has not told all floors', () => {
    const leases = new Leases();
    leases.linkUp('p');
    leases.synced('p', 0, heard({ q: 9 }), at(0), false);
    expect(leases.heard('q')).to.equal(0);
    expect(leases.missedSince('p', heard({ q: 9 }), at(1)), 'still missed').to.equal(0);
  });

  it('who has stopped in its time may serve nothing', () => {
    const leases = new Leases();
    linked(leases, 'p', {});
    leases.grant('p', 100);
    leases.linkDown('p', 200, true);
    expect(leases.hasLeft('p')).to.equal(true);
    expect(leases.departedHolders(201)).to.deep.equal([]);
    leases.linkUp('p');
    leases.grant('p', 300);
    leases.linkDown('p', 400);
    expect(leases.hasLeft('p')).to.equal(false);
    expect(leases.departedHolders(401)).to.deep.equal(['p']);
  });

  it('all may be missed where the other cannot name all writers, or is none of the peers', () => {
    const leases = new Leases();
    linked(leases, 'p', {});
    expect(leases.missedSince('p', heard({}, false), at(1))).to.equal(0);
    expect(leases.missedSince('stranger', heard({}), at(1))).to.equal(0);
    leases.synced('p', 0, heard({}, false), at(1));
    expect(leases.told().isWhole).to.equal(false);
  });
});

describe('Leases: of an owner', () => {
  const withEnds = (ends: readonly number[]): { leases: Leases; ids: string[] } => {
    const leases = new Leases();
    const ids = ends.map((_, i) => `p${i}`);
    for (const [i, endMs] of ends.entries()) {
      leases.linkUp(ids[i]!);
      leases.synced(ids[i]!, 0, nothing, at(0));
      leases.asking(ids[i]!, endMs - leaseMs, 0);
      leases.answered(ids[i]!, at(endMs - leaseMs), { sent: 0, ownsMs: touchMs }, endMs - leaseMs);
    }
    return { leases, ids };
  };

  const rows: readonly [others: string, ends: readonly number[], untilMs: number][] = [
    ['nobody else', [], Number.POSITIVE_INFINITY],
    ['one other', [5000], 5000],
    ['two others: one is enough', [5000, 9000], 9000],
    ['three others: two of them', [5000, 7000, 9000], 7000],
    ['four others: two of them', [5000, 6000, 7000, 9000], 7000],
  ];
  for (const [others, ends, untilMs] of rows) {
    it(`needs the leases of half of the others: ${others}`, () => {
      const { leases, ids } = withEnds(ends);
      // As touch it counts for less than as a lease: from when it was asked for, too.
      expect(leases.ownsUntil(ids, at(4000))).to.equal(untilMs - leaseMs + touchMs);
    });
  }

  it('does not count those that a jump of the clock has ended, until they are given anew', () => {
    const { leases, ids } = withEnds([5000, 5000, 5000, 5000]);
    const answered = (id: string): void => {
      leases.asking(id, 3500, 0);
      leases.answered(id, at(3500, 60_000), { sent: 0, ownsMs: touchMs }, 3500);
    };
    expect(leases.ownsUntil(ids, at(3500, 60_000))).to.equal(3500);
    answered(ids[0]!);
    expect(leases.ownsUntil(ids, at(3501, 60_000))).to.equal(3501);
    answered(ids[1]!);
    expect(leases.ownsUntil(ids, at(3502, 60_000))).to.equal(3500 + touchMs);
  });

  it('end before anybody who asks for renewals may find it silent', () => {
    expect(touchMs).to.be.below(renewMs + silentMs);
    expect(touchMs).to.be.below(leaseMs);
  });

  it('does not count those it was never linked with', () => {
    const { leases, ids } = withEnds([5000]);
    expect(leases.ownsUntil([...ids, 'stranger', 'other'], at(4000))).to.equal(Number.NEGATIVE_INFINITY);
  });
});

describe('Leases: what is remembered', () => {
  it('of peers that departed is bounded in number and time', () => {
    const leases = new Leases();
    for (let i = 0; i < 3000; i++) {
      leases.linkUp(`p${i}`);
      leases.linkDown(`p${i}`, 1000);
    }
    const remembered = Array.from({ length: 3000 }, (_, i) => leases.knows(`p${i}`)).filter(Boolean);
    expect(remembered).to.have.length(1024);
    expect(leases.knows('p2999')).to.equal(true);
    leases.linkUp('late');
    leases.linkDown('late', 62_000);
    expect(leases.knows('p2999')).to.equal(false);
  });
});
