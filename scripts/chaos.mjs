// Real nodes under faults for as long as is asked: npm run chaos -- --minutes 60 --seed 7 --replicas 2
// Each round of some minutes has a new cluster and a seed of its own, `SEED/ROUND`, which repeats it alone.
import { parseArgs } from 'node:util';
import { textOfReport } from '../test/integration/chaos/report.ts';
import { runChaos } from '../test/integration/chaos/run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: new Date().toISOString().slice(0, 10) },
    round: { type: 'string' },
    replicas: { type: 'string', default: '1' },
    'no-cuts': { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const replicas = Number(values.replicas);
if (!(minutes > 0) || !(Number.isInteger(replicas) && replicas > 0)) {
  console.error('usage: npm run chaos -- [--minutes 10] [--seed TEXT] [--round N] [--replicas 1] [--no-cuts]');
  process.exit(2);
}

const roundMs = 180_000;
const endMs = performance.now() + minutes * 60_000;
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    console.log('ending; everything is healed and judged first');
    stop.abort();
  });
}

let round = Number(values.round ?? 1);
let bad = 0;
do {
  const seed = `${values.seed}/${round}`;
  const forMs = Math.min(roundMs, Math.max(1_000, endMs - performance.now()));
  console.log(
    `round ${round}, again: npm run chaos -- --seed ${values.seed} --round ${round} --replicas ${replicas} --minutes ${Math.ceil(forMs / 60_000)}`,
  );
  const report = await runChaos({
    seed,
    forMs,
    replicas,
    cuts: !values['no-cuts'],
    signal: stop.signal,
    say: (line) => console.log(line),
  });
  console.log(textOfReport(report));
  if (report.verdict.violations.length + report.problems.length > 0) bad++;
  round++;
} while (performance.now() < endMs && !stop.signal.aborted);
console.log(bad === 0 ? 'every round kept its promises' : `${bad} rounds broke promises`);
process.exitCode = bad === 0 ? 0 : 1;
