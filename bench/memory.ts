/*
 * What an entry costs beside its 100 bytes: this engine, lru-cache and a plain Map, each in a process of its own, and
 * what the engine's accounting says of it.
 * `npx tsx bench/memory.ts`
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { LRUCache } from 'lru-cache';
import { library, printMachine, printTable, report, sampleValue, whole } from './harness.js';

const entryCount = 200_000;
const valueBytes = 100;
const kinds = ['engine', 'lru-cache', 'plain Map'] as const;
type Kind = (typeof kinds)[number];

interface Measured {
  /** Growth per entry, in bytes. `heap`: `heapUsed` and `external` after full collections. */
  readonly heap: number;
  readonly resident: number;
  /** What the engine counts against `maxBytes`; NaN of the others. */
  readonly accounted: number;
}

const keyOf = (i: number): string => `user:${String(i).padStart(11, '0')}`;

/** Gives what keeps the entries alive, and a count of them. */
async function fill(kind: Kind): Promise<{ readonly held: unknown; size(): number; accounted(): number }> {
  const unknown = (): number => Number.NaN;
  if (kind === 'plain Map') {
    const map = new Map<string, Uint8Array>();
    for (let i = 0; i < entryCount; i++) map.set(keyOf(i), sampleValue(keyOf(i), valueBytes));
    return { held: map, size: () => map.size, accounted: unknown };
  }
  if (kind === 'lru-cache') {
    const lru = new LRUCache<string, Uint8Array>({ max: entryCount });
    for (let i = 0; i < entryCount; i++) lru.set(keyOf(i), sampleValue(keyOf(i), valueBytes));
    return { held: lru, size: () => lru.size, accounted: unknown };
  }
  const { Engine } = await library();
  const engine = new Engine({
    keyspaces: [{ name: 'bench', maxBytes: '1GiB', defaultTtl: '1h', dataSource: { fetch: () => null } }],
  });
  await engine.start();
  for (let i = 0; i < entryCount; i++) {
    await engine.put('bench', { key: keyOf(i), value: sampleValue(keyOf(i), valueBytes) });
  }
  const stat = (name: string): number => engine.describeKeyspace('bench').stats[name] ?? 0;
  return { held: engine, size: () => stat('entries'), accounted: () => stat('main_cache_bytes') / entryCount };
}

/** What is used once everything that nobody holds is gone. */
async function used(): Promise<{ readonly heap: number; readonly resident: number }> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc!();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}

async function measure(kind: Kind): Promise<Measured> {
  await library();
  const before = await used();
  const { held, size, accounted } = await fill(kind);
  const after = await used();
  if (held === undefined || size() !== entryCount) throw new Error(`${kind} holds ${size()} entries`);
  return {
    heap: (after.heap - before.heap) / entryCount,
    resident: (after.resident - before.resident) / entryCount,
    accounted: accounted(),
  };
}

async function compare(): Promise<void> {
  printMachine(`Memory per entry: ${whole(entryCount)} entries, keys of 16 B, values of ${valueBytes} B`);
  const results = new Map<Kind, Measured>();
  for (const kind of kinds) {
    const child = fork(fileURLToPath(import.meta.url), [kind], { execArgv: [...process.execArgv, '--expose-gc'] });
    const [measured] = (await once(child, 'message')) as [Measured];
    results.set(kind, measured);
    await once(child, 'close');
  }
  printTable(
    ['bytes an entry', 'heap and external', 'resident', 'accounted'],
    [...results].map(([kind, { heap, resident, accounted }]) => [
      kind,
      whole(heap),
      whole(resident),
      Number.isFinite(accounted) ? whole(accounted) : '-',
    ]),
  );
  const { engine, lru } = { engine: results.get('engine')!, lru: results.get('lru-cache')! };
  report([
    { name: 'accounted / heap and external, engine', value: engine.accounted / engine.heap },
    { name: 'accounted / resident, engine', value: engine.accounted / engine.resident },
    { name: 'resident, engine / lru-cache', value: engine.resident / lru.resident },
  ]);
}

const kind = kinds.find((known) => known === process.argv[2]);
if (kind === undefined) {
  await compare();
} else {
  process.send?.(await measure(kind));
  process.disconnect();
  process.exit();
}
