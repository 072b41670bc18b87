import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import type { Resource } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { exportTimeoutMs } from './sdk.js';

/** Sends metrics at intervals. An export that hangs is given up before the next is due. */
export function otlpMetrics(url: string, intervalMs: number, resource: Resource): MeterProvider {
  const timeoutMillis = Math.min(exportTimeoutMs, intervalMs);
  const exporter = new OTLPMetricExporter({ url, timeoutMillis, concurrencyLimit: 1 });
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: timeoutMillis,
  });
  return new MeterProvider({ resource, readers: [reader] });
}
