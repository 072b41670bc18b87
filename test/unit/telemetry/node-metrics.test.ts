import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import { expect } from 'chai';
import { connect } from '../../../src/client/client.js';
import { Engine } from '../../../src/index.js';
import { systemClock } from '../../../src/platform/clock.js';
import { processGauges } from '../../../src/platform/process-gauges.js';
import { runtimeReader } from '../../../src/platform/runtime.js';
import { durationMetrics } from '../../../src/telemetry/durations.js';
import { shownElsewhere } from '../../../src/telemetry/keyspace-metrics.js';
import { observe } from '../../../src/telemetry/metric.js';
import { type NodeReading, nodeMetrics } from '../../../src/telemetry/node-metrics.js';
import { runtimeMetrics } from '../../../src/telemetry/runtime-metrics.js';
import { noCounts } from '../../../src/transport/session-counts.js';
import { Otel } from '../../support/otel.js';

const page = readFileSync(fileURLToPath(new URL('../../../docs/telemetry.md', import.meta.url)), 'utf8');

const rowOf = (name: string, kind: string, unit: string, attributes: readonly string[], what: string): string =>
  `| \`${name}\` | ${kind} | \`${unit}\` | ${attributes.map((attribute) => `\`${attribute}\``).join(' ')} | ${what} |`;

/** What the page's tables have to say, row by row. */
const rows: readonly string[] = [
  ...Object.values(durationMetrics).map(({ name, attributes, description }) =>
    rowOf(name, 'histogram', 's', attributes, description),
  ),
  ...[...nodeMetrics, ...runtimeMetrics].map(({ name, kind, unit, attributes = [], description }) =>
    rowOf(name, kind, unit, attributes, description),
  ),
];

const kindOf = (metric: MetricData): string => {
  if (metric.dataPointType === DataPointType.SUM) return metric.isMonotonic ? 'counter' : 'sum';
  return metric.dataPointType === DataPointType.HISTOGRAM ? 'histogram' : 'gauge';
};

describe('metrics of a node', () => {
  let otel: Otel;
  let engine: Engine;
  let stopRuntime: () => void;
  let exported: ReadonlyMap<string, MetricData>;
  before(async () => {
    otel = new Otel();
    engine = new Engine({
      name: 'watched',
      bind: { port: 0 },
      gossip: { port: 0 },
      admin: { port: 0 },
      source: { rateLimit: '1000/s', breaker: { failures: 3, reset: '1s' } },
      keyspaces: [{ name: 'ks', maxBytes: '1MiB', dataSource: { fetch: (key) => `value of ${key}` } }],
      meterProvider: otel.meterProvider,
      tracerProvider: otel.tracerProvider,
    });
    await engine.start();
    const gauges = processGauges(systemClock);
    const stop = observe(otel.meter, runtimeMetrics, runtimeReader(gauges), (error) => {
      throw error;
    });
    stopRuntime = () => {
      stop();
      gauges.stop();
    };
    const client = connect({ addresses: [engine.status().grpc] });
    for (let i = 0; i < 3; i++) await client.get('ks', 'k');
    await client.close();
    // No peer is there to be asked.
    otel.meter.createHistogram(durationMetrics.ask.name, { unit: 's' }).record(0, { 'rpc.method': 'x' });
    exported = await otel.metrics();
  });
  after(async () => {
    stopRuntime();
    await engine.stop();
    await otel.close();
  });

  it('are all documented, and nothing else is: name, kind, unit, attributes and meaning', () => {
    const documented = page.split('\n').filter((line) => /^\| `[\w.]+` \| (counter|sum|gauge|histogram) \|/.test(line));
    expect(documented).to.deep.equal(rows);
  });

  it('are all exported, of the kind, unit and attributes that the documentation gives', () => {
    const told = rows.map((row) => row.split(' | ').slice(0, 4).join(' | '));
    const names = told.map((row) => /`([^`]+)`/.exec(row)![1]!);
    expect([...exported.keys()].sort()).to.deep.equal([...names].sort());
    for (const [index, name] of names.entries()) {
      const metric = exported.get(name)!;
      const documented = told[index]!;
      expect(
        documented.startsWith(`| \`${name}\` | ${kindOf(metric)} | \`${metric.descriptor.unit}\` |`),
        documented,
      ).to.equal(true);
      expect(metric.dataPoints.length, `points of ${name}`).to.be.above(0);
      const attributes = new Set(
        (metric.dataPoints as { attributes: object }[]).flatMap((p) => Object.keys(p.attributes)),
      );
      for (const attribute of attributes) expect(documented, name).to.include(`\`${attribute}\``);
    }
  });

  it('have at most one point for each set of attributes, and each a number', () => {
    for (const { descriptor, dataPoints } of exported.values()) {
      const sets = dataPoints.map(({ attributes }) => JSON.stringify(Object.entries(attributes).sort()));
      expect(new Set(sets).size, descriptor.name).to.equal(sets.length);
    }
    const reading = readingOf(engine);
    for (const metric of nodeMetrics) {
      const points = metric.points(reading);
      const sets = points.map(({ attributes = {} }) => JSON.stringify(Object.entries(attributes).sort()));
      expect(new Set(sets).size, metric.name).to.equal(sets.length);
      for (const { value } of points) expect(value, metric.name).to.satisfy(Number.isFinite);
    }
  });

  it('show whatever a node counts', () => {
    const reading = readingOf(engine);
    const read = new Set<string>();
    const watched: NodeReading = {
      ...reading,
      keyspaces: reading.keyspaces.map((space) => ({ ...space, stats: watch('stats', space.stats, read) })),
      status: { ...reading.status, gossipCounts: watch('gossip', reading.status.gossipCounts, read) },
      engine: watch('engine', reading.engine, read),
      links: watch('links', reading.links!, read),
      clients: watch('clients', reading.clients!, read),
      admin: watch('admin', reading.admin!, read),
      sources: new Map(
        [...reading.sources].map(([name, source]) => [
          name,
          { ...source, counts: watch('source', source.counts, read) },
        ]),
      ),
    };
    for (const metric of nodeMetrics) metric.points(watched);
    const all = [
      ...Object.keys(reading.keyspaces[0]!.stats)
        .filter((name) => !shownElsewhere.some((pattern) => pattern.test(name)))
        .map((name) => `stats.${name}`),
      ...Object.keys(reading.engine).map((name) => `engine.${name}`),
      ...Object.keys(reading.links!).map((name) => `links.${name}`),
      ...Object.keys(reading.clients!).map((name) => `clients.${name}`),
      ...Object.keys(reading.admin!).map((name) => `admin.${name}`),
      ...Object.keys([...reading.sources.values()][0]!.counts).map((name) => `source.${name}`),
    ];
    const hint = 'counted and shown by no metric: give it a row in src/telemetry/*-metrics.ts and docs/telemetry.md';
    expect(
      all.filter((name) => !read.has(name)),
      hint,
    ).to.deep.equal([]);
  });

  it('say what happened', async () => {
    const pointsOf = (name: string) => exported.get(name)!.dataPoints as { value: unknown; attributes: object }[];
    const reads = new Map(pointsOf('distcache.reads').map((p) => [Object.values(p.attributes)[1], p.value]));
    expect(Object.fromEntries(reads)).to.deep.equal({ hit: 2, hot: 0, negative: 0, miss: 1 });
    const [calls] = pointsOf('distcache.client.calls');
    expect(calls?.value).to.equal(3);
    const states = pointsOf('distcache.source.breaker.state').filter(({ value }) => value === 1);
    expect(states.map(({ attributes }) => Object.values(attributes)[1])).to.deep.equal(['closed']);
  });

  it('are read no more when the node has stopped', async () => {
    const other = new Otel();
    const brief = new Engine({ keyspaces: [], meterProvider: other.meterProvider });
    let asked = 0;
    const status = brief.status.bind(brief);
    brief.status = () => {
      asked++;
      return status();
    };
    await brief.start();
    await other.metrics();
    expect(asked).to.be.above(0);
    await brief.stop();
    asked = 0;
    await other.metrics();
    expect(asked).to.equal(0);
    await other.close();
  });

  it('a reading that throws leaves its points out and is told', async () => {
    const failures: unknown[] = [];
    const read = (): never => {
      throw new Error('no reading');
    };
    const stop = observe(otel.meter, [{ ...nodeMetrics[0]!, name: 'broken' }], read, (error) => failures.push(error));
    expect((await otel.points('broken')).length).to.equal(0);
    stop();
    expect(failures.map(String)).to.deep.equal(['Error: no reading']);
  });
});

/** As a node reads itself; what only the node sees is made up. */
const readingOf = (engine: Engine): NodeReading => ({
  status: engine.status(),
  peers: engine.peers(),
  keyspaces: engine.describeKeyspaces(),
  sources: engine.insights.sources(),
  engine: engine.insights.counts(),
  links: {
    ...noCounts,
    links: 1,
    linksOpened: 1,
    dialsFailed: 1,
    linksRefused: 1,
    linksTooMany: 1,
    greetingsRefused: 1,
    bytesRefused: 1,
    invitationsDropped: 1,
  },
  clients: {
    ...{ calls: 4, inflight: 1, overloaded: 1, failed: 1, connections: 1, connectionsAccepted: 1 },
    ...{ connectionsRefused: 1, strangersDropped: 1, readersCutOff: 1, unsentBytes: 1, greetings: 1 },
    ...{ greetingsDropped: 1, handshakesFailed: 1, tlsMismatched: 1 },
    ...{ callsUnauthorized: 1, clientCallsRefused: 1, clientBytesRefused: 1, clientBytesHeld: 1 },
    ...{ writersCutOff: 1 },
  },
  admin: { requests: 4, throttled: 1, denied: 1, failed: 1, followers: 1 },
});

/** Notes which of its properties are read. */
const watch = <T extends object>(name: string, counts: T, read: Set<string>): T =>
  new Proxy(counts, {
    get(target, property) {
      read.add(`${name}.${String(property)}`);
      return Reflect.get(target, property);
    },
  });
