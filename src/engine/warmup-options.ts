import type { Duration } from '../base/units.js';

/** Loading hot keys ahead of need. */
export interface WarmupOptions {
  /** Hot keys of each keyspace that are counted and loaded. Default 100. */
  readonly maxHotKeys?: number | undefined;
  /** Hits in the last minute or two from which a key is hot. Default 1. */
  readonly minHits?: number | undefined;
  /** Loads at once. Default 4. */
  readonly concurrency?: number | undefined;
  /** Time for each load. Default 2 s. */
  readonly timeout?: Duration | undefined;
  /** A node is ready after so long, warm or not. Default 30 s. */
  readonly deadline?: Duration | undefined;
  /** When a node joins, this one included. Default true. */
  readonly onJoin?: boolean | undefined;
  /** When a node leaves. Default true. */
  readonly onLeave?: boolean | undefined;
  /** Time between rounds in which hot keys are loaded again before they expire; 0: none. Default 0. */
  readonly refreshInterval?: Duration | undefined;
}

export interface ResolvedWarmup {
  readonly maxHotKeys: number;
  readonly minHits: number;
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly onJoin: boolean;
  readonly onLeave: boolean;
  /** 0: none. */
  readonly refreshIntervalMs: number;
}

interface Check {
  count(path: readonly string[], given: number | undefined, fallback: number, min: number, max: number): number;
  duration(
    path: readonly string[],
    given: Duration | undefined,
    fallbackMs: number,
    minMs: number,
    maxMs: number,
  ): number;
  problem(path: readonly string[], message: string): void;
}

const day = 86_400_000;

export function resolveWarmup(given: WarmupOptions | undefined, check: Check): ResolvedWarmup {
  const { maxHotKeys, minHits, concurrency, timeout, deadline, onJoin, onLeave, refreshInterval } = given ?? {};
  const at = (field: string): readonly string[] => ['warmup', field];
  const flag = (field: string, value: unknown): boolean => {
    if (value !== undefined && typeof value !== 'boolean')
      check.problem(at(field), `is ${String(value)}, must be true or false`);
    return value !== false;
  };
  return {
    maxHotKeys: check.count(at('maxHotKeys'), maxHotKeys, 100, 1, 100_000),
    minHits: check.count(at('minHits'), minHits, 1, 1, 1_000_000_000),
    concurrency: check.count(at('concurrency'), concurrency, 4, 1, 1000),
    timeoutMs: check.duration(at('timeout'), timeout, 2000, 1, day),
    deadlineMs: check.duration(at('deadline'), deadline, 30_000, 0, day),
    onJoin: flag('onJoin', onJoin),
    onLeave: flag('onLeave', onLeave),
    refreshIntervalMs: check.duration(at('refreshInterval'), refreshInterval, 0, 0, day),
  };
}
