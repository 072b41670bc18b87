import type { Meter, MeterProvider, TracerProvider } from '@opentelemetry/api';
import { messageOf } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { NodeInfo } from '../ports/membership.js';
import type { Recorder } from '../ports/recorder.js';
import { observe } from './metric.js';
import { type NodeReading, nodeMetrics } from './node-metrics.js';
import { OtelRecorder } from './recorder.js';

export interface Providers {
  readonly meterProvider: MeterProvider | undefined;
  readonly tracerProvider: TracerProvider | undefined;
}

export interface TelemetryDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Release of distcache, as instruments tell it. */
  readonly version: string;
  readonly peerOf: (id: string) => NodeInfo | undefined;
  /** What the node tells of itself now. */
  readonly read: () => NodeReading;
}

/** The same trouble is told at most this often. */
const repeatMs = 60_000;
const scope = 'distcache';

/** A node's instruments in the application's providers. What these throw is logged, once a minute, and hurts nobody. */
export class Telemetry {
  readonly recorder: Recorder;
  readonly #deps: TelemetryDeps;
  readonly #meter: Meter | undefined;
  #stopObserving: (() => void) | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor({ meterProvider, tracerProvider }: Providers, deps: TelemetryDeps) {
    this.#deps = deps;
    const { clock, version, peerOf } = deps;
    const meter = this.#attempt(() => meterProvider?.getMeter(scope, version));
    const tracer = this.#attempt(() => tracerProvider?.getTracer(scope, version));
    const failed = (error: unknown): void => this.#failed(error);
    this.#meter = meter;
    this.recorder =
      this.#attempt(() => new OtelRecorder({ clock, meter, tracer, peerOf, failed })) ??
      new OtelRecorder({ clock, meter: undefined, tracer, peerOf, failed });
  }

  /** The node's counters are read from now on, whenever somebody asks. */
  start(): void {
    const { read } = this.#deps;
    const failed = (error: unknown): void => this.#failed(error);
    this.#stopObserving = this.#attempt(() => this.#meter && observe(this.#meter, nodeMetrics, read, failed));
  }

  /** They are read no more: a provider outlives its nodes. */
  stop(): void {
    this.#attempt(() => this.#stopObserving?.());
  }

  #attempt<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #failed(error: unknown): void {
    const nowMs = this.#deps.clock.nowMs();
    if (nowMs - this.#toldAtMs < repeatMs) return;
    this.#toldAtMs = nowMs;
    this.#deps.log.write('warn', `telemetry failed: ${messageOf(error)}; nothing else is affected`, { error });
  }
}
