import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { lineOf } from '../../support/history/records.js';
import { type Outcome, runOnce, scenarioNamed, storyOf } from './run.js';
import { scenarios } from './scenarios.js';
import { isBad, Workers } from './workers.js';

/** Runs of each scenario; `npm run simulate` does as many as one likes. */
const seeds = Number(process.env.DISTCACHE_SIMULATE_SEEDS ?? 70);
const first = 100;

/** Runs that broke a promise once, each with what was at fault. */
const regressions: readonly [scenario: string, seed: string, story: string][] = [
  ['join', '379', 'an answer without a version, from a load that its key had left, was recalled and kept'],
  ['small', '277', 'a node that did not know the new owner yet gave a load a version above that of the write'],
  ['cut', '454', 'a node that was cut off took itself for the owner of all while its own leases still lasted'],
  ['pause', '2747', 'a node woke, had half of its leases before all invalidations, and answered with what it held'],
  ['cut', '258', 'an owner was asked for what it held, and loaded the key again before it heard that it had moved'],
  ['writers', '3004070', 'a load for which readers had gathered took the place of what was put meanwhile'],
  ['one-slot-clear', '8021098', 'a delete by prefix bore an older version than a put before it, which stayed'],
  ['one-way', '371', 'a read from a version showed a copy to be old, and the copy stayed'],
  ['lagging-many', '190015972', 'who had passed an entry on said “nothing” to who had not heard of its taker yet'],
  ['tangled', '190013281', 'a former owner had heard of later writes to the slot, and not of the other side’s'],
  [
    'tangled',
    '190040406',
    'a node asked in the owner’s stead answered with what the owner, behind the other side, had',
  ],
  ['tangled', '200000056', 'an owner had not heard of a write by one that was no owner to the reader'],
  [
    'tangled',
    '201003033',
    'a replica took what its owner held, which had not heard of a writer that was taken for dead',
  ],
  ['tangled', '201003288', 'a node that drained while it was cut off took itself for an owner in touch'],
  [
    'pair-cut',
    '220002437',
    'a replica counted a delete that was on its way to it as known, and gave a joiner the value before',
  ],
  ['tangled', '1700007256', 'who had confirmed a write got the value before it from who owned the key by then'],
  [
    'lagging-many',
    '1400009372',
    'one of two that joined at once wrote a key of the other one, who had no news of it yet',
  ],
  ['lagging-links', '220040128', 'an owner took back what it had deleted from who had been too busy to be told of it'],
  [
    'frozen-ring',
    '240036998',
    'a put that was spared and then moved was not looked at again when its owner had been off a ring',
  ],
  [
    'lagging-crash',
    '250006426',
    'a put that was held for who was suspected, and was not any more, gave way to a load that had begun meanwhile',
  ],
  [
    'clear-troubled',
    '220014079',
    'a node was lost as it told of a change of a keyspace, and those who knew told nobody',
  ],
  ['rolling', '300004524', 'what was put came from who left as it was loaded ahead of need, and gave way to that load'],
  [
    'lagging-many',
    '300017682',
    'a node that did not own the key any more loaded it a second time, for who had put it meanwhile',
  ],
  [
    'frozen-ring',
    '300018913',
    'what a node held as it lost touch moved to who joined, and was answered with under the lease of that one',
  ],
  [
    'pair-cut',
    '500008982',
    'a former owner that had not heard of who joined wrote, out of the reach of one that had a copy from that one',
  ],
];

const hashOf = ({ records }: Outcome): string =>
  createHash('sha256').update(records.map(lineOf).join('\n')).digest('hex');

describe('simulation: clusters of real engines keep what coherence promises', function () {
  this.timeout(300_000);
  let workers: Workers;
  before(async () => {
    workers = await Workers.open();
  });
  after(() => workers.close());

  for (const { name } of scenarios) {
    it(`${name}: ${seeds} seeds from ${first}`, async () => {
      const runs = Array.from({ length: seeds }, (_, i) => workers.run(name, String(first + i)));
      const ended = await Promise.all(runs);
      const bad = ended.filter(isBad).map(({ story }) => story);
      expect(bad.length, bad.slice(0, 3).join('\n')).to.equal(0);
      expect(ended.reduce((sum, { operations }) => sum + operations, 0)).to.be.above(seeds * 50);
    });
  }

  for (const [scenario, seed, story] of regressions) {
    it(`never again: ${story} (${scenario} ${seed})`, async () => {
      const outcome = await runOnce(scenarioNamed(scenario), seed);
      expect(outcome.violations.length + outcome.problems.length, storyOf(outcome)).to.equal(0);
    });
  }

  it('answers past their expiry are among those that are judged', async () => {
    let stale = 0;
    for (let seed = first; seed < first + 5; seed++) {
      const { records } = await runOnce(scenarioNamed('stale'), String(seed));
      stale += records.map(lineOf).filter((line) => /\bstale\b/.test(line)).length;
    }
    expect(stale).to.be.above(50);
  });

  it('what nodes tell of their peers is among what is judged', async () => {
    const { records } = await runOnce(scenarioNamed('crash'), String(first));
    const told = new Set(records.map((record) => (record.is === 'member' ? record.what : undefined)));
    expect([...told]).to.include.members(['joined', 'left']);
  });

  for (const name of ['mixed', 'tangled', 'sleep', 'lagging']) {
    it(`the same seed gives the same run of ${name}`, async () => {
      const scenario = scenarioNamed(name);
      const [a, b] = [await runOnce(scenario, '7'), await runOnce(scenario, '7')];
      expect(a.operations).to.be.above(100);
      expect(hashOf(b)).to.equal(hashOf(a));
    });
  }
});
