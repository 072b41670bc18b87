/*
 * What it costs to be watched. Two pairs of nodes, each a node in this process that asks one in a process of its own: one
 * pair without telemetry, one with metrics and traces on both sides and a scrape every second. Gets that cross the link,
 * by the same loops in turns: as nobody follows them, and with each one followed by a trace. And reads that memory
 * answers, with and without. What counts is the processor time of a get, which other work on the machine hardly changes.
 * Two pairs of processes differ by a tenth or two of themselves, though, so what is recorded of a get is also timed alone.
 * `npx tsx bench/telemetry.ts [seconds a measurement]`
 */
import { readFileSync } from 'node:fs';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { AggregationTemporality, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { systemClock } from '../src/platform/clock.js';
import type { NodeInfo } from '../src/ports/membership.js';
import type { PeerReply } from '../src/ports/peers.js';
import { OtelRecorder } from '../src/telemetry/recorder.js';
import {
  library,
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

const keyspace = 'bench';
const keyCount = 2000;
const rounds = 5;
const forMs = 1000 * Number(process.argv[2] ?? 5);
const callers = 1000;

class AskedReader extends MetricReader {
  constructor() {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
  }
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** Takes spans as fast as they come. */
const exporter: SpanExporter = { export: (_, done) => done({ code: 0 }), shutdown: async () => {} };
const reader = new AskedReader();
const meterProvider = new MeterProvider({ readers: [reader] });
const tracerProvider = new TracerProvider({
  spanProcessors: [new BatchSpanProcessor({ exporter, maxQueueSize: 100_000, maxExportBatchSize: 10_000 })],
});
const tracer = tracerProvider.getTracer('bench');
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

const { Engine, staticDiscovery } = await library();
type Library = Awaited<ReturnType<typeof library>>;
type Subject = InstanceType<Library['Engine']>;

const dataSource = { fetch: (key: string) => sampleValue(key) };
const watching = { meterProvider, tracerProvider };

/** An owner that gets no time to run loses touch, and then answers from its data source, which has nothing. */
const lookups = { asked: 0, missing: 0 };

async function pair(name: string, watched: boolean) {
  const owner = await startNode(`${name}-owner`, keyspace, watched ? { telemetry: { metrics: 'prometheus' } } : {});
  const engine = new Engine({
    name,
    bind: { port: 0 },
    gossip: { port: 0 },
    discovery: staticDiscovery({ peers: [owner.gossip] }),
    cluster: { minimumPeers: 2 },
    keyspaces: [{ name: keyspace, maxBytes: '64MiB', hotShare: 0, dataSource: { fetch: () => null } }],
    ...(watched ? watching : {}),
  });
  await engine.start();
  const keys: string[] = [];
  for (let i = 0; keys.length < keyCount; i++) {
    if (engine.owner(keyspace, `user:${i}`) === owner.name) keys.push(`user:${i}`);
  }
  for (const key of keys) {
    await engine.put(keyspace, { key, value: sampleValue(key) });
    const { value, node } = await engine.get(keyspace, key);
    if (!sameBytes(value, sampleValue(key)) || node !== owner.name) throw new Error(`wrong answer for ${key}`);
  }
  const get = async (i: number): Promise<void> => {
    const { found } = await engine.lookup(keyspace, keys[i % keyCount]!);
    lookups.asked++;
    if (!found) lookups.missing++;
  };
  return { owner, engine, get };
}

const bare = await pair('bare', false);
const watched = await pair('watched', true);
/** As an application does that traces its requests: a span around each. */
const followed = async (i: number): Promise<void> => {
  const span = tracer.startSpan('request');
  await context.with(trace.setSpan(context.active(), span), () => watched.get(i));
  span.end();
};
const scrape = async (): Promise<void> => {
  await Promise.all([
    reader.collect(),
    fetch(`http://${watched.owner.admin}/_distcache/admin/metrics`).then((answer) => answer.text()),
  ]);
};
const scraping = setInterval(() => void scrape(), 1000);

/** Of this process, and of others by what /proc says, in hundredths of a second. */
function processorUs(pids: readonly number[]): number {
  const { user, system } = process.cpuUsage();
  const others = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  });
  return user + system + others.reduce((sum, us) => sum + us, 0);
}

interface Call {
  readonly name: string;
  readonly call: (i: number) => Promise<void>;
  /** Whose time it takes beside this process's. */
  readonly pids: readonly number[];
}

interface Measured extends Timing {
  readonly processorUs: number;
}

const without = 'without';
const withAll = 'with metrics and traces';
const withSpans = 'each followed by a trace';

printMachine(`What telemetry costs: values of 100 B, median of ${rounds} rounds`);
const peerGets = await inTurns([
  { name: without, call: bare.get, pids: [bare.owner.pid] },
  { name: withAll, call: watched.get, pids: [watched.owner.pid] },
  { name: withSpans, call: followed, pids: [watched.owner.pid] },
]);
clearInterval(scraping);

const alone = (watch: object): Subject =>
  new Engine({ keyspaces: [{ name: keyspace, maxBytes: '64MiB', dataSource }], ...watch });
const [plain, counted] = [alone({}), alone(watching)];
const localGet = async (engine: Subject): Promise<(i: number) => Promise<void>> => {
  await engine.start();
  const keys = Array.from({ length: keyCount }, (_, i) => `user:${i}`);
  for (const key of keys) await engine.get(keyspace, key);
  // Many at a time: a single one is shorter than the clock can tell.
  return async (i) => {
    for (let n = 0; n < 1000; n++) await engine.get(keyspace, keys[(i + n) % keyCount]!);
  };
};
const locals = await inTurns(
  [
    { name: without, call: await localGet(plain), pids: [] },
    { name: withAll, call: await localGet(counted), pids: [] },
  ],
  1,
);

async function inTurns(calls: readonly Call[], loops = callers): Promise<ReadonlyMap<string, Measured>> {
  const all = new Map(calls.map(({ name }) => [name, [] as Measured[]]));
  for (const { call } of calls) await underLoad(call, loops, 1000);
  for (let round = 0; round < rounds; round++) {
    for (const { name, call, pids } of calls) all.get(name)!.push(await measured(call, pids, loops));
  }
  return new Map([...all].map(([name, rows]) => [name, middle(rows)]));
}

async function measured(call: Call['call'], pids: readonly number[], loops: number): Promise<Measured> {
  let count = 0;
  const beforeUs = processorUs(pids);
  const timing = await underLoad(
    (i) => {
      count++;
      return call(i);
    },
    loops,
    forMs / rounds,
  );
  return { ...timing, processorUs: (processorUs(pids) - beforeUs) / count };
}

/** The round whose processor time lies in the middle. */
function middle(rows: readonly Measured[]): Measured {
  return [...rows].sort((a, b) => a.processorUs - b.processorUs)[Math.floor(rows.length / 2)]!;
}

/** Of a get that crosses a link: the operation and the request here, the answer there. Nanoseconds beyond what is done anyway. */
async function recordedNs(): Promise<number> {
  const value = Promise.resolve({ is: 'value' } as unknown as PeerReply);
  const run = (): Promise<PeerReply> => value;
  const request = { do: 'get', keyspace, key: 'k', loading: [], minVersion: 0, standIn: false } as const;
  const from = { id: 'id', name: 'asker', address: '127.0.0.1:3320' } as NodeInfo;
  const recorder = new OtelRecorder({
    clock: systemClock,
    meter: meterProvider.getMeter('bench'),
    tracer,
    peerOf: () => from,
    failed: (error) => {
      throw error;
    },
  });
  const calls = [
    () => recorder.operation('get', keyspace, run, () => 'hit'),
    () => recorder.ask(from.id, request, run),
    () => recorder.answer(from, request, run),
  ];
  let sum = 0;
  for (const call of calls) {
    const rows: number[] = [];
    for (let round = 0; round < rounds; round++) rows.push((await eachNs(call)) - (await eachNs(run)));
    sum += rows.sort((a, b) => a - b)[Math.floor(rounds / 2)]!;
  }
  return sum;
}

async function eachNs(call: () => PeerReply | Promise<PeerReply>): Promise<number> {
  const count = 300_000;
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) await call();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / count;
}

const rowsOf = (what: string, timings: ReadonlyMap<string, Measured>, each: number): string[][] =>
  [...timings].map(([name, { perSecond, processorUs }]) => [
    `${what}, ${name}`,
    whole(perSecond * each),
    (processorUs / each).toFixed(2),
  ]);
printTable(
  ['', 'a second', 'processor us'],
  [...rowsOf(`peer gets, ${whole(callers)} callers`, peerGets, 1), ...rowsOf('local hits', locals, 1000)],
);
const cost = (timings: ReadonlyMap<string, Measured>, name: string): number =>
  timings.get(name)!.processorUs / timings.get(without)!.processorUs;
const recordedUs = (await recordedNs()) / 1000;
const ratios: Ratio[] = [
  {
    name: `what is recorded of a peer get, timed alone (${recordedUs.toFixed(2)} us) / the get ${without}`,
    value: recordedUs / peerGets.get(without)!.processorUs,
    atMost: 0.1,
  },
  { name: `processor time of peer gets, ${withAll} / ${without}`, value: cost(peerGets, withAll), atMost: 1.1 },
  { name: `processor time of peer gets, ${withSpans} / ${without}`, value: cost(peerGets, withSpans) },
  { name: `processor time of local hits, ${withAll} / ${without}`, value: cost(locals, withAll), atMost: 1.05 },
];

await Promise.all([bare.engine.stop(), watched.engine.stop(), plain.stop(), counted.stop()]);
await Promise.all([bare.owner.stop(), watched.owner.stop()]);
await Promise.all([meterProvider.shutdown(), tracerProvider.shutdown()]);
if (lookups.missing > 0) {
  console.log(
    `${lookups.missing} of ${lookups.asked} peer gets found nothing: this machine is too busy for figures that mean much`,
  );
}
report(ratios);
