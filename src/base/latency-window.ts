/**
 * Durations in buckets that grow by an eighth of a doubling each, from a microsecond to a day: recording costs one
 * logarithm and no allocation, and a percentile is at most 9 % too high. Two windows, of which the older is given up when
 * `rotate` begins a new one, so that percentiles tell of what is now; the totals are of all time.
 */
const perDoubling = 8;
const leastMs = 0.001;
const bucketCount = 37 * perDoubling;

export class LatencyWindow {
  #current = new Uint32Array(bucketCount);
  #previous = new Uint32Array(bucketCount);
  #count = 0;
  #totalMs = 0;

  get count(): number {
    return this.#count;
  }

  get totalMs(): number {
    return this.#totalMs;
  }

  record(durationMs: number): void {
    this.#count++;
    this.#totalMs += durationMs;
    const bucket = durationMs <= leastMs ? 0 : Math.ceil(Math.log2(durationMs / leastMs) * perDoubling);
    this.#current[bucket < bucketCount ? bucket : bucketCount - 1]!++;
  }

  /** Records how long `body` takes to settle, either way. */
  async timed<T>(clock: { nowMs(): number }, body: () => Promise<T>): Promise<T> {
    const startedMs = clock.nowMs();
    try {
      return await body();
    } finally {
      this.record(clock.nowMs() - startedMs);
    }
  }

  /** What was recorded before the last `rotate` is forgotten. */
  rotate(): void {
    const freed = this.#previous;
    this.#previous = this.#current;
    this.#current = freed.fill(0);
  }

  /** Adds what both windows hold to the buckets of a sum. */
  addTo(sum: Uint32Array): void {
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      sum[bucket]! += this.#current[bucket]! + this.#previous[bucket]!;
    }
  }
}

export interface Percentiles {
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly maxMs: number | undefined;
}

/** Over several windows, and as many durations of nothing as `zeros`. Undefined where nothing was recorded. */
export function percentilesOf(windows: Iterable<LatencyWindow>, zeros = 0): Percentiles {
  const sum = new Uint32Array(bucketCount);
  for (const window of windows) window.addTo(sum);
  const count = sum.reduce((total, inBucket) => total + inBucket, zeros);
  if (count === 0) return { p50Ms: undefined, p99Ms: undefined, maxMs: undefined };
  const at = (rank: number): number => {
    let seen = zeros;
    if (rank <= seen) return 0;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      seen += sum[bucket]!;
      if (rank <= seen) return leastMs * 2 ** (bucket / perDoubling);
    }
    return Number.NaN;
  };
  return { p50Ms: at(Math.ceil(count * 0.5)), p99Ms: at(Math.ceil(count * 0.99)), maxMs: at(count) };
}
