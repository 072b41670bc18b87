import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { Resource } from '@opentelemetry/resources';
import { AggregationTemporality, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { MetricsText } from '../ports/insight.js';

/** Collects when it is asked: the admin endpoints have the HTTP server. */
class ScrapeReader extends MetricReader {
  constructor() {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
  }

  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

const contentType = 'text/plain; version=0.0.4; charset=utf-8';

export interface Prometheus {
  readonly meterProvider: MeterProvider;
  readonly metricsText: MetricsText;
}

/** Metrics in Prometheus's text format, as they are when somebody asks. */
export function prometheus(resource: Resource): Prometheus {
  const reader = new ScrapeReader();
  const meterProvider = new MeterProvider({ resource, readers: [reader] });
  const isScopeLeftOut = true;
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, isScopeLeftOut);
  return {
    meterProvider,
    // What could not be collected was told where it failed; the rest is worth having.
    metricsText: async () => ({ text: serializer.serialize((await reader.collect()).resourceMetrics), contentType }),
  };
}
