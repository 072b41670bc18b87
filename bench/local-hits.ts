/*
 * Reads that memory answers: `engine.get` against a `get` of a bare lru-cache and of a plain Map, each behind an async
 * function, since that is the least a cache with a network behind it can cost. All in one process, in turns.
 * `npx tsx bench/local-hits.ts [rounds]`
 */
import { LRUCache } from 'lru-cache';
import {
  library,
  median,
  percentiles,
  printMachine,
  printTable,
  report,
  sameBytes,
  sampleValue,
  type Timing,
  whole,
} from './harness.js';

const keyCount = 10_000;
const callsPerRound = 400_000;
/** One sample of time is this many calls: a single one is shorter than the clock can tell. */
const callsPerSample = 100;
const rounds = Number(process.argv[2] ?? 9);

type Read = (key: string) => Promise<unknown>;

async function timed(read: Read, keys: readonly string[]): Promise<Timing> {
  const samples: number[] = [];
  const startMs = performance.now();
  for (let i = 0; i < callsPerRound; ) {
    const sampleMs = performance.now();
    for (const end = i + callsPerSample; i < end; i++) {
      if ((await read(keys[i % keyCount]!)) === undefined) throw new Error('no answer');
    }
    samples.push(((performance.now() - sampleMs) * 1e6) / callsPerSample);
  }
  return { perSecond: (callsPerRound * 1000) / (performance.now() - startMs), ...percentiles(samples) };
}

const { Engine } = await library();
// A stride prime to the count: neighbours in time are no neighbours in memory.
const keys = Array.from({ length: keyCount }, (_, i) => `user:${(i * 7919) % keyCount}`);
const dataSource = { fetch: (key: string) => sampleValue(key) };
const engine = new Engine({
  keyspaces: [
    { name: 'forever', maxBytes: '64MiB', dataSource },
    { name: 'expiring', maxBytes: '64MiB', dataSource, defaultTtl: '1h' },
  ],
});
await engine.start();
const lru = new LRUCache<string, Uint8Array>({ max: keyCount });
const map = new Map<string, Uint8Array>();
for (const key of keys) {
  lru.set(key, sampleValue(key));
  map.set(key, sampleValue(key));
}

const shared = { shared: true } as const;
const subjects: readonly { readonly name: string; readonly read: Read; readonly timings: Timing[] }[] = [
  { name: 'plain Map', read: async (key) => map.get(key), timings: [] },
  { name: 'lru-cache', read: async (key) => lru.get(key), timings: [] },
  { name: 'lru-cache, copied', read: async (key) => Buffer.from(lru.get(key)!), timings: [] },
  { name: 'engine.get', read: (key) => engine.get('forever', key), timings: [] },
  { name: 'engine.get, shared', read: (key) => engine.get('forever', key, shared), timings: [] },
  { name: 'engine.get, with a ttl', read: (key) => engine.get('expiring', key), timings: [] },
];

for (const { name, read } of subjects) {
  for (const key of keys) {
    const answer = await read(key);
    const bytes = answer instanceof Uint8Array ? answer : (answer as { readonly value: Uint8Array }).value;
    if (!sameBytes(bytes, sampleValue(key))) throw new Error(`${name}: wrong answer for ${key}`);
  }
}

for (const { read } of subjects) await timed(read, keys);
for (let round = 0; round < rounds; round++) {
  for (const { read, timings } of subjects) timings.push(await timed(read, keys));
}
const hits = engine.describeKeyspace('forever').stats.cache_hits ?? 0;
if (hits < 2 * rounds * callsPerRound) throw new Error('not every get was a hit');
await engine.stop();

printMachine(`Local hits: ${whole(keyCount)} keys, values of 100 B, one caller, median of ${rounds} rounds`);
const medians = new Map(subjects.map(({ name, timings }) => [name, median(timings)]));
printTable(
  ['', 'gets/s', 'p50 ns', 'p99 ns', 'of lru-cache'],
  [...medians].map(([name, { perSecond, p50, p99 }]) => [
    name,
    whole(perSecond),
    whole(p50),
    whole(p99),
    (perSecond / medians.get('lru-cache')!.perSecond).toFixed(2),
  ]),
);
const rate = (name: string): number => medians.get(name)!.perSecond;
report([
  { name: 'engine.get / bare lru-cache get', value: rate('engine.get') / rate('lru-cache'), atLeast: 0.5 },
  { name: 'engine.get, shared / bare lru-cache get', value: rate('engine.get, shared') / rate('lru-cache') },
  { name: 'engine.get, with a ttl / bare lru-cache get', value: rate('engine.get, with a ttl') / rate('lru-cache') },
]);
