/*
 * Reads that cross the network: a node in this process asks another node, in a process of its own, for keys that the
 * other owns, and keeps no copies of them. Against Redis through ioredis, with and without auto-pipelining, by the same
 * loops over the same keys and values. All of it over loopback.
 * `npx tsx bench/peer-gets.ts [seconds a measurement]`
 */
import { Redis } from 'ioredis';
import {
  library,
  median,
  printMachine,
  printTable,
  type Ratio,
  report,
  sameBytes,
  sampleValue,
  type Timing,
  underLoad,
  whole,
} from './harness.js';
import { startNode } from './node-process.js';
import { startRedis } from './redis.js';

const keyCount = 10_000;
const batchSize = 100;
const callerCounts = [1, 64, 1_000, 10_000];
const batchCallerCounts = [1, 16];
const rounds = 3;
const forMs = 1000 * Number(process.argv[2] ?? 2);

interface Subject {
  readonly name: string;
  get(key: string): Promise<Uint8Array | null>;
  getMany(keys: readonly string[]): Promise<readonly (Uint8Array | null | undefined)[]>;
  put(key: string, value: Uint8Array): Promise<unknown>;
}

const { Engine, staticDiscovery } = await library();
const owner = await startNode('owner', 'bench');
const engine = new Engine({
  name: 'asker',
  bind: { port: 0 },
  gossip: { port: 0 },
  discovery: staticDiscovery({ peers: [owner.gossip] }),
  cluster: { minimumPeers: 2 },
  keyspaces: [{ name: 'bench', maxBytes: '64MiB', hotShare: 0, dataSource: { fetch: () => null } }],
});
await engine.start();
const redis = await startRedis();
const plain = redis && new Redis(redis.port, '127.0.0.1');
const pipelined = redis && new Redis(redis.port, '127.0.0.1', { enableAutoPipelining: true });

const redisSubject = (name: string, client: Redis): Subject => ({
  name,
  get: (key) => client.getBuffer(key),
  getMany: (keys) => client.mgetBuffer(...keys),
  put: (key, value) => client.set(key, Buffer.from(value)),
});
const subjects: Subject[] = [
  {
    name: 'distcache',
    get: async (key) => (await engine.get('bench', key)).value,
    getMany: async (keys) => (await engine.getMany('bench', keys)).map(({ value }) => value),
    put: (key, value) => engine.put('bench', { key, value }),
  },
];
if (plain && pipelined) {
  subjects.push(redisSubject('ioredis', plain), redisSubject('ioredis, auto-pipelining', pipelined));
} else {
  console.error(
    'redis-server is not installed, so there is nothing to compare with; on Debian: apt-get install redis-server',
  );
}

const keys: string[] = [];
for (let i = 0; keys.length < keyCount; i++) {
  if (engine.owner('bench', `user:${i}`) === owner.name) keys.push(`user:${i}`);
}
const batches = Array.from({ length: keyCount / batchSize }, (_, i) => keys.slice(i * batchSize, (i + 1) * batchSize));

for (const subject of subjects) await check(subject);
for (const key of keys) {
  const { outcome, node } = await engine.get('bench', key);
  if (outcome !== 'hit' || node !== owner.name) throw new Error(`${key} was answered as ${outcome} of ${node}`);
}

async function check({ name, get, getMany, put }: Subject): Promise<void> {
  await Promise.all(keys.map((key) => put(key, sampleValue(key))));
  for (const batch of batches) {
    const values = [...(await getMany(batch)), ...(await Promise.all(batch.map((key) => get(key))))];
    for (const [i, value] of values.entries()) {
      const key = batch[i % batchSize]!;
      if (value == null || !sameBytes(value, sampleValue(key))) throw new Error(`${name}: wrong answer for ${key}`);
    }
  }
}

async function getOne({ get }: Subject, i: number): Promise<void> {
  const value = await get(keys[i % keyCount]!);
  if (value?.byteLength !== 100) throw new Error('wrong answer');
}

async function getBatch({ getMany }: Subject, i: number): Promise<void> {
  const values = await getMany(batches[i % batches.length]!);
  if (values.length !== batchSize || values[i % batchSize]?.byteLength !== 100) throw new Error('wrong answer');
}

/** Takes turns between the subjects, and the median of the rounds. */
async function compare(call: (subject: Subject, i: number) => Promise<void>, callers: number): Promise<Timing[]> {
  const timings = subjects.map((): Timing[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [at, subject] of subjects.entries()) {
      timings[at]!.push(await underLoad((i) => call(subject, i), callers, forMs / rounds));
    }
  }
  return timings.map(median);
}

for (const subject of subjects) await underLoad((i) => getOne(subject, i), 1_000, 1_000);

printMachine(
  `Gets from another process: values of 100 B, median of ${rounds} rounds${redis ? `, Redis ${redis.version}` : ''}`,
);
const rows: string[][] = [];
const ratios: Ratio[] = [];
for (const callers of callerCounts) {
  const timings = await compare(getOne, callers);
  rows.push(...rowsOf(timings, `${whole(callers)} callers`, 1));
  ratios.push(...ratiosOf(timings, `gets, ${whole(callers)} callers`, callers >= 64));
}
for (const callers of batchCallerCounts) {
  const timings = await compare(getBatch, callers);
  rows.push(...rowsOf(timings, `${whole(callers)} callers, ${batchSize} keys a call`, batchSize));
  ratios.push(...ratiosOf(timings, `getMany of ${batchSize}, ${whole(callers)} callers`, false));
}
printTable(['', 'gets/s', 'p50 ms', 'p99 ms'], rows);

function rowsOf(timings: readonly Timing[], load: string, keysPerCall: number): string[][] {
  return timings.map(({ perSecond, p50, p99 }, at) => [
    `${load}: ${subjects[at]!.name}`,
    whole(perSecond * keysPerCall),
    p50.toFixed(3),
    p99.toFixed(3),
  ]);
}

function ratiosOf([ours, alone, together]: readonly Timing[], what: string, wanted: boolean): Ratio[] {
  if (ours === undefined || alone === undefined || together === undefined) return [];
  return [
    {
      name: `${what} / ioredis with auto-pipelining`,
      value: ours.perSecond / together.perSecond,
      ...(wanted ? { atLeast: 1 } : {}),
    },
    { name: `${what} / ioredis without`, value: ours.perSecond / alone.perSecond },
  ];
}

plain?.disconnect();
pipelined?.disconnect();
await redis?.stop();
await engine.stop();
await owner.stop();
report(ratios);
