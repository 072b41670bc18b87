// Whole clusters of real engines under a fake clock: npm run simulate -- --seeds 100000 [--scenario NAME] [--jobs N]
// One failing run again, with its story: npm run simulate -- --scenario pause --seed 17 --trace
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { guardNames, guardsWithout } from '../src/coherence/guards.ts';
import { againOf, runOnce, storyOf } from '../test/simulation/coherence/run.ts';
import { scenarios } from '../test/simulation/coherence/scenarios.ts';
import { isBad, Workers } from '../test/simulation/coherence/workers.ts';
import { lineOf } from '../test/support/history/records.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    scenario: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    without: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});
const without = values.without?.split(',') ?? [];
const chosen = scenarios.filter(({ name }) => values.scenario === undefined || name === values.scenario);
const listed = (all) => `there are: ${all.join(', ')}`;
const unknown = without.find((name) => !guardNames.includes(name));
if (chosen.length === 0) refuse(`no scenario '${values.scenario}'; ${listed(scenarios.map(({ name }) => name))}`);
if (unknown !== undefined) refuse(`no guard '${unknown}'; ${listed(guardNames)}`);
const numbers = { seeds: Number(values.seeds), from: Number(values.from), jobs: Number(values.jobs) };
for (const [name, number] of Object.entries(numbers)) {
  if (Number.isSafeInteger(number) && number > 0) continue;
  refuse(`--${name} is '${values[name]}', must be a whole number above 0`);
}
// Whoever reads no further, as `head`, ends it.
process.stdout.on('error', () => process.exit());
const tellEveryMs = 5000;
/** Failures that are told as they come; the others are counted. */
const toldMax = 20;

function refuse(problem) {
  console.error(problem);
  process.exit(2);
}

async function single(seed) {
  let bad = 0;
  for (const scenario of chosen) {
    const outcome = await runOnce(scenario, seed, guardsWithout(...without));
    const { violations, problems, operations } = outcome;
    console.log(`${scenario.name} ${seed}: ${operations} operations, ${violations.length} violations`);
    if (violations.length + problems.length > 0) console.log(storyOf(outcome));
    const key = violations[0]?.records.find((record) => 'key' in record)?.key;
    if (values.trace) {
      const story = outcome.records
        .filter((record) => !('key' in record) || key === undefined || record.key === key)
        .sort((a, b) => (a.startStep ?? a.step) - (b.startStep ?? b.step));
      for (const record of story) console.log(lineOf(record));
    }
    bad += violations.length + problems.length;
  }
  process.exitCode = bad === 0 ? 0 : 1;
}

async function many({ seeds, from, jobs }) {
  const startedMs = performance.now();
  const table = new Map(chosen.map(({ name }) => [name, { runs: 0, operations: 0, bad: 0 }]));
  const workers = await Workers.open(jobs);
  let begun = 0;
  let done = 0;
  let bad = 0;
  let toldMs = 0;
  /** Each seed belongs to one scenario, whatever number of jobs there is. */
  const share = async () => {
    while (begun < seeds) {
      const number = from + begun++;
      const seed = String(number);
      const scenario = chosen[number % chosen.length].name;
      const ended = await workers.run(scenario, seed, without);
      const row = table.get(scenario);
      row.runs++;
      row.operations += ended.operations;
      done++;
      if (isBad(ended)) {
        row.bad++;
        bad++;
        const off = values.without === undefined ? '' : ` --without ${values.without}`;
        const what = [...new Set([...ended.checkers, ...ended.problems])].join(', ');
        if (bad <= toldMax) console.log(`${what}: ${againOf({ scenario, seed })}${off}`);
      }
      if (performance.now() - toldMs > tellEveryMs) {
        toldMs = performance.now();
        const perSecond = done / ((toldMs - startedMs) / 1000);
        console.error(`${done} of ${seeds} runs, ${bad} bad, ${perSecond.toFixed(0)} a second`);
      }
    }
  };
  await Promise.all(Array.from({ length: jobs }, share));
  await workers.close();
  console.table(Object.fromEntries(table));
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(`${done} runs in ${seconds.toFixed(0)} s, ${bad} bad`);
  process.exitCode = bad === 0 ? 0 : 1;
}

if (values.seed !== undefined) await single(values.seed);
else await many(numbers);
