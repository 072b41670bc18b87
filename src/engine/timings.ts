import { LatencyWindow, percentilesOf } from '../base/latency-window.js';
import type { Latencies, LatencySummary } from '../ports/insight.js';

/** How long operations of one keyspace took. Reads that memory answers are counted elsewhere, and timed nowhere. */
export class Timings {
  readonly misses = new LatencyWindow();
  readonly sourceLoads = new LatencyWindow();
  readonly writes = new LatencyWindow();
  #hitsAtRotation = 0;
  #hitsBefore = 0;

  /** To be called every half minute. @param hits reads that memory has answered since start */
  rotate(hits: number): void {
    for (const window of [this.misses, this.sourceLoads, this.writes]) window.rotate();
    this.#hitsBefore = this.#hitsAtRotation;
    this.#hitsAtRotation = hits;
  }

  /** Of `hits` since start, those since the last rotation but one. */
  hitsLately(hits: number): number {
    return hits - this.#hitsBefore;
  }
}

/** Over several keyspaces, each with its hits since start. */
export function latenciesOf(spaces: readonly { readonly timings: Timings; readonly hits: number }[]): Latencies {
  const misses = spaces.map(({ timings }) => timings.misses);
  const hitsLately = sum(spaces.map(({ timings, hits }) => timings.hitsLately(hits)));
  return {
    reads: {
      ...summaryOf(misses, hitsLately),
      count: sum(misses.map(({ count }) => count)) + sum(spaces.map(({ hits }) => hits)),
    },
    misses: summaryOf(misses),
    sourceLoads: summaryOf(spaces.map(({ timings }) => timings.sourceLoads)),
    writes: summaryOf(spaces.map(({ timings }) => timings.writes)),
  };
}

/** As counters are told; left out where nothing was measured lately. */
export function percentileStats(timings: Timings, hits: number): Readonly<Record<string, number>> {
  const { reads, misses, sourceLoads, writes } = latenciesOf([{ timings, hits }]);
  const found: Record<string, number> = {};
  for (const [name, { p50Ms, p99Ms }] of Object.entries({
    read: reads,
    miss: misses,
    load: sourceLoads,
    write: writes,
  })) {
    if (p50Ms !== undefined) found[`${name}_p50_ms`] = p50Ms;
    if (p99Ms !== undefined) found[`${name}_p99_ms`] = p99Ms;
  }
  return found;
}

/** The same counts, with a prefix before their names. */
export const named = (prefix: string, counts: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(counts).map(([name, count]) => [`${prefix}${name}`, count]));

const summaryOf = (windows: readonly LatencyWindow[], zeros = 0): LatencySummary => ({
  count: sum(windows.map(({ count }) => count)),
  totalMs: sum(windows.map(({ totalMs }) => totalMs)),
  ...percentilesOf(windows, zeros),
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
