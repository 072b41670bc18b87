import { expect } from 'chai';
import { History } from '../../support/history/history.js';
import { judge } from '../../support/history/judge.js';
import { lineOf, partsOf, textFor, type WriteOutcome } from '../../support/history/records.js';
import { acknowledged, saw, Tale, timedOut } from '../../support/history/tale.js';
import { textOf } from '../../support/history/violations.js';
import { suite } from './history-suite.js';

describe('a history', () => {
  suite('of acknowledged writes', [
    ['read in order passes', (t) => t.read(0).wrote(1).read(1).wrote(2, { kind: 'delete' }).read(2), []],
    ['a read after the acknowledgement that is older fires', (t) => t.wrote(1).wrote(2).read(1), ['C1']],
    ['the same after a delete fires', (t) => t.wrote(1).wrote(2, { kind: 'delete' }).read(1, { node: 'b' }), ['C1']],
    [
      'a read that began before the acknowledgement may be older',
      (t) => {
        const answer = t.wrote(1).ask();
        t.wrote(2);
        answer(saw(1));
      },
      [],
    ],
    [
      'a write that failed need not be seen, and may be',
      (t) => t.wrote(1).wrote(2, {}, { is: 'failed', code: 'X' }).read(1).read(2),
      [],
    ],
    ['a put that timed out may come late', (t) => t.wrote(1, {}, timedOut).wrote(2).read(2).read(1, {}, 300), []],
    [
      'but not later than it can',
      (t) => t.wrote(1, {}, timedOut).pass(50).wrote(2).read(1, {}, 300),
      ['C1'],
      { lateWriteMs: 20 },
    ],
    [
      'an excused write is passed over, an older one is not',
      (t) => t.wrote(1).wrote(2).read(1).read(0, { node: 'b' }),
      ['C1'],
      { monotonicAcrossNodes: false, excuses: (_, write) => write.seq === 2 },
    ],
    [
      'of several writers is judged by version',
      (t) => t.wrote(1, { client: 'v' }, acknowledged(1, 300)).wrote(2, {}, acknowledged(2, 400)).read(1, {}, 500),
      [],
    ],
    [
      'of several writers with an older version fires',
      (t) => t.wrote(1, { client: 'v' }, acknowledged(1, 300)).wrote(2, {}, acknowledged(2, 400)).read(1, {}, 300),
      ['C1'],
    ],
  ]);

  suite('of one client', [
    ['going forward passes', (t) => t.wrote(1).read(1).wrote(2).read(2), []],
    [
      'back in seq fires',
      (t) => {
        t.begin(1);
        t.read(1, {}, 50).read(0, {}, 60);
      },
      ['C2'],
    ],
    ['back in version fires', (t) => t.wrote(1).read(1, {}, 200).read(1, { node: 'b' }, 150), ['C2']],
    [
      'at several nodes may go back where that is said',
      (t) => t.wrote(1).read(1, {}, 200).read(1, { node: 'b' }, 150),
      [],
      { monotonicAcrossNodes: false },
    ],
    ['that does not see its own write fires twice', (t) => t.wrote(1).read(0, { client: 'w' }), ['C1', 'C3']],
    ['that gets less than it asked for fires', (t) => t.wrote(1).read(1, { minVersion: 101 }), ['G7']],
    ['that gets what it asked for passes', (t) => t.wrote(1).read(1, { minVersion: 100 }), []],
  ]);

  suite('of versions', [
    ['that fall at one node fires', (t) => t.wrote(1).read(1, {}, 200).read(1, { client: 's' }, 150), ['C4']],
    [
      'that differ between nodes passes',
      (t) => t.wrote(1).read(1, {}, 200).read(1, { client: 's', node: 'b' }, 150),
      [],
    ],
    [
      'that fall over a restart passes',
      (t) => {
        t.wrote(1).read(1, {}, 200);
        t.history.node('a', 'crash');
        t.history.node('a', 'start');
        t.read(1, { client: 's' }, 150);
      },
      [],
    ],
    [
      'that fall as a node crashes, behind a put that is not acknowledged yet, passes',
      (t) => {
        const end = t.wrote(1).begin(2);
        t.read(2).history.node('b', 'crash');
        t.read(1);
        end(acknowledged(2, 300));
      },
      [],
    ],
    [
      'that fall as a node crashes, behind a put that was acknowledged, fires',
      (t) => {
        t.wrote(1).wrote(2).read(2).history.node('b', 'crash');
        t.read(1);
      },
      ['C1', 'C2', 'C4'],
    ],
    [
      'that fall though nobody has crashed since, behind a put that is not acknowledged yet, fires',
      (t) => {
        t.history.node('b', 'crash');
        const end = t.wrote(1).begin(2);
        t.read(2).read(1);
        end(acknowledged(2, 300));
      },
      ['C2', 'C4'],
    ],
  ]);

  const owner = { consistency: 'owner' } as const;
  suite('read at the owner', [
    ['in order passes', (t) => t.read(0, owner).wrote(1).read(1, owner), []],
    [
      'while a write is under way may see either, once the new one then always',
      (t) => {
        const end = t.read(0, owner).begin(1);
        t.read(0, owner)
          .read(1, owner)
          .read(1, { ...owner, client: 's' });
        end(acknowledged(1));
        t.read(1, owner);
      },
      [],
    ],
    [
      'by two clients, of whom the second sees the older value, fires',
      (t) => {
        const end = t.begin(1);
        t.read(1, { ...owner, node: 'a' }).read(0, { ...owner, client: 's', node: 'b' });
        end(acknowledged(1));
      },
      ['C5'],
    ],
    [
      'with a write of unknown end may see it ever after',
      (t) => t.wrote(1, {}, timedOut).wrote(2).read(2, owner).read(1, owner, 300),
      [],
    ],
  ]);

  const load = (t: Tale, while_: () => void, askedMs?: number, key = 'k'): void => {
    const end = t.history.load(key, 'a', askedMs);
    while_();
    end();
  };
  suite('of loads', [
    [
      'one after another passes',
      (t) => {
        load(t, () => {});
        load(t, () => {});
      },
      [],
    ],
    ['two at once fires', (t) => load(t, () => load(t, () => {})), ['C6']],
    ['two at once passes where two are allowed', (t) => load(t, () => load(t, () => {})), [], { loadsAtOnce: 2 }],
    ['two at once of different keys passes', (t) => load(t, () => load(t, () => {}, undefined, 'l')), []],
    [
      'two at once with a write between passes',
      (t) =>
        load(t, () => {
          t.wrote(1);
          load(t, () => {});
        }),
      [],
    ],
    [
      'two at once with a write to what is invalidated with it passes',
      (t) =>
        load(t, () => {
          t.wrote(1, { key: 'l' });
          load(t, () => {});
        }),
      [],
      { epochOf: () => 'slot' },
    ],
    [
      'three at once with one write between fires',
      (t) =>
        load(t, () => {
          t.wrote(1);
          load(t, () => load(t, () => {}));
        }),
      ['C6'],
    ],
    [
      'two at once after a write fires',
      (t) => {
        t.wrote(1);
        load(t, () => load(t, () => {}));
      },
      ['C6'],
    ],
    [
      'two at once after a write fires, the first of which was asked for since',
      (t) => {
        t.wrote(1);
        load(t, () => load(t, () => {}), 3);
      },
      ['C6'],
    ],
    [
      'two at once after a write passes, before whose end the first was asked for and arrived late',
      (t) => {
        t.wrote(1);
        load(t, () => load(t, () => {}), 1);
      },
      [],
    ],
    [
      'two at once when a write may have come late passes',
      (t) => {
        t.wrote(1, {}, timedOut);
        load(t, () => load(t, () => {}));
      },
      [],
    ],
    [
      'two at once passes where it is excused',
      (t) => load(t, () => load(t, () => {})),
      [],
      { excusesLoad: () => true },
    ],
  ]);

  const refused: WriteOutcome = { is: 'unknown', code: 'OVERLOADED' };
  const final = (node: string) => ({ node, client: node, final: true });
  suite('after quiet', [
    ['with all nodes equal passes', (t) => t.wrote(1).read(1, final('a')).read(1, final('b')), []],
    [
      'with nodes that differ fires',
      (t) => {
        t.begin(1);
        t.read(1, final('a')).read(0, final('b'));
      },
      ['C7'],
    ],
    [
      'with the row of a write that was refused at one node passes',
      (t) => t.wrote(1).wrote(2, {}, refused).read(1, final('a')).read(2, final('b')),
      [],
    ],
    [
      'but the others agree',
      (t) => t.begin(1) && t.wrote(2, {}, refused).read(0, final('a')).read(2, final('b')).read(1, final('c')),
      ['C7'],
    ],
    ['with all nodes behind fires', (t) => t.wrote(1).read(0, final('a')).read(0, final('b')), ['C1', 'C7']],
    [
      'with all nodes behind passes where puts may be lost',
      (t) => t.wrote(1).read(0, final('a')).read(0, final('b')),
      [],
      { excuses: () => true },
    ],
    ['with a key that cannot be read fires', (t) => t.ask(final('a'))({ is: 'failed', code: 'TIMEOUT' }), ['C7']],
    ['with a late put everywhere passes', (t) => t.wrote(1, {}, timedOut).wrote(2).read(1, final('a'), 300), []],
  ]);

  suite('of values', [
    ["with another key's value fires", (t) => t.ask()(saw(0, 'other')), ['C9']],
    ['with a value that nobody made fires', (t) => t.ask()({ ...saw(0), value: 'junk' } as never), ['C9']],
    ['with a value from the future fires', (t) => t.read(1).wrote(1), ['C9']],
    ['with a missing key fires', (t) => t.ask()({ is: 'missing', version: 1 }), ['C9']],
    [
      'with a missing key passes where it may be',
      (t) => t.ask()({ is: 'missing', version: 1 }),
      [],
      { mayBeMissing: () => true },
    ],
  ]);

  const says = (
    t: Tale,
    ...events: readonly (readonly ['present' | 'joined' | 'left' | 'failed' | 'updated' | 'gap', string])[]
  ) => {
    for (const [what, peer] of events) t.history.member('a', what, peer);
  };
  suite('of members', [
    [
      'that join, change, leave and join passes',
      (t) => says(t, ['joined', 'b'], ['updated', 'b'], ['left', 'b'], ['joined', 'b']),
      [],
    ],
    [
      'that were there, and whose joining is told late, passes',
      (t) => says(t, ['present', 'b'], ['joined', 'b'], ['present', 'b'], ['failed', 'b']),
      [],
    ],
    ['one of which joins twice fires', (t) => says(t, ['joined', 'b'], ['joined', 'b']), ['C10']],
    ['one of which leaves before it joins fires', (t) => says(t, ['joined', 'b'], ['left', 'c']), ['C10']],
    ['one of which fails twice fires', (t) => says(t, ['present', 'b'], ['failed', 'b'], ['failed', 'b']), ['C10']],
    ['with a gap fires', (t) => says(t, ['gap', '']), ['C10']],
    [
      'told anew after a restart passes',
      (t) => {
        says(t, ['joined', 'b']);
        t.history.node('a', 'start');
        says(t, ['joined', 'b']);
      },
      [],
    ],
  ]);

  it('a store whose totals are wrong fires', () => {
    const stores = [
      { check: () => {} },
      {
        check: () => {
          throw new Error('accounted 1 bytes, found 2');
        },
      },
    ];
    const { violations } = judge(new History(() => 0), { stores });
    expect(violations.map(textOf)).to.deep.equal(["C8: a store's totals are wrong: accounted 1 bytes, found 2"]);
  });

  it('a checker that is left out says nothing', () => {
    const tale = new Tale().wrote(1).read(0);
    expect(judge(tale.history, { without: ['C1'] }).violations).to.deep.equal([]);
  });

  it('a write that never ended may have happened', () => {
    const tale = new Tale();
    tale.begin(1);
    tale.read(1, owner).read(1, owner);
    expect(judge(tale.history).violations).to.deep.equal([]);
    expect(tale.history.writes.map(({ outcome }) => outcome.is)).to.deep.equal(['unknown']);
  });

  it('orders too many to try leave a key undecided', () => {
    const tale = new Tale();
    for (let seq = 1; seq <= 12; seq++) tale.begin(seq, { client: `w${seq}` });
    for (let seq = 12; seq >= 1; seq--) tale.read(seq, owner);
    expect(judge(tale.history, { orderingsMax: 100 }).undecided).to.deep.equal(['k']);
  });

  it('values tell their key and seq, whatever the key', () => {
    for (const key of ['k', 'a#1', '#', 'ü']) expect(partsOf(textFor(key, 12))).to.deep.equal({ key, seq: 12 });
    for (const text of ['', 'k', 'k#', 'k#x', 'k#-1']) expect(partsOf(text)).to.equal(undefined);
  });

  it('records read as lines', () => {
    const tale = new Tale().wrote(1).read(1, { minVersion: 5, consistency: 'owner' });
    tale.history.load('k')();
    tale.history.node('a', 'crash');
    tale.history.member('a', 'failed', 'b');
    expect(tale.history.all().map(lineOf).join('\n')).to.match(
      /put k#1 -> .*\n.*get k of the owner from version 5 -> .*\n.*load of k by a node\n.*node a: crash\n.*a says: b failed/,
    );
  });
});
