// Hostile input to every parser, for as long as is asked: npm run fuzz -- --minutes 10 [--seed TEXT] [--parser NAME]
// What was found is printed with the line that runs it again, and kept in test/corpus: npm run fuzz -- --parser NAME --seed TEXT --round N
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { again, fuzz, inputOf, keep, kept, replay } from '../test/fuzz/fuzzer.ts';
import { allParsers, closeAll } from '../test/fuzz/parsers.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: new Date().toISOString().slice(0, 19) },
    parser: { type: 'string' },
    round: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
const all = await allParsers();
const chosen = all.filter(({ name }) => values.parser === undefined || name === values.parser);
if (!(minutes > 0) || chosen.length === 0) {
  console.error(
    `usage: npm run fuzz -- [--minutes 1] [--seed TEXT] [--parser ${all.map(({ name }) => name).join('|')}] [--round N]`,
  );
  await closeAll(all);
  process.exit(2);
}

/** The parser and round under way: told of where one ends the process, or does not end, which another thread sees. */
const now = new Int32Array(new SharedArrayBuffer(8));
const lines = all.map(({ name }) => `npm run fuzz -- --parser ${name} --seed ${values.seed}`);
process.on('uncaughtExceptionMonitor', () => console.error(`ends the process: ${lines[now[0]]} --round ${now[1]}`));
const watchdog = new Worker(
  `const { workerData: { now, lines } } = require('node:worker_threads');
  let seen = '';
  setInterval(() => {
    if (seen === now.join()) {
      require('node:fs').writeSync(2, 'does not come to an end: ' + lines[now[0]] + ' --round ' + now[1] + '\\n');
      process.kill(process.pid, 'SIGKILL');
    }
    seen = now.join();
  }, 30_000);`,
  {
    eval: true,
    workerData: { now, lines },
  },
);
watchdog.unref();

let bad = 0;
async function attempt(what) {
  try {
    await what();
    return true;
  } catch (error) {
    bad++;
    console.log(`${error.message}\n`);
    return false;
  }
}

for (const parser of chosen) {
  for (const { name, bytes } of kept(parser.name)) await attempt(() => replay(parser, name, bytes));
}
if (values.round !== undefined) {
  for (const parser of chosen) await attempt(() => fuzz(parser, values.seed, Number(values.round)));
} else {
  console.log(`SEED=${values.seed}: ${chosen.length} parsers, ${minutes} minutes`);
  const table = new Map(chosen.map(({ name }) => [name, { rounds: 0, found: 0 }]));
  const endMs = performance.now() + minutes * 60_000;
  let turn = 0;
  while (performance.now() < endMs) {
    for (const parser of chosen) {
      const row = table.get(parser.name);
      // Each has the same share of the time.
      const untilMs = performance.now() + 200;
      while (performance.now() < untilMs && performance.now() < endMs && row.found < 10) {
        const round = row.rounds++;
        now.set([all.indexOf(parser), round]);
        if (await attempt(() => fuzz(parser, values.seed, round))) continue;
        row.found++;
        const { bytes } = inputOf(parser, values.seed, round);
        const name = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
        console.log(`kept: ${keep(parser.name, name, bytes)} (${again(parser.name, values.seed, round)})`);
      }
    }
    if (++turn % 20 === 0)
      console.error(`${[...table.values()].reduce((sum, { rounds }) => sum + rounds, 0)} rounds, ${bad} bad`);
  }
  console.table(Object.fromEntries(table));
}
console.log(bad === 0 ? 'nothing found' : `${bad} found`);
await closeAll(all);
process.exitCode = bad === 0 ? 0 : 1;
