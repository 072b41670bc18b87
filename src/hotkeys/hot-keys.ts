/**
 * Which keys are asked for most, in memory that does not grow with their number.
 *
 * Idea. Space-Saving (Metwally, Agrawal, El Abbadi 2005) over a sample: of `capacity` counters one is kept for each key
 * seen lately; a key without a counter takes over the one that counts least, its count included, and remembers that count
 * as its possible error. What is told of a key is count less error, so that it has surely been asked for that often; a key
 * that makes up more than 1/capacity of all is never missing.
 *
 * Decay. Counts halve every `halfLifeMs`. Rather than to go through the counters, later hits weigh more (forward decay;
 * Cormode et al. 2009), which leaves their order alone; once in a long while all are scaled down.
 *
 * Cost. `touch` is on the path of every read that memory answers, so it counts down and does nothing else for all but one
 * read in `stride`, chosen at random, which weighs as much as the reads it stands for. The stride doubles whenever too
 * much was sampled since the last tick, and shrinks when little was: few reads are counted exactly, many cost a
 * nanosecond. A sample costs two lookups and a walk in a heap.
 */
import { assert } from '../base/assert.js';
import type { Random } from '../ports/random.js';
import { type Counter, CounterHeap } from './counter-heap.js';

export interface HotKeysOptions {
  /** Keys with a counter. */
  readonly capacity: number;
  readonly halfLifeMs: number;
  readonly random: Random;
}

export interface HotKey {
  readonly key: string;
  /** Weighted by age: of the window. */
  readonly hits: number;
}

/** Samples between two ticks, a second or so, from which on fewer are taken; at less than a quarter, more. */
const samplesMax = 4096;
const strideMax = 65_536;
/** Beyond it the weight of a hit would lose its fraction in the sum. */
const weightMax = 2 ** 40;

export class HotKeys {
  readonly #options: HotKeysOptions;
  readonly #counters = new Map<string, Counter>();
  readonly #heap = new CounterHeap();
  /** Reads until the next sample. */
  #left = 1;
  #stride = 1;
  #samples = 0;
  /** Of a hit now. */
  #weight = 1;
  #total = 0;
  #startedMs: number | undefined;
  #weighedMs = 0;

  constructor(options: HotKeysOptions) {
    assert(options.capacity >= 1, `capacity is ${options.capacity}, must be at least 1`);
    this.#options = options;
  }

  /** One read of a key. The hot path. */
  touch(key: string): void {
    if (--this.#left === 0) this.#sample(key);
  }

  /** To be called once a second or so: ages the counts, and chooses how many reads are looked at. */
  tick(nowMs: number): void {
    this.#startedMs ??= nowMs - 1000;
    this.#weighedMs ||= nowMs;
    this.#weight *= 2 ** ((nowMs - this.#weighedMs) / this.#options.halfLifeMs);
    this.#weighedMs = nowMs;
    if (this.#weight > weightMax) this.#scaleDown();
    if (this.#samples < samplesMax / 4) this.#stride = Math.max(1, this.#stride >> 1);
    this.#samples = 0;
    // What was drawn for a longer stride would leave the first reads of a quiet time out.
    this.#left = Math.min(this.#left, 2 * this.#stride - 1);
  }

  /** Hottest first; those that were surely asked for at least `minHits` times in the window. */
  top(count: number, minHits = 1): readonly HotKey[] {
    const found: HotKey[] = [];
    for (const counter of this.#counters.values()) {
      const hits = this.#hitsOf(counter);
      if (hits >= minHits - rounding) found.push({ key: counter.key, hits });
    }
    return found.sort((a, b) => b.hits - a.hits || (a.key < b.key ? -1 : 1)).slice(0, count);
  }

  /** 0: not among those that have a counter. */
  hits(key: string): number {
    const counter = this.#counters.get(key);
    return counter === undefined ? 0 : this.#hitsOf(counter);
  }

  /** All reads in the window. */
  get total(): number {
    return this.#total / this.#weight;
  }

  /** Hits of the window are those of so many milliseconds, at the rate of now. */
  windowMs(nowMs: number): number {
    const { halfLifeMs } = this.#options;
    const ageMs = Math.max(1000, nowMs - (this.#startedMs ?? nowMs));
    return (halfLifeMs / Math.LN2) * (1 - 2 ** (-ageMs / halfLifeMs));
  }

  /** Recounts the slow way, and throws where it differs. For tests. */
  check(): void {
    assert(this.#counters.size === this.#heap.size, 'a counter hangs in the heap alone, or in the map alone');
    assert(this.#counters.size <= this.#options.capacity, `${this.#counters.size} counters`);
    let sum = 0;
    for (const [key, { key: own, count, error }] of this.#counters) {
      assert(key === own, `${key} has the counter of ${own}`);
      assert(error >= 0 && count >= error, `${key} counts ${count}, with an error of ${error}`);
      sum += count;
    }
    assert(
      Math.abs(sum - this.#total) <= 1e-6 * (1 + this.#total),
      `counters sum up to ${sum}, total is ${this.#total}`,
    );
    this.#heap.check();
  }

  #sample(key: string): void {
    const stride = this.#stride;
    this.#left = stride === 1 ? 1 : 1 + Math.floor(this.#options.random.next() * (2 * stride - 1));
    const weight = stride * this.#weight;
    this.#total += weight;
    const counter = this.#counters.get(key);
    if (counter !== undefined) {
      counter.count += weight;
      this.#heap.grown(counter);
    } else {
      this.#admit(key, weight);
    }
    if (++this.#samples >= samplesMax && stride < strideMax) {
      this.#stride = stride * 2;
      this.#samples = 0;
    }
  }

  #admit(key: string, weight: number): void {
    if (this.#counters.size < this.#options.capacity) {
      const counter: Counter = { key, count: weight, error: 0, at: 0 };
      this.#counters.set(key, counter);
      this.#heap.add(counter);
      return;
    }
    const least = this.#heap.least();
    this.#counters.delete(least.key);
    least.key = key;
    least.error = least.count;
    least.count += weight;
    this.#counters.set(key, least);
    this.#heap.grown(least);
  }

  #hitsOf({ count, error }: Counter): number {
    return (count - error) / this.#weight;
  }

  #scaleDown(): void {
    for (const counter of this.#counters.values()) {
      counter.count /= this.#weight;
      counter.error /= this.#weight;
    }
    this.#total /= this.#weight;
    this.#weight = 1;
  }
}

/** One hit a moment ago still counts as one. */
const rounding = 0.5;
