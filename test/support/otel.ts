import { context, type Meter, type Tracer, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { AggregationTemporality, MeterProvider, type MetricData, MetricReader } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

/** Gives what was measured when it is asked. */
class AskedReader extends MetricReader {
  constructor() {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
  }
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

export interface Point {
  readonly value: unknown;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** The real SDK, with everything kept in memory. Closed, it leaves nothing behind. */
export class Otel {
  readonly #spans = new InMemorySpanExporter();
  readonly #reader = new AskedReader();
  readonly tracerProvider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter: this.#spans })],
  });
  readonly meterProvider = new MeterProvider({ readers: [this.#reader] });

  constructor() {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  }

  get tracer(): Tracer {
    return this.tracerProvider.getTracer('test');
  }

  get meter(): Meter {
    return this.meterProvider.getMeter('test');
  }

  /** Spans that have ended, in the order of their ends. */
  spans(): readonly ReadableSpan[] {
    return this.#spans.getFinishedSpans();
  }

  span(name: string): ReadableSpan {
    const found = this.spans().filter((span) => span.name === name);
    if (found.length !== 1) throw new Error(`${found.length} spans ${name} among ${this.spans().map((s) => s.name)}`);
    return found[0]!;
  }

  async metrics(): Promise<ReadonlyMap<string, MetricData>> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    if (errors.length > 0) throw new AggregateError(errors, 'collecting failed');
    const all = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
    return new Map(all.map((metric) => [metric.descriptor.name, metric]));
  }

  async points(name: string): Promise<readonly Point[]> {
    return (await this.metrics()).get(name)?.dataPoints ?? [];
  }

  /** Runs it inside a span of the application's, which is ended when it has settled. */
  async inside<T>(name: string, run: () => Promise<T>): Promise<T> {
    const span = this.tracer.startSpan(name);
    try {
      return await context.with(trace.setSpan(context.active(), span), run);
    } finally {
      span.end();
    }
  }

  async close(): Promise<void> {
    context.disable();
    await Promise.all([this.tracerProvider.shutdown(), this.meterProvider.shutdown()]);
  }
}
