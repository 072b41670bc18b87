import { context, type MeterProvider } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import type { Resource } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { exportTimeoutMs } from './sdk.js';

/** Spans that wait to leave; one more is dropped and counted. */
const queueMax = 2048;
/** They wait no longer than this. */
const delayMaxMs = 5000;

/** Sends spans in batches. A trace that comes with a call is followed if its caller follows it, else `sampling` decides. */
export function otlpTraces(
  url: string,
  sampling: number,
  intervalMs: number,
  resource: Resource,
  meterProvider: MeterProvider | undefined,
): TracerProvider {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const counted = meterProvider === undefined ? {} : { selfObsMeterProvider: meterProvider };
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: exportTimeoutMs, concurrencyLimit: 4, ...counted });
  const processor = new BatchSpanProcessor({
    exporter,
    maxQueueSize: queueMax,
    scheduledDelayMillis: Math.min(intervalMs, delayMaxMs),
    exportTimeoutMillis: exportTimeoutMs,
    ...counted,
  });
  return new TracerProvider({
    resource,
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampling) }),
    spanProcessors: [processor],
  });
}
