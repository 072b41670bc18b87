import { expect } from 'chai';
import type { CheckOptions } from '../../support/history/options.js';
import type { ReadRecord, WriteOutcome, WriteRecord } from '../../support/history/records.js';
import { areApart, lengthened, type Split } from '../../support/history/split.js';
import { strangersIn } from '../../support/history/strangers.js';
import { acknowledged, saw, Tale, timedOut } from '../../support/history/tale.js';
import { suite } from './history-suite.js';

const final = (node: string) => ({ node, client: node, final: true });

describe('a history', () => {
  suite('of answers', [
    [
      'that come in time passes',
      (t) => {
        const end = t.begin(1);
        t.pass(20);
        end(acknowledged(1));
      },
      [],
      { answersWithinMs: 30 },
    ],
    [
      'one of which comes late fires',
      (t) => {
        const end = t.begin(1);
        t.pass(50);
        end(acknowledged(1));
      },
      ['G3'],
      { answersWithinMs: 30 },
    ],
    ['one of which never comes fires', (t) => t.begin(1) && t.pass(50), ['G3'], { answersWithinMs: 30 }],
  ]);

  const split: Split = { fromMs: 0, toMs: 20, sides: [['a'], ['b']] };
  const splitInTwo: CheckOptions = { excuses: (read, write, seen) => areApart(split, read, write, seen) };
  const other = { node: 'b' };
  const onB = (seq: number, version?: number): WriteOutcome =>
    ({ ...acknowledged(seq, version), by: 'b' }) as WriteOutcome;
  suite('of a split', [
    ['with a write of the other side unknown passes', (t) => t.wrote(1).wrote(2, other).read(1), [], splitInTwo],
    ['with one of the own side unknown fires', (t) => t.wrote(1).wrote(2).read(1), ['C1'], splitInTwo],
    ['with one unknown long after fires', (t) => t.wrote(1).wrote(2, other).pass(20).read(1), ['C1'], splitInTwo],
    [
      'with one that gave way to the other side’s, which bears a higher version, passes for ever',
      (t) => t.wrote(1, other, onB(1, 300)).wrote(2).read(2).pass(20).read(1, {}, 300).read(1, final('b'), 300),
      ['C2'],
      splitInTwo,
    ],
    [
      'with one that gave way to a lower version fires',
      (t) => t.wrote(1, other, onB(1)).wrote(2).pass(20).read(1),
      ['C1'],
      splitInTwo,
    ],
    [
      'with one that gave way to a higher version of its own side fires',
      (t) => t.wrote(1, {}, acknowledged(1, 300)).wrote(2).read(1, {}, 300),
      ['C1'],
      splitInTwo,
    ],
  ]);

  it('of splits: one that begins before the sides of another have agreed keeps them apart', () => {
    const at = (fromMs: number, toMs: number): Split => ({ fromMs, toMs, sides: [] });
    const ends = (...splits: Split[]): number[] => lengthened(splits).map(({ toMs }) => toMs);
    expect(ends(at(0, 20), at(19, 40), at(40, 60), at(61, 70))).to.deep.equal([60, 60, 60, 70]);
    expect(ends(at(0, 50), at(10, 20))).to.deep.equal([50, 20]);
  });

  it('of two nodes that start at once: what one wrote the other need not know before they have met', () => {
    const tale = new Tale();
    const { history } = tale;
    for (const node of ['old', 'a', 'b']) {
      history.node(node, 'start');
      if (node === 'old') tale.pass(2000);
    }
    const write = (by: string): WriteRecord => {
      tale.wrote(1, { node: by }, { is: 'ok', version: 100, unreached: [], by });
      return history.writes.at(-1)!;
    };
    const read = (): ReadRecord => {
      tale.read(0, { node: 'a' });
      return history.reads.at(-1)!;
    };
    const [byOther, byOld, byItself] = [write('b'), write('old'), write('a')];
    const areStrangers = (): readonly boolean[] => {
      const judged = strangersIn(history);
      const last = read();
      return [byOther, byOld, byItself].map((one) => judged(last, one));
    };
    expect(areStrangers()).to.deep.equal([true, false, false]);
    history.member('a', 'joined', 'b');
    tale.pass(60);
    expect(areStrangers(), 'the other has not heard yet').to.deep.equal([true, false, false]);
    history.member('b', 'joined', 'a');
    tale.pass(60);
    expect(areStrangers()).to.deep.equal([false, false, false]);
  });

  const lagging = { isLagging: () => true };
  const beside = (t: Tale, seq: number, more: object = {}): void => t.ask(more)({ ...saw(seq), version: 0 } as never);
  suite('of keys that only the cache has', [
    ['with every put kept passes', (t) => t.wrote(1).read(1).wrote(2).read(2).read(2, final('a')), [], lagging],
    ['with a put lost fires once', (t) => t.wrote(1).read(0, {}, 700).read(0, final('a'), 700), ['G6'], lagging],
    ['with a put of before lost fires', (t) => t.wrote(1).wrote(2).read(1, {}, 700), ['G6'], lagging],
    ['with a deleted value back fires', (t) => t.wrote(1).wrote(2, { kind: 'delete' }).read(1), ['G6'], lagging],
    ['with a put read beside the cache passes', (t) => beside(t.wrote(1).read(1), 0), [], lagging],
    ['with a put read beside it after quiet fires', (t) => beside(t.wrote(1), 0, final('a')), ['G6'], lagging],
    [
      'with a deleted value read beside it fires',
      (t) => beside(t.wrote(1).wrote(2, { kind: 'delete' }), 1),
      ['G6'],
      lagging,
    ],
    [
      'with a put that a delete of unknown end may have taken passes',
      (t) => t.wrote(1).wrote(2, { kind: 'delete' }, timedOut).wrote(3).read(2, {}, 700),
      [],
      lagging,
    ],
    [
      'but not when that was too long before',
      (t) => t.wrote(2, { kind: 'delete' }, timedOut).pass(50).wrote(3).read(2, {}, 700),
      ['G6'],
      { ...lagging, lateWriteMs: 20 },
    ],
    [
      'with a put that may be lost passes, the one before may not be',
      (t) => t.wrote(1).wrote(2).read(1, {}, 700).read(0, { client: 's' }, 800),
      ['G6'],
      { ...lagging, excuses: (_, write) => write.seq === 2 },
    ],
    [
      'with a put lost while the next is on its way passes where owners crash',
      (t) => {
        const end = t.wrote(1).begin(2);
        t.read(0, {}, 700);
        end(acknowledged(900));
      },
      [],
      { ...lagging, ownersCrash: true },
    ],
    [
      'with a put lost while none is on its way fires, though owners crash',
      (t) => t.wrote(1).read(0, {}, 700).wrote(2),
      ['G6'],
      { ...lagging, ownersCrash: true },
    ],
    [
      'with a put lost while the next is on its way fires where nobody crashes',
      (t) => {
        const end = t.wrote(1).begin(2);
        t.read(0, {}, 700);
        end(acknowledged(900));
      },
      ['G6'],
      lagging,
    ],
    [
      'after quiet at nodes that differ fires',
      (t) => t.begin(1) && t.read(1, final('a')).read(0, final('b')),
      ['C7'],
      lagging,
    ],
  ]);
});
