/*
 * What leases, renewals and sampling take of a core while nobody asks for anything: two clusters of five nodes over
 * loopback, side by side, one of which goes on without them. `npx tsx bench/idle.ts [seconds]`
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { printMachine, printTable, type Ratio, report } from './harness.js';

const idleMs = 1000 * Number(process.argv[2] ?? 60);
const keyCount = 1000;
const names = ['one', 'two', 'three', 'four', 'five'];

interface Answer {
  readonly us: number;
  readonly stats: Readonly<Record<string, number>>;
}

const path = fileURLToPath(new URL('idle-node.ts', import.meta.url));

async function startCluster(): Promise<readonly ChildProcess[]> {
  const nodes: ChildProcess[] = [];
  let first = '';
  for (const name of names) {
    const node = fork(path, [name, first, String(keyCount)]);
    process.once('exit', () => node.kill('SIGKILL'));
    const [gossip] = (await once(node, 'message')) as [string];
    first ||= gossip;
    nodes.push(node);
  }
  return nodes;
}

async function tell(nodes: readonly ChildProcess[], what: string): Promise<readonly Answer[]> {
  return Promise.all(
    nodes.map(async (node) => {
      const answer = once(node, 'message');
      node.send(what);
      return ((await answer) as [Answer])[0];
    }),
  );
}

const [whole, bare] = [await startCluster(), await startCluster()];
await sleep(3000);
await tell([...whole, ...bare], 'read');
await tell(bare, 'bare');
// Compilers and collectors have work left from the start.
await sleep(20_000);

printMachine('What an idle node of five does');
const clusters = [
  ['all that it does', whole],
  ['without leases, renewals, sampling', bare],
] as const;
const before = await Promise.all(clusters.map(([, nodes]) => tell(nodes, 'usage')));
await sleep(idleMs);
const after = await Promise.all(clusters.map(([, nodes]) => tell(nodes, 'usage')));
const shares = clusters.map((_, c) => after[c]!.map(({ us }, i) => (us - before[c]![i]!.us) / (1000 * idleMs)));
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const checked = clusters.map((_, c) => mean(after[c]!.map(({ stats }) => stats.copies_checked ?? 0)));
if (checked[0] === 0) throw new Error('no copy was sampled');

printTable(
  ['of one core', 'mean', 'least', 'most', 'copies compared'],
  clusters.map(([name], c) => [
    name,
    ...[mean(shares[c]!), Math.min(...shares[c]!), Math.max(...shares[c]!)].map((share) => share.toFixed(4)),
    checked[c]!.toFixed(0),
  ]),
);
await tell([...whole, ...bare], 'stop');
const ratios: Ratio[] = [
  {
    name: 'leases, renewals and sampling of an idle node of five / one core',
    value: mean(shares[0]!) - mean(shares[1]!),
    atMost: 0.01,
  },
  { name: 'an idle node of five, all that it does / one core', value: mean(shares[0]!) },
];
report(ratios);
