import type { Attributes, Meter, Observable } from '@opentelemetry/api';

export interface Point {
  readonly value: number;
  readonly attributes?: Attributes;
}

/** A metric that is read when somebody asks: nothing is done for it before. */
export interface Metric<Reading> {
  readonly name: string;
  /** `counter` only grows while a node runs; `sum` may be added up over nodes, a `gauge` may not. */
  readonly kind: 'counter' | 'sum' | 'gauge';
  /** As UCUM has it; in braces what is counted. */
  readonly unit: string;
  readonly description: string;
  /** Of every point. */
  readonly attributes?: readonly string[];
  points(reading: Reading): readonly Point[];
}

const creators = {
  counter: 'createObservableCounter',
  sum: 'createObservableUpDownCounter',
  gauge: 'createObservableGauge',
} as const;

/**
 * Has metrics observed whenever the meter's provider collects: `read` is asked once for all of them. Whatever throws there
 * leaves its points out and is told to `failed`. Returns how to stop.
 */
export function observe<Reading>(
  meter: Meter,
  metrics: readonly Metric<Reading>[],
  read: () => Reading,
  failed: (error: unknown) => void,
): () => void {
  const instruments = metrics.map(({ name, kind, unit, description }): Observable => {
    return meter[creators[kind]](name, { unit, description });
  });
  const collect = (observe: (instrument: Observable, value: number, attributes?: Attributes) => void): void => {
    try {
      const reading = read();
      for (const [index, metric] of metrics.entries()) {
        for (const { value, attributes } of metric.points(reading)) observe(instruments[index]!, value, attributes);
      }
    } catch (error) {
      failed(error);
    }
  };
  const callback = (result: { observe(instrument: Observable, value: number, attributes?: Attributes): void }): void =>
    collect((instrument, value, attributes) => result.observe(instrument, value, attributes));
  meter.addBatchObservableCallback(callback, instruments);
  return () => meter.removeBatchObservableCallback(callback, instruments);
}
