/*
 * What it costs to know the hot keys: one `touch` on the path of every read that memory answers, in CPU time, over keys that
 * are asked for evenly and over a few that take most. Compared with counting in a plain Map, which grows with the keys.
 * `npx tsx bench/hot-keys.ts [rounds]`
 */
import { HotKeys } from '../src/hotkeys/hot-keys.js';
import { systemRandom } from '../src/platform/random.js';
import { printMachine, printTable, type Ratio, report } from './harness.js';

const touches = 4_000_000;
const keyCount = 100_000;
const rounds = Number(process.argv[2] ?? 5);
/** Of a read that memory answers, as bench/local-hits.ts has it: what a touch is measured by. */
const readNs = 300;

const keys = Array.from({ length: keyCount }, (_, i) => `user:${(i * 7919) % keyCount}`);
const even = (i: number): string => keys[i % keyCount]!;
/** Nine in ten of the reads for ten keys. */
const skewed = (i: number): string => keys[i % 10 === 0 ? (i * 31) % keyCount : i % 10]!;

/** CPU nanoseconds of one call, as other work on the machine does not count then. */
function cpuNs(call: (key: string) => void, keyOf: (i: number) => string): number {
  const before = process.cpuUsage();
  for (let i = 0; i < touches; i++) call(keyOf(i));
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / touches;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

function measured(keyOf: (i: number) => string): { readonly touch: number; readonly map: number } {
  const loop: number[] = [];
  const touch: number[] = [];
  const map: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const hot = new HotKeys({ capacity: 400, halfLifeMs: 60_000, random: systemRandom });
    const counts = new Map<string, number>();
    let sink = 0;
    const times = [
      cpuNs((key) => {
        sink += key.length;
      }, keyOf),
      cpuNs((key) => hot.touch(key), keyOf),
      cpuNs((key) => counts.set(key, (counts.get(key) ?? 0) + 1), keyOf),
    ] as const;
    if (sink === 0 || Math.abs(hot.total / touches - 1) > 0.2) throw new Error('not every touch was counted');
    // The first round warms up.
    if (round === 0) continue;
    loop.push(times[0]);
    touch.push(times[1]);
    map.push(times[2]);
  }
  return { touch: Math.max(0, median(touch) - median(loop)), map: Math.max(0, median(map) - median(loop)) };
}

printMachine(
  `Hot keys: ${touches.toLocaleString('en')} touches of ${keyCount.toLocaleString('en')} keys, median of ${rounds} rounds`,
);
const results = { evenly: measured(even), skewed: measured(skewed) };
printTable(
  ['', 'touch ns', 'plain Map ns'],
  Object.entries(results).map(([name, { touch, map }]) => [name, touch.toFixed(1), map.toFixed(1)]),
);
const ratios: readonly Ratio[] = Object.entries(results).map(([name, { touch }]) => ({
  name: `touch / a read of ${readNs} ns, ${name}`,
  value: touch / readNs,
  atMost: 0.05,
}));
report(ratios);
