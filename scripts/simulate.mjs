// Whole clusters of real engines under a fake clock: npm run simulate -- --seeds 100000 [--scenario NAME] [--jobs N]
// One failing run again, with its story: npm run simulate -- --scenario pause --seed 17 --trace
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { guardsWithout } from '../src/coherence/guards.ts';
import { runOnce, scenarioNamed } from '../test/simulation/coherence/run.ts';
import { scenarios } from '../test/simulation/coherence/scenarios.ts';
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
    worker: { type: 'boolean', default: false },
  },
});
const guards = values.without === undefined ? guardsWithout() : guardsWithout(...values.without.split(','));
const chosen = values.scenario === undefined ? scenarios : [scenarioNamed(values.scenario)];

const again = ({ scenario, seed }) =>
  `npm run simulate -- --scenario ${scenario} --seed ${seed}${values.without === undefined ? '' : ` --without ${values.without}`} --trace`;

async function single(seed) {
  let bad = 0;
  for (const scenario of chosen) {
    const outcome = await runOnce(scenario, seed, guards);
    const { violations, problems, operations } = outcome;
    console.log(`${scenario.name} ${seed}: ${operations} operations, ${violations.length} violations`);
    for (const { checker, what, records } of violations) {
      console.log(`${checker}: ${what}`);
      for (const record of records) console.log(`    ${lineOf(record)}`);
    }
    for (const problem of problems) console.log(`problem: ${problem}`);
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

/** Runs each seed of its share and tells the parent of each. */
async function work(from, count, step) {
  for (let i = 0; i < count; i += step) {
    const seed = String(from + i);
    const scenario = chosen[(from + i) % chosen.length];
    try {
      const { violations, problems, operations } = await runOnce(scenario, seed, guards);
      const checkers = violations.map(({ checker }) => checker);
      process.send({ scenario: scenario.name, seed, operations, checkers, problems });
    } catch (error) {
      process.send({
        scenario: scenario.name,
        seed,
        operations: 0,
        checkers: [],
        problems: [String(error?.stack ?? error)],
      });
    }
  }
}

async function many(seeds, from, jobs) {
  const startedMs = performance.now();
  const table = new Map(chosen.map(({ name }) => [name, { runs: 0, operations: 0, bad: 0 }]));
  let done = 0;
  let toldMs = 0;
  const failures = [];
  const workers = Array.from({ length: jobs }, (_, job) => {
    const args = process.argv.slice(2).filter((arg) => arg !== '--worker');
    const child = fork(new URL(import.meta.url), [
      ...args,
      '--worker',
      '--from',
      String(from + job),
      '--jobs',
      String(jobs),
    ]);
    child.on('message', (result) => {
      const row = table.get(result.scenario);
      row.runs++;
      row.operations += result.operations;
      done++;
      if (result.checkers.length + result.problems.length > 0) {
        row.bad++;
        failures.push(result);
        if (failures.length <= 20) {
          console.log(`${[...new Set(result.checkers), ...result.problems].join(', ')}: ${again(result)}`);
        }
      }
      if (performance.now() - toldMs > 5000) {
        toldMs = performance.now();
        const perSecond = done / ((toldMs - startedMs) / 1000);
        console.error(`${done} of ${seeds} runs, ${failures.length} bad, ${perSecond.toFixed(0)} a second`);
      }
    });
    return new Promise((resolve, reject) => {
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
    });
  });
  await Promise.all(workers);
  console.table(Object.fromEntries(table));
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(`${done} runs in ${seconds.toFixed(0)} s, ${failures.length} bad`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

if (values.worker) {
  await work(Number(values.from), Number(values.seeds) - 0, Number(values.jobs));
  process.disconnect();
} else if (values.seed !== undefined) await single(values.seed);
else await many(Number(values.seeds), Number(values.from), Number(values.jobs));
