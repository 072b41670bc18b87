import { type Meter, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { expect } from 'chai';
import { codeOf, DistcacheError } from '../../../src/base/errors.js';
import { OtelRecorder, type RecorderDeps } from '../../../src/telemetry/recorder.js';
import { bytesOf, type ClusterOptions, ks, TestCluster } from '../../support/cluster.js';
import { FakeClock } from '../../support/fake-clock.js';
import { Otel } from '../../support/otel.js';

const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;
const idOf = (span: ReadableSpan): string => span.spanContext().spanId;

describe('recorder', () => {
  let otel: Otel;
  let cluster: TestCluster | undefined;
  beforeEach(() => {
    otel = new Otel();
  });
  afterEach(async () => {
    await cluster?.stop();
    cluster = undefined;
    await otel.close();
  });

  const clusterOf = async (options: ClusterOptions & { tracer?: Tracer; meter?: Meter } = {}): Promise<TestCluster> => {
    const { tracer = otel.tracer, meter = otel.meter, ...rest } = options;
    cluster = await TestCluster.of({
      nodes: 2,
      recorderOf: (links, clock) =>
        new OtelRecorder({
          clock,
          meter,
          tracer,
          peerOf: (id) => links.linked().find((peer) => peer.id === id),
          failed: () => {},
        }),
      ...rest,
    });
    return cluster;
  };

  const alone = (deps: Partial<RecorderDeps> = {}) =>
    new OtelRecorder({
      clock: new FakeClock(),
      meter: otel.meter,
      tracer: otel.tracer,
      peerOf: () => undefined,
      failed: () => {},
      ...deps,
    });

  it('follows one get from its caller through the owner to the data source', async () => {
    const { node, run, keyOwnedBy } = bound(await clusterOf());
    const key = keyOwnedBy(node(1));
    await run(otel.inside('request', () => node(0).engine.get(ks, key)));
    const [request, get, ask, answer, fetch] = [
      otel.span('request'),
      otel.span(`get ${ks}`),
      ...otel
        .spans()
        .filter(({ name }) => name === 'distcache.v1.Peer/get')
        .reverse(),
      otel.span(`fetch ${ks}`),
    ] as [ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan];
    expect([parentOf(get), parentOf(ask), parentOf(answer), parentOf(fetch)]).to.deep.equal(
      [request, get, ask, answer].map(idOf),
    );
    expect(new Set(otel.spans().map((span) => span.spanContext().traceId)).size).to.equal(1);
    expect([get, ask, answer, fetch].map(({ kind }) => kind)).to.deep.equal([
      SpanKind.INTERNAL,
      SpanKind.CLIENT,
      SpanKind.SERVER,
      SpanKind.CLIENT,
    ]);
    expect(get.attributes).to.deep.equal({
      'distcache.operation': 'get',
      'distcache.keyspace': ks,
      'distcache.outcome': 'load',
    });
    expect(ask.attributes).to.deep.equal({
      'rpc.system.name': 'distcache',
      'rpc.method': 'distcache.v1.Peer/get',
      'server.address': 'node-2',
      'server.port': 3320,
      'distcache.peer.name': 'node-2',
      'distcache.keyspace': ks,
      'distcache.outcome': 'value',
    });
    expect(answer.attributes).to.include({ 'client.address': 'node-1', 'distcache.peer.name': 'node-1' });
    expect(fetch.attributes).to.deep.equal({ 'distcache.keyspace': ks, 'distcache.outcome': 'value' });
  });

  it('names no key anywhere', async () => {
    const { node, run, keyOwnedBy } = bound(
      await clusterOf({ fetch: (key) => Promise.reject(new Error(`no ${key}`)) }),
    );
    const key = keyOwnedBy(node(1), 'secret');
    await run(
      otel.inside('request', () =>
        node(0)
          .engine.get(ks, key)
          .catch(() => {}),
      ),
    );
    const told = otel.spans().map(({ name, attributes, status, events }) => ({ name, attributes, status, events }));
    expect(JSON.stringify([...told, ...(await otel.metrics()).values()])).not.to.include('secret');
  });

  it('makes no span where nobody follows, and sends no trace context', async () => {
    const { node, run, keyOwnedBy } = bound(await clusterOf());
    await run(node(0).engine.get(ks, keyOwnedBy(node(1))));
    await run(node(0).engine.put(ks, { key: 'k', value: bytesOf('v') }));
    expect(otel.spans()).to.deep.equal([]);
  });

  it('makes no span for what memory answers', async () => {
    const { node, run, keyOwnedBy } = bound(await clusterOf());
    const key = keyOwnedBy(node(0));
    await run(node(0).engine.get(ks, key));
    await run(otel.inside('request', () => node(0).engine.get(ks, key)));
    expect(otel.spans().map(({ name }) => name)).to.deep.equal(['request']);
  });

  it('follows writes as well', async () => {
    const { node, run, keyOwnedBy } = bound(await clusterOf());
    const key = keyOwnedBy(node(1));
    await run(otel.inside('request', () => node(0).engine.put(ks, { key, value: bytesOf('v') })));
    await run(otel.inside('request', () => node(0).engine.delete(ks, key)));
    for (const write of ['put', 'delete']) {
      expect(otel.span(`${write} ${ks}`).attributes).to.include({ 'distcache.outcome': 'applied' });
      const both = otel.spans().filter(({ name }) => name === `distcache.v1.Peer/${write}`);
      expect(both.map(({ attributes }) => attributes['distcache.outcome'])).to.deep.equal(['written', 'written']);
    }
  });

  it('a load that two callers wait for stands in the trace of the one who began it', async () => {
    const { node, run } = bound(await clusterOf({ nodes: 1 }));
    const both = ['first', 'second'].map((name) => otel.inside(name, () => node(0).engine.get(ks, 'k')));
    await run(Promise.all(both));
    expect(otel.spans().filter(({ name }) => name === `get ${ks}`).length).to.equal(2);
    expect(otel.span(`fetch ${ks}`).spanContext().traceId).to.equal(otel.span('first').spanContext().traceId);
  });

  it('says of a failure its code, and that it is one', async () => {
    const { node, run } = bound(await clusterOf({ nodes: 1, fetch: () => Promise.reject(new Error('broken')) }));
    await run(
      otel.inside('request', () =>
        node(0)
          .engine.get(ks, 'k')
          .catch(() => {}),
      ),
    );
    for (const name of [`get ${ks}`, `fetch ${ks}`]) {
      expect(otel.span(name).attributes['error.type']).to.equal('DATA_SOURCE_FAILED');
      expect(otel.span(name).status).to.deep.equal({ code: SpanStatusCode.ERROR, message: 'DATA_SOURCE_FAILED' });
    }
  });

  it('measures operations, fetches, and both sides of peer calls, by what they came to', async () => {
    const { node, run, keyOwnedBy } = bound(await clusterOf({ fetch: (key) => (key.startsWith('no') ? null : 'v') }));
    await run(node(0).engine.get(ks, keyOwnedBy(node(1))));
    await run(
      node(0)
        .engine.get(ks, keyOwnedBy(node(1), 'no'))
        .catch(() => {}),
    );
    await run(node(0).engine.put(ks, { key: 'k', value: bytesOf('v') }));
    const operations = await otel.points('distcache.operation.duration');
    expect(operations.map(({ attributes }) => attributes)).to.have.deep.members([
      { 'distcache.operation': 'get', 'distcache.keyspace': ks, 'distcache.outcome': 'load' },
      { 'distcache.operation': 'get', 'distcache.keyspace': ks, 'distcache.outcome': 'negative' },
      { 'distcache.operation': 'put', 'distcache.keyspace': ks, 'distcache.outcome': 'applied' },
    ]);
    const fetches = await otel.points('distcache.source.fetch.duration');
    expect(fetches.map(({ attributes }) => attributes['distcache.outcome'])).to.have.members(['value', 'absent']);
    for (const name of ['rpc.client.call.duration', 'rpc.server.call.duration']) {
      const gets = (await otel.points(name)).filter((p) => p.attributes['rpc.method'] === 'distcache.v1.Peer/get');
      expect(gets.map(({ attributes }) => attributes['distcache.outcome'])).to.have.members(['value', 'absent']);
    }
  });

  it("a call of a client's begins a trace, or goes on with the client's", async () => {
    const recorder = alone();
    await recorder.call(
      'distcache.v1.Cache/Get',
      () => undefined,
      async () => 'OK',
    );
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const headers = new Map([['traceparent', traceparent]]);
    await recorder.call(
      'distcache.v1.Cache/Put',
      (name) => headers.get(name),
      async () => 'UNAVAILABLE',
    );
    const get = otel.span('distcache.v1.Cache/Get');
    expect([get.kind, parentOf(get), get.status.code]).to.deep.equal([
      SpanKind.SERVER,
      undefined,
      SpanStatusCode.UNSET,
    ]);
    const put = otel.span('distcache.v1.Cache/Put');
    expect([put.spanContext().traceId, parentOf(put)]).to.deep.equal([
      '4bf92f3577b34da6a3ce929d0e0e4736',
      '00f067aa0ba902b7',
    ]);
    expect(put.attributes).to.include({ 'rpc.response.status_code': 'UNAVAILABLE', 'error.type': 'UNAVAILABLE' });
    expect(put.status.code).to.equal(SpanStatusCode.ERROR);
  });

  it('without tracer and meter just runs', async () => {
    const { node, run, keyOwnedBy } = bound(
      await clusterOf({
        recorderOf: () => alone({ meter: undefined, tracer: undefined }),
      }),
    );
    const { outcome } = await run(otel.inside('request', () => node(0).engine.get(ks, keyOwnedBy(node(1)))));
    expect(outcome).to.equal('load');
    expect(otel.spans().map(({ name }) => name)).to.deep.equal(['request']);
  });

  it('an OpenTelemetry that throws hurts nobody', async () => {
    const thrown = (): never => {
      throw new Error('telemetry is broken');
    };
    const failures: unknown[] = [];
    const span = new Proxy({}, { get: (_, name) => (name === 'isRecording' ? () => true : thrown) });
    const brokenTracers = [
      { startSpan: thrown, startActiveSpan: thrown },
      { startSpan: () => span, startActiveSpan: thrown },
    ] as unknown as readonly Tracer[];
    const meter = { createHistogram: () => ({ record: thrown }) } as unknown as Meter;
    for (const tracer of brokenTracers) {
      const recorder = alone({ tracer, meter, failed: (error) => failures.push(error) });
      await otel.inside('request', async () => {
        const get = () => Promise.resolve('v');
        expect(await recorder.operation('get', ks, get, String)).to.equal('v');
        expect(await recorder.fetch(ks, async () => ({ is: 'value' }))).to.deep.equal({ is: 'value' });
        const failed = recorder.fetch(ks, async () => {
          throw new DistcacheError('TIMEOUT', 'too late');
        });
        expect(await failed.catch(codeOf)).to.equal('TIMEOUT');
        const status = await recorder.call('Get', thrown, async () => 'OK');
        expect(status).to.equal('OK');
      });
    }
    expect(failures.length).to.be.above(6);
  });

  it('a run that throws at once throws on, and is recorded', async () => {
    const recorder = alone();
    const broken = (): never => {
      throw new DistcacheError('NOT_STARTED', 'not serving');
    };
    const from = { ...peer, id: 'a' };
    expect(() => recorder.answer(from, { do: 'recall', keyspace: ks, key: 'k' }, broken)).to.throw('not serving');
    const [point] = await otel.points('rpc.server.call.duration');
    expect(point?.attributes['error.type']).to.equal('NOT_STARTED');
  });
});

const peer = {
  id: '',
  name: 'node-1',
  address: 'node-1:3320',
  admin: '',
  gossip: '',
  version: '1',
  weight: 1,
  incarnation: 1,
};

/** Methods of a cluster, to be called by their names alone. */
const bound = (cluster: TestCluster) => ({
  node: (index: number) => cluster.node(index),
  run: <T>(promise: Promise<T>) => cluster.run(promise),
  keyOwnedBy: (node: ReturnType<TestCluster['node']>, prefix?: string) => cluster.keyOwnedBy(node, prefix),
});
