import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import parsePrometheus from 'parse-prometheus-text-format';
import { OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.js';
import { type RealNode, RealNodes } from '../support/real-nodes.js';
import { until } from '../support/until.js';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const callersSpan = '00f067aa0ba902b7';

/** Tells of packages while they are loaded, however that is asked for. */
const tellLoads = `
  import { registerHooks } from 'node:module';
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier.startsWith('@')) process.stderr.write('loads ' + specifier + '\\n');
      return next(specifier, context);
    },
  });`;

describe('telemetry of real nodes', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let receiver: OtlpReceiver;
  let source: Server;
  let sourceUrl: string;
  before(async () => {
    source = createServer((request, response) => response.end(`value of ${request.url}`));
    await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
    sourceUrl = `http://127.0.0.1:${(source.address() as AddressInfo).port}/{key}`;
  });
  after(() => {
    source.closeAllConnections();
    source.close();
  });
  beforeEach(async () => {
    nodes = await RealNodes.open();
    receiver = await OtlpReceiver.start();
  });
  afterEach(async () => {
    await nodes.close();
    await receiver.close();
  });

  const configOf = (telemetry: string): string =>
    [
      'admin: { port: 0 }',
      `telemetry: ${telemetry}`,
      'keyspaces:',
      `  ks: { maxBytes: 8MiB, source: { type: http, url: "${sourceUrl}" } }`,
      '',
    ].join('\n');

  /** A key that this node owns. */
  const keyOf = async (node: RealNode): Promise<string> => {
    const client = nodes.client([node]);
    for (let i = 0; ; i++) {
      const { owner } = await client.locate('ks', `key-${i}`);
      if (owner === node.options.name) return `key-${i}`;
    }
  };

  const spansOf = (name: string, node: string): readonly ReceivedSpan[] =>
    receiver.spans.filter((span) => span.traceId === traceId && span.name === name && span.node === node);

  it("a client's trace goes on through one node and the other to the data source, over OTLP", async () => {
    const config = configOf(`{ metrics: otlp, otlp: "${receiver.url}/", traces: true, sampling: 0%, interval: 500ms }`);
    const [a, b] = (await nodes.cluster(['a', 'b'], { config, admin: '127.0.0.1:0' })) as [RealNode, RealNode];
    const key = await keyOf(b);
    const client = nodes.client([a], { headers: () => ({ traceparent: `00-${traceId}-${callersSpan}-01` }) });
    const { outcome } = await client.get('ks', key);
    expect(outcome).to.equal('load');
    // Nobody follows these: no sampling, no caller's trace.
    for (let i = 0; i < 20; i++) await nodes.client([a]).lookup('ks', `other-${i}`);
    await until(
      'both nodes sent their spans',
      () => spansOf('fetch ks', 'b').length > 0 && spansOf('get ks', 'a').length > 0,
    );
    const path = [
      spansOf('distcache.v1.Cache/Get', 'a'),
      spansOf('get ks', 'a'),
      spansOf('distcache.v1.Peer/get', 'a'),
      spansOf('distcache.v1.Peer/get', 'b'),
      spansOf('fetch ks', 'b'),
    ].map((spans) => {
      expect(spans.length).to.equal(1);
      return spans[0]!;
    });
    expect(path.map(({ parentId }) => parentId)).to.deep.equal([
      callersSpan,
      ...path.slice(0, -1).map(({ spanId }) => spanId),
    ]);
    expect(path[0]?.attributes).to.include({ 'rpc.system.name': 'grpc', 'rpc.response.status_code': 'OK' });
    expect(path[2]?.attributes).to.include({ 'distcache.peer.name': 'b', 'server.port': b.port });
    expect(receiver.spans.filter((span) => span.traceId !== traceId)).to.deep.equal([]);

    await until('both nodes sent their metrics', () =>
      ['a', 'b'].every((node) => (receiver.metric(node, 'distcache.reads')?.points.length ?? 0) > 0),
    );
    expect(receiver.metric('a', 'distcache.peer.links')).to.deep.include({ kind: 'sum', unit: '{link}' });
    expect(receiver.metric('a', 'distcache.peer.links')?.points).to.deep.equal([{ value: 1, attributes: {} }]);
    await until('the fetch is measured', () => receiver.metric('b', 'distcache.source.fetch.duration') !== undefined);
    expect(receiver.metric('b', 'distcache.source.fetch.duration')?.kind).to.equal('histogram');
    expect(receiver.resources[0]).to.include({ 'service.name': 'distcache' });
  });

  it('Prometheus scrapes what its own format allows, and the figures are right', async () => {
    const node = await nodes.start({ name: 'solo', config: configOf('{ metrics: prometheus }'), admin: '127.0.0.1:0' });
    const client = nodes.client([node]);
    for (let i = 0; i < 5; i++) await client.get('ks', 'k');
    const response = await fetch(`http://${node.admin}/_distcache/admin/metrics`);
    expect(response.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const families = new Map(parsePrometheus(text).map((family) => [family.name, family]));
    const value = (name: string, labels: Record<string, string>): number => {
      const metrics = (families.get(name)?.metrics ?? []) as { value?: string; labels?: Record<string, string> }[];
      const found = metrics.find((metric) => Object.entries(labels).every(([k, v]) => metric.labels?.[k] === v));
      return Number(found?.value);
    };
    const ks = { distcache_keyspace: 'ks' };
    expect(value('distcache_reads_total', { ...ks, distcache_outcome: 'hit' })).to.equal(4);
    expect(value('distcache_reads_total', { ...ks, distcache_outcome: 'miss' })).to.equal(1);
    expect(value('distcache_source_loads_total', { ...ks, distcache_outcome: 'answered' })).to.equal(1);
    expect(value('distcache_memory_limit', ks)).to.equal(8 * 1024 ** 2);
    expect(value('target_info', { service_instance_id: 'solo' })).to.equal(1);
    expect(families.get('distcache_reads_total')?.type).to.equal('COUNTER');
    const durations = families.get('distcache_operation_duration');
    expect(durations?.type).to.equal('HISTOGRAM');
    // Every line that is no comment is a metric that the parser took.
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    for (const line of lines) expect(line).to.match(/^[a-zA-Z_:][\w:]*(\{[^{}]*\})? (-?[\d.e+-]+|\+Inf|NaN)$/);
    const declared = text
      .split('\n')
      .filter((line) => line.startsWith('# TYPE '))
      .map((line) => line.split(' ')[2]);
    expect(new Set(declared).size).to.equal(declared.length);
    expect([...families.keys()].sort()).to.deep.equal(declared.sort());
  });

  it('a receiver that hangs, and one that is gone, delay nobody, not even the end', async () => {
    receiver.stalls = true;
    const telemetry = `{ metrics: otlp, otlp: "${receiver.url}", traces: true, sampling: 100%, interval: 300ms }`;
    const node = await nodes.start({ name: 'solo', config: configOf(telemetry) });
    const client = nodes.client([node]);
    await client.get('ks', 'k');
    await until('it was asked to take metrics', () => receiver.requests.includes('/v1/metrics'));
    for (let i = 0; i < 50; i++) await client.get('ks', 'k');
    receiver.stalls = false;
    const gone = await OtlpReceiver.start();
    await gone.close();
    const other = await nodes.start({ name: 'other', config: configOf(telemetry.replace(receiver.url, gone.url)) });
    await nodes.client([other]).get('ks', 'k');
    await until('it says so in its log', () => other.log().some(({ msg }) => /^telemetry: .*ECONNREFUSED/.test(msg)));
    for (const { msg } of other.log()) expect(msg).not.to.match(/\n| {4}at /);
    const startedMs = performance.now();
    other.signal('SIGTERM');
    expect(await other.exited).to.equal(0);
    expect(performance.now() - startedMs).to.be.below(10_000);
  });

  it('a node that exports nothing loads nothing of OpenTelemetry, and has no metrics endpoint', async () => {
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tellLoads)}` };
    const started = async (name: string, metrics: string): Promise<RealNode> =>
      nodes.start({ name, config: configOf(`{ metrics: ${metrics} }`), admin: '127.0.0.1:0', env });
    const [bare, watched] = await Promise.all([started('bare', 'none'), started('watched', 'prometheus')]);
    expect(bare.stderr).not.to.include('loads @opentelemetry/');
    expect(watched.stderr).to.include('loads @opentelemetry/sdk-metrics');
    expect(watched.stderr).not.to.match(/loads @opentelemetry\/(sdk-trace|exporter-.*otlp)/);
    const response = await fetch(`http://${bare.admin}/_distcache/admin/metrics`);
    expect(response.status).to.equal(404);
  });
});
