/*
 * How long a user waits for one value: `distcache get` of a running node against `node -e 0`, in turns, both warm.
 * `npx tsx bench/startup.ts [runs]`
 */
import { spawnSync } from 'node:child_process';
import { cli, percentiles, printMachine, printTable, report } from './harness.js';
import { startNode } from './node-process.js';

const runs = Number(process.argv[2] ?? 21);
const warmUps = 3;
const value = 'bonjour';

const node = await startNode('bench', 'bench');
const env = { ...process.env, DISTCACHE_ADDR: node.address };

/** Milliseconds from start to end of one process. */
function run(args: readonly string[], expected: string): number {
  const startMs = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  const tookMs = performance.now() - startMs;
  if (status !== 0 || stdout !== expected) throw new Error(`${args.join(' ')}: exit ${status}: ${stdout}${stderr}`);
  return tookMs;
}

const put = spawnSync(process.execPath, [cli, 'put', 'bench', 'paris', value], { env, encoding: 'utf8' });
if (put.status !== 0) throw new Error(`distcache put: exit ${put.status}: ${put.stderr}`);

const bare: number[] = [];
const get: number[] = [];
for (let i = -warmUps; i < runs; i++) {
  const bareMs = run(['-e', '0'], '');
  const getMs = run([cli, 'get', 'bench', 'paris'], value);
  if (i < 0) continue;
  bare.push(bareMs);
  get.push(getMs);
}
await node.stop();

printMachine(`Start-up: ${runs} runs each, in turns, compile cache warm`);
const rows = { 'node -e 0': percentiles(bare), 'distcache get': percentiles(get) };
printTable(
  ['', 'p50 ms', 'p99 ms'],
  Object.entries(rows).map(([name, { p50, p99 }]) => [name, p50.toFixed(0), p99.toFixed(0)]),
);
report([{ name: 'distcache get / node -e 0', value: percentiles(get).p50 / percentiles(bare).p50, atMost: 4 }]);
