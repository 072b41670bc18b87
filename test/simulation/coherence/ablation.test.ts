import { expect } from 'chai';
import { type GuardName, guardNames } from '../../../src/coherence/guards.js';
import { Workers } from './workers.js';

/** What is switched off, the scenario that needs it, and a seed from which on it soon shows. */
const shown: readonly (readonly [off: readonly GuardName[], scenario: string, from: number])[] = [
  [['fill-token'], 'stable', 100],
  [['join-token'], 'writers', 100],
  [['peer-acks'], 'replicas', 100],
  [['lease'], 'one-way', 100],
  [['lease-wait'], 'cut', 100],
  [['join-later'], 'slow-source', 515],
  [['floor-exchange'], 'pause', 100],
  [['repair-first'], 'overload', 100],
  [['sweep'], 'clear', 100],
  [['vouch'], 'tangled', 200000050],
  [['copy-version'], 'clocks', 100],
  [['load-version'], 'stable', 100],
  [['owner-lease'], 'pause', 100],
  // Each of these two covers for the other: an answer of an owner that has not heard of a write is refused by both.
  [['embargo', 'reply-floor'], 'rolling', 117],
  // So do these, as a clear raises every floor.
  [['generation', 'reply-floor'], 'one-slot-clear', 460],
];

const runsMax = 2000;

describe('simulation: every guard is needed, and the checkers see that it is gone', function () {
  this.timeout(300_000);
  let workers: Workers;
  before(async () => {
    workers = await Workers.open();
  });
  after(() => workers.close());

  it('names each guard', () => {
    expect([...new Set(shown.flatMap(([off]) => off))].sort()).to.deep.equal([...guardNames].sort());
  });

  for (const [off, scenario, from] of shown) {
    it(`without ${off.join(' and ')}: ${scenario} breaks a promise`, async () => {
      let runs = 0;
      let fired: readonly string[] = [];
      while (fired.length === 0 && runs < runsMax) {
        const seeds = Array.from({ length: workers.jobs }, (_, i) => String(from + runs + i));
        const ended = await Promise.all(seeds.map((seed) => workers.run(scenario, seed, off)));
        fired = ended.flatMap(({ checkers }) => checkers);
        runs += seeds.length;
      }
      expect(fired, `${runs} runs`).not.to.deep.equal([]);
    });
  }
});
