import { type DiagLogger, DiagLogLevel, diag, type MeterProvider, type TracerProvider } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import { messageOf } from '../base/errors.js';
import { within } from '../engine/within.js';
import type { Clock, Wait } from '../ports/clock.js';
import type { MetricsText } from '../ports/insight.js';
import type { Log } from '../ports/log.js';

/*
 * OpenTelemetry's SDK as a node uses it. Each part is loaded when it is wanted: together they are some hundred files, and
 * a node that exports nothing starts without any.
 */

export interface SdkOptions {
  readonly metrics: 'prometheus' | 'otlp' | 'none';
  /** URL above `/v1/metrics` and `/v1/traces`; only read where something leaves over OTLP. */
  readonly otlp: string | undefined;
  readonly traces: boolean;
  /** Part of the traces that begin here, 0 to 1. */
  readonly sampling: number;
  /** How often metrics leave over OTLP; spans after five seconds at the latest. */
  readonly intervalMs: number;
  /** Who is watched: `service.name` and the like. */
  readonly resource: Readonly<Record<string, string>>;
}

export interface SdkDeps {
  readonly clock: Clock;
  readonly log: Log;
}

export interface Sdk {
  readonly meterProvider: MeterProvider | undefined;
  readonly tracerProvider: TracerProvider | undefined;
  /** For the `metrics` endpoint. */
  readonly metricsText: MetricsText | undefined;
  /** Hands over what is left, as far as the wait allows. Never rejects. */
  stop(wait: Wait): Promise<void>;
}

/** An export that takes longer has failed. */
export const exportTimeoutMs = 5000;

interface Stoppable {
  shutdown(): Promise<void>;
}

export async function startSdk(options: SdkOptions, { clock, log }: SdkDeps): Promise<Sdk> {
  diag.setLogger(new DiagLog(clock, log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const resource = await resourceOf(options.resource);
  const url = (options.otlp ?? '').replace(/\/+$/, '');
  const stoppables: Stoppable[] = [];
  let meterProvider: (MeterProvider & Stoppable) | undefined;
  let metricsText: MetricsText | undefined;
  if (options.metrics === 'prometheus') {
    const { prometheus } = await import('./prometheus.js');
    ({ meterProvider, metricsText } = prometheus(resource));
  } else if (options.metrics === 'otlp') {
    const { otlpMetrics } = await import('./otlp-metrics.js');
    meterProvider = otlpMetrics(`${url}/v1/metrics`, options.intervalMs, resource);
  }
  let tracerProvider: (TracerProvider & Stoppable) | undefined;
  if (options.traces) {
    const { otlpTraces } = await import('./otlp-traces.js');
    tracerProvider = otlpTraces(`${url}/v1/traces`, options.sampling, options.intervalMs, resource, meterProvider);
  }
  // Traces first: their processor's last figures are metrics.
  for (const provider of [tracerProvider, meterProvider]) if (provider !== undefined) stoppables.push(provider);
  return {
    meterProvider,
    tracerProvider,
    metricsText,
    async stop(wait) {
      for (const provider of stoppables) {
        try {
          await within(clock, wait, 'handing over telemetry', provider.shutdown());
        } catch (error) {
          log.write('warn', `the last telemetry was not handed over: ${messageOf(error)}`);
        }
      }
      diag.disable();
    },
  };
}

/** What the environment says beats what this node says of itself. */
async function resourceOf(attributes: Readonly<Record<string, string>>): Promise<Resource> {
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } = await import(
    '@opentelemetry/resources'
  );
  return defaultResource()
    .merge(resourceFromAttributes(attributes))
    .merge(detectResources({ detectors: [envDetector] }));
}

const repeatMs = 60_000;
/** Messages that were told lately; there are a few dozen kinds, with the names of hosts in them. */
const kindsMax = 64;

/** What the SDK has to say, each once a minute: an exporter that fails says so at every attempt. */
class DiagLog implements DiagLogger {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #toldAtMs = new Map<string, number>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  error(message: string, ...more: unknown[]): void {
    this.#tell(message, more);
  }

  warn(message: string, ...more: unknown[]): void {
    this.#tell(message, more);
  }

  info(): void {}
  debug(): void {}
  verbose(): void {}

  #tell(message: string, more: readonly unknown[]): void {
    const text = `telemetry: ${[message, ...more].map(lineOf).join(' ')}`.slice(0, 500);
    const nowMs = this.#clock.nowMs();
    const toldAtMs = this.#toldAtMs.get(text);
    if (toldAtMs !== undefined && nowMs - toldAtMs < repeatMs) return;
    if (this.#toldAtMs.size >= kindsMax) this.#toldAtMs.clear();
    this.#toldAtMs.set(text, nowMs);
    this.#log.write('warn', text);
  }
}

/** Errors come as their fields in JSON, the stack among them. */
function lineOf(part: unknown): string {
  if (part instanceof Error) return part.message;
  const text = String(part);
  if (!text.startsWith('{')) return text.split('\n', 1)[0]!;
  try {
    const { name, message, code } = JSON.parse(text) as Record<string, unknown>;
    return [name, code, message].filter((value) => typeof value === 'string' && value !== '').join(' ');
  } catch {
    return text.split('\n', 1)[0]!;
  }
}
