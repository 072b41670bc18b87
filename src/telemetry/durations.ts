import type { Attributes, Histogram, Meter } from '@opentelemetry/api';
import type { Clock } from '../ports/clock.js';
import { Sampled } from './sampled.js';

/** Seconds. From a get of a peer on the same machine to a source that takes as long as a read may. */
const boundaries = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What is measured of each time something was done. */
export interface DurationMetric {
  readonly name: string;
  readonly description: string;
  /** Of every point, or of some. */
  readonly attributes: readonly string[];
}

export const durationMetrics = {
  operation: {
    name: 'distcache.operation.duration',
    description: 'Reads that memory could not answer, and writes, of callers on this node.',
    attributes: ['distcache.operation', 'distcache.keyspace', 'distcache.outcome', 'error.type'],
  },
  fetch: {
    name: 'distcache.source.fetch.duration',
    description: 'Data sources being asked, without the wait for a place.',
    attributes: ['distcache.keyspace', 'distcache.outcome', 'error.type'],
  },
  ask: {
    name: 'rpc.client.call.duration',
    description: 'Requests to other nodes, until they were answered.',
    attributes: ['rpc.system.name', 'rpc.method', 'distcache.outcome', 'error.type'],
  },
  serve: {
    name: 'rpc.server.call.duration',
    description: 'Reads and writes of gRPC clients, and requests of other nodes, until they were answered.',
    attributes: ['rpc.system.name', 'rpc.method', 'rpc.response.status_code', 'distcache.outcome', 'error.type'],
  },
} as const satisfies Record<string, DurationMetric>;

export const createHistogram = (meter: Meter, { name, description }: DurationMetric): Histogram =>
  meter.createHistogram(name, { description, unit: 's', advice: { explicitBucketBoundaries: [...boundaries] } });

/** Durations of one kind of thing, as many of them as may be recorded. */
export class Durations {
  readonly #histogram: Histogram;
  readonly #clock: Clock;
  readonly #sampled: Sampled;

  constructor(histogram: Histogram, clock: Clock) {
    this.#histogram = histogram;
    this.#clock = clock;
    this.#sampled = new Sampled(clock);
  }

  /** When it began, if it is to be recorded. */
  begin(): number | undefined {
    return this.#sampled.isDue() ? this.#clock.nowMs() : undefined;
  }

  end(beganMs: number, attributes: Attributes): void {
    this.#histogram.record((this.#clock.nowMs() - beganMs) / 1000, attributes);
  }
}
