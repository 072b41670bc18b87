/*
 * What coherence costs: a put that waits for every node against a get that asks one, on five nodes over loopback; and what
 * is left of the throughput while one of three nodes is frozen. What an idle node does is measured by `idle.ts`.
 * `npx tsx bench/coherence.ts [seconds a measurement]`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { library, printMachine, printTable, type Ratio, report, sampleValue, underLoad, whole } from './harness.js';
import { startNode } from './node-process.js';

const keyspace = 'bench';
const keyCount = 3000;
const forMs = 1000 * Number(process.argv[2] ?? 3);

const { Engine, staticDiscovery } = await library();
/** A row for every key: what a frozen node owned is loaded anew, once, by whoever owns it then. */
const rowsPath = fileURLToPath(new URL('rows.mjs', import.meta.url));
const names = ['one', 'two', 'three', 'four'];
const nodes = await Promise.all(names.map((name) => startNode(name, keyspace, {}, { type: 'module', path: rowsPath })));
const engine = new Engine({
  name: 'five',
  bind: { port: 0 },
  gossip: { port: 0 },
  discovery: staticDiscovery({ peers: nodes.map(({ gossip }) => gossip) }),
  cluster: { minimumPeers: 5 },
  keyspaces: [{ name: keyspace, maxBytes: '64MiB', hotShare: 0, dataSource: { fetch: (key) => sampleValue(key) } }],
});
await engine.start();
await sleep(3000);

const keys = Array.from({ length: keyCount }, (_, i) => `user:${i}`);
for (const key of keys) await engine.put(keyspace, { key, value: sampleValue(key) });
const theirs = keys.filter((key) => engine.owner(keyspace, key) !== 'five');
const keyAt = (i: number): string => theirs[i % theirs.length]!;
const get = async (i: number): Promise<void> => {
  await engine.get(keyspace, keyAt(i));
};
const put = async (i: number): Promise<void> => {
  const { unreached } = await engine.put(keyspace, { key: keyAt(i), value: sampleValue(keyAt(i)) });
  if (unreached.length > 0) throw new Error(`a put did not reach ${unreached.join(', ')}`);
};

printMachine('What coherence costs');
const ratios: Ratio[] = [];
const rows: string[][] = [];
for (const callers of [1, 64]) {
  await underLoad(get, callers, 500);
  const gets = await underLoad(get, callers, forMs);
  await underLoad(put, callers, 500);
  const puts = await underLoad(put, callers, forMs);
  for (const [what, timing] of [
    ['get', gets],
    ['put', puts],
  ] as const) {
    const { perSecond, p50, p99 } = timing;
    rows.push([`${what}, ${callers} callers`, whole(perSecond), p50.toFixed(2), p99.toFixed(2)]);
  }
  ratios.push({
    name: `put, applied everywhere / peer get, median, ${callers} callers`,
    value: puts.p50 / gets.p50,
    atMost: 3,
  });
}
printTable(['five nodes', 'a second', 'p50 ms', 'p99 ms'], rows);

await Promise.all(nodes.slice(2).map((node) => node.stop()));
await sleep(3000);
const callers = 64;
const read = async (i: number): Promise<void> => {
  const options = { timeoutMs: 5000 };
  await engine.lookup(keyspace, keyAt(i), options);
};
const calm = await underLoad(read, callers, forMs);
const frozen = nodes[1]!;
process.kill(frozen.pid, 'SIGSTOP');
const disturbed = await underLoad(read, callers, 5000);
const startedMs = performance.now();
await engine.put(keyspace, { key: 'after', value: sampleValue('after') });
const putMs = performance.now() - startedMs;
process.kill(frozen.pid, 'SIGCONT');
printTable(
  ['three nodes', 'reads a second', 'p99 ms'],
  [
    ['all well', whole(calm.perSecond), calm.p99.toFixed(1)],
    ['one frozen, the first five seconds', whole(disturbed.perSecond), disturbed.p99.toFixed(1)],
  ],
);
console.log(`a put five seconds later took ${putMs.toFixed(0)} ms`);
ratios.push({
  name: 'reads while one of three is frozen / before',
  value: disturbed.perSecond / calm.perSecond,
  atLeast: 0.5,
});

await engine.stop();
await Promise.all(nodes.slice(0, 2).map((node) => node.stop()));
report(ratios);
