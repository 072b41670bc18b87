import type { MeterProvider } from '@opentelemetry/api';
import { expect } from 'chai';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import { Engine, type EngineOptions } from '../../../src/index.js';
import { Otel } from '../../support/otel.js';

describe('Engine in an application that is watched', () => {
  const keyspaces = [{ name: 'ks', maxBytes: '1MiB', dataSource: { fetch: (key: string) => `value of ${key}` } }];
  const logged: string[] = [];
  const logger = { write: (_: string, message: string) => void logged.push(message) };
  const options: EngineOptions = { keyspaces, logger };
  let otel: Otel;
  beforeEach(() => {
    otel = new Otel();
    logged.length = 0;
  });
  afterEach(() => otel.close());

  it('its reads stand in the trace of the call around them, and are measured', async () => {
    const { meterProvider, tracerProvider } = otel;
    const engine = new Engine({ ...options, meterProvider, tracerProvider });
    await engine.start();
    await otel.inside('request', () => engine.get('ks', 'k'));
    await engine.stop();
    const request = otel.span('request').spanContext();
    expect(otel.span('get ks').parentSpanContext?.spanId).to.equal(request.spanId);
    expect(otel.span('fetch ks').spanContext().traceId).to.equal(request.traceId);
    expect((await otel.points('distcache.operation.duration')).length).to.equal(1);
  });

  it('providers that throw are told of once and hurt nobody', async () => {
    const broken = {
      getMeter: () => {
        throw new Error('no meter today');
      },
    } as unknown as MeterProvider;
    const engine = new Engine({ ...options, meterProvider: broken, tracerProvider: otel.tracerProvider });
    await engine.start();
    expect((await engine.get('ks', 'k')).outcome).to.equal('load');
    await engine.stop();
    expect(logged).to.deep.equal(['telemetry failed: no meter today; nothing else is affected']);
  });

  it('what is no provider is refused, by its name', () => {
    for (const field of ['meterProvider', 'tracerProvider']) {
      let error: unknown;
      try {
        new Engine({ ...options, [field]: {} });
      } catch (thrown) {
        error = thrown;
      }
      expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
      expect(messageOf(error)).to.match(new RegExp(`^${field} has no get(Meter|Tracer)\\(\\)`));
    }
  });
});
