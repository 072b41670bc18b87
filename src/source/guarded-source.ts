import { aborted, codeOf, DistcacheError, type ErrorCode, messageOf, timedOut } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';
import type { Clock } from '../ports/clock.js';
import type { DataSource, FetchResult, Loaded } from '../ports/data-source.js';
import type { LoadContext } from '../ports/load-context.js';
import type { Recorder } from '../ports/recorder.js';
import type { SourceCounts, SourceStatus } from '../ports/source-status.js';
import { Breaker, type CircuitChanged } from './breaker.js';
import type { RateLimits } from './bucket.js';
import { Bulkhead } from './bulkhead.js';
import type { BreakerLimits, Verdict } from './circuit.js';
import { RateLimiter } from './rate-limiter.js';

/** What a data source said of a key, checked. */
export type SourceAnswer =
  | {
      readonly is: 'value';
      readonly value: Uint8Array;
      /** The source's own word on how long it stays good; undefined: none. 0: not to be kept. */
      readonly ttlMs: number | undefined;
      /** The source's own; undefined: none. */
      readonly sourceVersion: number | undefined;
    }
  | { readonly is: 'absent' };

export interface SourceLimits {
  /** Loads in flight at once. */
  readonly maxConcurrent: number;
  /** Loads that may wait for a place. */
  readonly maxQueued: number;
  readonly maxValueBytes: number;
  /** After this the load fails and its place is free, whether or not the source ever settles. */
  readonly loadTimeoutMs: number;
  /** undefined: no limit. */
  readonly rate: RateLimits | undefined;
  /** undefined: no breaker. */
  readonly breaker: BreakerLimits | undefined;
}

export interface GuardedSourceDeps {
  readonly clock: Clock;
  readonly context: LoadContext;
  readonly circuitChanged: CircuitChanged;
  readonly recorder?: Recorder | undefined;
}

/** What a failed load says of its source. Other codes say nothing: its caller cancelled, or what it asked the cache for was refused. */
const verdicts: Readonly<Partial<Record<ErrorCode, Verdict>>> = {
  DATA_SOURCE_FAILED: 'failure',
  TIMEOUT: 'failure',
  // More than the cache takes, and an answer all the same.
  VALUE_TOO_LARGE: 'success',
};
const fates = { success: 'answered', failure: 'failed', none: 'cancelled' } as const satisfies Record<
  Verdict,
  keyof SourceCounts
>;

/** A load that nobody waits for any more has shown its source to be too slow when it ran for this part of its time. */
const tooSlowShare = 0.5;

const encoder = new TextEncoder();
const absent: SourceAnswer = { is: 'absent' };

/**
 * Stands between the engine and a user's data source, and turns whatever comes back, or doesn't, into an answer or one
 * typed error. A load passes, in this order: the circuit breaker, which refuses while the source keeps failing; the token
 * bucket, which bounds how often it is asked; the bulkhead, which bounds how many loads run; and the time-out around the
 * fetch itself. What one of the first three refuses never reached the source and is no failure of it. Neither is a
 * caller's cancel, and not found is an answer.
 */
export class GuardedSource {
  readonly #deps: GuardedSourceDeps;
  readonly #keyspace: string;
  readonly #source: DataSource;
  readonly #breaker: Breaker;
  readonly #limiter: RateLimiter;
  readonly #bulkhead: Bulkhead;
  readonly #counts: { -readonly [Fate in keyof SourceCounts]: number } = {
    answered: 0,
    failed: 0,
    cancelled: 0,
    circuitOpen: 0,
    rateLimited: 0,
    overloaded: 0,
  };
  #limits: SourceLimits;
  #opened: Promise<void> | undefined;

  constructor(deps: GuardedSourceDeps, keyspace: string, source: DataSource, limits: SourceLimits) {
    this.#deps = deps;
    this.#keyspace = keyspace;
    this.#source = source;
    this.#limits = limits;
    this.#breaker = new Breaker(deps.clock, keyspace, limits.breaker, (from, to) => {
      // Whoever still waits before the source would be the next to fail there.
      if (to === 'open') this.#refuseWaiting();
      deps.circuitChanged(from, to);
    });
    this.#limiter = new RateLimiter(deps.clock, keyspace, limits.rate, limits.maxQueued);
    this.#bulkhead = new Bulkhead(`keyspace '${keyspace}'`, limits.maxConcurrent, limits.maxQueued);
  }

  get running(): number {
    return this.#bulkhead.inside;
  }

  get queued(): number {
    return this.#bulkhead.queued;
  }

  /** In force at once, also for those who wait; what is under way keeps its place and its time. */
  retune(limits: SourceLimits): void {
    this.#limits = limits;
    this.#breaker.retune(limits.breaker);
    this.#limiter.retune(limits.rate, limits.maxQueued);
    this.#bulkhead.retune(limits.maxConcurrent, limits.maxQueued);
  }

  /** Closes the circuit. */
  reset(): void {
    this.#breaker.reset();
  }

  /** A snapshot, which does not change any more. */
  status(): SourceStatus {
    const { maxConcurrent, maxQueued, loadTimeoutMs } = this.#limits;
    return Object.freeze({
      breaker: this.#breaker.status(),
      rateLimit: this.#limiter.status(),
      running: this.running,
      maxConcurrent,
      queued: this.queued,
      maxQueued,
      loadTimeoutMs,
      counts: Object.freeze({ ...this.#counts }),
    });
  }

  // Async, so that a source that throws at once rejects like one that fails later.
  open(): Promise<void> {
    this.#opened ??= (async () => this.#source.open?.())();
    return this.#opened;
  }

  /** After the opening, however it ends. A source that has an `open` and was never opened is left alone. */
  async close(): Promise<void> {
    if (this.#source.open !== undefined) {
      if (this.#opened === undefined) return;
      await this.#opened.catch(() => {});
    }
    await this.#source.close?.();
  }

  /**
   * `loading` names the loads this one stands in, itself last. A load inside a load takes no place of its own: the outer
   * one holds one already, and waiting for a second could be waiting for itself.
   */
  load(key: string, loading: readonly string[], signal: StopSignal): Promise<SourceAnswer> {
    const { recorder } = this.#deps;
    const fetch = (): Promise<SourceAnswer> => this.#fetch(key, loading, signal);
    return this.#guarded(loading, signal, recorder === undefined ? fetch : () => recorder.fetch(this.#keyspace, fetch));
  }

  async #guarded<T>(loading: readonly string[], signal: StopSignal, fetch: () => Promise<T>): Promise<T> {
    let isJudged = false;
    let round: number | undefined;
    const judge = (verdict: Verdict): void => {
      isJudged = true;
      this.#counts[fates[verdict]]++;
      this.#breaker.judge(round!, verdict);
    };
    // Within the place, so that the next to take it knows.
    const fetchJudged = async (): Promise<T> => {
      try {
        const answer = await fetch();
        judge('success');
        return answer;
      } catch (error) {
        judge(verdicts[codeOf(error)!] ?? 'none');
        throw error;
      }
    };
    try {
      if (signal.aborted) throw aborted(`a load of keyspace '${this.#keyspace}'`, signal.reason);
      round = this.#breaker.enter();
      const token = this.#limiter.take(signal);
      if (token !== undefined) await token;
      return await (loading.length > 1 ? fetchJudged() : this.#bulkhead.run(signal, fetchJudged));
    } catch (error) {
      if (!isJudged) this.#refused(round, error);
      throw error;
    }
  }

  /** Of a load that did not reach the source. */
  #refused(round: number | undefined, error: unknown): void {
    if (round !== undefined) this.#breaker.judge(round, 'none');
    const code = codeOf(error);
    if (code === 'DATA_SOURCE_CIRCUIT_OPEN') this.#counts.circuitOpen++;
    else if (code === 'DATA_SOURCE_RATE_LIMITED') this.#counts.rateLimited++;
    else if (code === 'OVERLOADED') this.#counts.overloaded++;
    else this.#counts.cancelled++;
  }

  #refuseWaiting(): void {
    const refusal = this.#breaker.refusal();
    this.#limiter.refuseAll(refusal);
    this.#bulkhead.refuseAll(refusal);
  }

  #fetch(key: string, loading: readonly string[], outer: StopSignal): Promise<SourceAnswer> {
    if (outer.aborted) return Promise.reject(aborted(`loading '${key}'`, outer.reason));
    const { clock, context } = this.#deps;
    const { loadTimeoutMs } = this.#limits;
    const startedMs = clock.nowMs();
    const stop = new AbortController();
    return new Promise<SourceAnswer>((resolve, reject) => {
      const end = (error: DistcacheError): void => {
        release();
        reject(error);
        stop.abort(error);
      };
      const tooSlow = (ms: number): DistcacheError => timedOut(`the data source of keyspace '${this.#keyspace}'`, ms);
      const onOuterAbort = (): void => {
        const ranMs = clock.nowMs() - startedMs;
        const isTooSlow = codeOf(outer.reason) === 'TIMEOUT' && ranMs >= loadTimeoutMs * tooSlowShare;
        end(isTooSlow ? tooSlow(ranMs) : aborted(`loading '${key}'`, outer.reason));
      };
      const cancelTimer = clock.after(loadTimeoutMs, () => end(tooSlow(loadTimeoutMs)));
      const release = (): void => {
        cancelTimer();
        outer.removeEventListener('abort', onOuterAbort);
      };
      outer.addEventListener('abort', onOuterAbort, { once: true });
      // The async wrapper turns a source that throws synchronously into one that rejects.
      const fetched = context.run(loading, async () => this.#source.fetch(key, { signal: stop.signal }));
      fetched.then(
        (result) => {
          release();
          try {
            resolve(this.#answer(result));
          } catch (error) {
            // Ours, or thrown by what the source returned while it was looked at.
            reject(this.#failure(error));
          }
        },
        (error) => {
          release();
          if (codeOf(error) === 'NOT_FOUND') resolve(absent);
          else reject(this.#failure(error));
        },
      );
    });
  }

  #answer(result: FetchResult): SourceAnswer {
    if (result === null) return absent;
    const loaded: Loaded = typeof result === 'string' || result instanceof Uint8Array ? { value: result } : result;
    const given: unknown = typeof loaded === 'object' ? loaded.value : undefined;
    // Each character is a byte at least: what is too long is not even encoded.
    if (typeof given === 'string' && given.length > this.#limits.maxValueBytes) throw this.#tooLarge(given.length);
    const value = typeof given === 'string' ? encoder.encode(given) : given;
    if (!(value instanceof Uint8Array) || (value.buffer as ArrayBuffer).detached) {
      throw new DistcacheError(
        'DATA_SOURCE_FAILED',
        `the data source of keyspace '${this.#keyspace}' returned ${describe(result)}; it must return a Uint8Array, a ` +
          'string, { value, … }, or null for a key it does not have',
      );
    }
    if (value.byteLength > this.#limits.maxValueBytes) throw this.#tooLarge(value.byteLength);
    return { is: 'value', value, ttlMs: this.#ttl(loaded), sourceVersion: this.#version(loaded) };
  }

  #tooLarge(bytes: number): DistcacheError {
    return new DistcacheError(
      'VALUE_TOO_LARGE',
      `the data source of keyspace '${this.#keyspace}' returned ${bytes} bytes; limits.maxValueBytes ` +
        `allows ${this.#limits.maxValueBytes}`,
    );
  }

  /** Databases and JSON say `null` where they know of no expiry. */
  #ttl({ ttlMs, expiresAt }: Loaded): number | undefined {
    let given: unknown = ttlMs ?? undefined;
    if (given === undefined && (expiresAt ?? undefined) !== undefined) {
      given = expiresAt instanceof Date ? expiresAt.getTime() - this.#deps.clock.wallMs() : Number.NaN;
    }
    if (given === undefined) return undefined;
    if (typeof given !== 'number' || Number.isNaN(given)) {
      throw new DistcacheError(
        'DATA_SOURCE_FAILED',
        `the data source of keyspace '${this.#keyspace}' returned an expiry that cannot be used; ttlMs must be a number ` +
          'of milliseconds, expiresAt a valid Date',
      );
    }
    return Math.max(0, given);
  }

  #version({ version }: Loaded): number | undefined {
    const given: unknown = version ?? undefined;
    if (given === undefined) return undefined;
    if (typeof given === 'number' && Number.isFinite(given) && given >= 0) return given;
    throw new DistcacheError(
      'DATA_SOURCE_FAILED',
      `the data source of keyspace '${this.#keyspace}' returned a version that cannot be used; version must be a finite ` +
        'number, 0 or above, that grows with every change of the key',
    );
  }

  /** Our own codes pass (a nested get that found its own source limited, say); anything else is the source's failure. */
  #failure(error: unknown): DistcacheError {
    if (error instanceof DistcacheError) return error;
    return new DistcacheError(
      'DATA_SOURCE_FAILED',
      `the data source of keyspace '${this.#keyspace}' failed: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

const describe = (value: unknown): string => {
  if (value === undefined) return 'undefined';
  return typeof value === 'object' ? 'an object without usable bytes' : `a ${typeof value}`;
};
