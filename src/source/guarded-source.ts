import { aborted, codeOf, type DistcacheError, type ErrorCode, timedOut } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';
import type { Clock } from '../ports/clock.js';
import type { DataSource } from '../ports/data-source.js';
import type { LoadContext } from '../ports/load-context.js';
import type { Recorder } from '../ports/recorder.js';
import type { SourceCounts, SourceStatus } from '../ports/source-status.js';
import { Answers, type KeyAnswer, type SourceAnswer } from './answers.js';
import { type Batch, Batcher, type BatchLimits, type SingleLoad } from './batcher.js';
import { Breaker, type CircuitChanged } from './breaker.js';
import type { RateLimits } from './bucket.js';
import { Bulkhead } from './bulkhead.js';
import type { BreakerLimits, Verdict } from './circuit.js';
import { RateLimiter } from './rate-limiter.js';

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
  /** Of a source with `fetchMany`. */
  readonly batch: BatchLimits;
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

/**
 * Stands between the engine and a user's data source, and turns whatever comes back, or doesn't, into an answer or one
 * typed error. A load passes, in this order: the circuit breaker, which refuses while the source keeps failing; the token
 * bucket, which bounds how often it is asked; the bulkhead, which bounds how many loads run; and the time-out around the
 * fetch itself. Where the source takes many keys at once, loads of the same moment pass as one. What one of the first three refuses never reached the source and is no failure of it. Neither is a
 * caller's cancel, and not found is an answer.
 */
export class GuardedSource {
  readonly #deps: GuardedSourceDeps;
  readonly #keyspace: string;
  readonly #source: DataSource;
  readonly #breaker: Breaker;
  readonly #limiter: RateLimiter;
  readonly #bulkhead: Bulkhead;
  readonly #batcher: Batcher;
  readonly #answers: Answers;
  readonly #counts: { -readonly [Fate in keyof SourceCounts]: number } = {
    answered: 0,
    failed: 0,
    cancelled: 0,
    circuitOpen: 0,
    rateLimited: 0,
    overloaded: 0,
  };
  #batches = 0;
  #batchedKeys = 0;
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
    this.#answers = new Answers(deps.clock, keyspace);
    this.#batcher = new Batcher(
      deps.clock,
      limits.batch,
      (batch, signal) => this.#loadMany(batch, signal),
      ({ key, loading, signal }) => this.#loadAlone(key, [loading], signal),
    );
  }

  get running(): number {
    return this.#bulkhead.inside;
  }

  get queued(): number {
    return this.#bulkhead.queued;
  }

  /** Since start: questions of several keys, and the keys in them. */
  get batches(): { readonly questions: number; readonly keys: number } {
    return { questions: this.#batches, keys: this.#batchedKeys };
  }

  /** In force at once, also for those who wait; what is under way keeps its place and its time. */
  retune(limits: SourceLimits): void {
    this.#limits = limits;
    this.#breaker.retune(limits.breaker);
    this.#limiter.retune(limits.rate, limits.maxQueued);
    this.#bulkhead.retune(limits.maxConcurrent, limits.maxQueued);
    this.#batcher.retune(limits.batch);
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
   * one holds one already, and waiting for a second could be waiting for itself. For the same reason it joins no batch.
   */
  load(key: string, loading: readonly string[], signal: StopSignal): Promise<SourceAnswer> {
    const [name, inner] = loading;
    const isAlone = inner !== undefined || this.#source.fetchMany === undefined || this.#limits.batch.maxKeys === 1;
    return isAlone ? this.#loadAlone(key, loading, signal) : this.#batcher.load({ key, loading: name!, signal });
  }

  #loadAlone(key: string, loading: readonly string[], signal: StopSignal): Promise<SourceAnswer> {
    return this.#guarded(loading.length > 1, signal, () => this.#fetch(key, loading, signal));
  }

  /** To the guards a batch is one load: one token, one place, one success or failure. */
  async #loadMany(batch: Batch, signal: StopSignal): Promise<readonly KeyAnswer[]> {
    let answers: readonly KeyAnswer[] | undefined;
    try {
      return await this.#guarded(false, signal, async () => {
        const loads = batch.send();
        const [first, second] = loads;
        if (second === undefined) return [await this.#fetch(first!.key, [first!.loading], signal)];
        answers = await this.#fetchMany(loads, signal);
        if (!answers.some(isAnswer)) throw answers.find(isError) ?? new Error('each key has to be asked for alone');
        return answers;
      });
    } catch (error) {
      // Thrown for the breaker; to its caller each key has an answer of its own.
      if (answers !== undefined) return answers;
      throw error;
    }
  }

  async #guarded<T>(isInner: boolean, signal: StopSignal, fetch: () => Promise<T>): Promise<T> {
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
      return await (isInner ? fetchJudged() : this.#bulkhead.run(signal, fetchJudged));
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
    const { maxValueBytes } = this.#limits;
    return this.#recorded(() =>
      this.#asked(
        `loading '${key}'`,
        loading,
        outer,
        (signal) => this.#source.fetch(key, { signal }),
        (result) => this.#answers.of(result, maxValueBytes),
        (error) => this.#answers.ofError(error),
      ),
    );
  }

  async #fetchMany(loads: readonly SingleLoad[], outer: StopSignal): Promise<readonly KeyAnswer[]> {
    const { maxValueBytes } = this.#limits;
    const keys = loads.map(({ key }) => key);
    this.#batches++;
    this.#batchedKeys += keys.length;
    const ask = (): Promise<ManyAnswers> =>
      this.#asked(
        `loading ${keys.length} keys`,
        loads.map(({ loading }) => loading),
        outer,
        // It may have turned out meanwhile that it has none.
        (signal) => this.#source.fetchMany?.([...keys], { signal }) ?? keys.map(() => undefined),
        (results) => ({ is: 'batch', answers: this.#answers.ofMany(results, keys, maxValueBytes) }),
        (error) => {
          throw this.#answers.failure(error);
        },
      );
    return (await this.#recorded(ask)).answers;
  }

  #recorded<T extends { readonly is: string }>(ask: () => Promise<T>): Promise<T> {
    const { recorder } = this.#deps;
    return recorder === undefined ? ask() : recorder.fetch(this.#keyspace, ask);
  }

  /** Asks the source, within the time for loads, and makes of what it returns or throws what it means. */
  #asked<R, T>(
    what: string,
    loading: readonly string[],
    outer: StopSignal,
    ask: (signal: AbortSignal) => Promise<R> | R,
    answered: (result: R) => T,
    failed: (error: unknown) => T,
  ): Promise<T> {
    if (outer.aborted) return Promise.reject(aborted(what, outer.reason));
    const { clock, context } = this.#deps;
    const { loadTimeoutMs } = this.#limits;
    const startedMs = clock.nowMs();
    const stop = new AbortController();
    return new Promise<T>((resolve, reject) => {
      const end = (error: DistcacheError): void => {
        release();
        reject(error);
        stop.abort(error);
      };
      const tooSlow = (ms: number): DistcacheError => timedOut(`the data source of keyspace '${this.#keyspace}'`, ms);
      const onOuterAbort = (): void => {
        const ranMs = clock.nowMs() - startedMs;
        const isTooSlow = codeOf(outer.reason) === 'TIMEOUT' && ranMs >= loadTimeoutMs * tooSlowShare;
        end(isTooSlow ? tooSlow(ranMs) : aborted(what, outer.reason));
      };
      const cancelTimer = clock.after(loadTimeoutMs, () => end(tooSlow(loadTimeoutMs)));
      const release = (): void => {
        cancelTimer();
        outer.removeEventListener('abort', onOuterAbort);
      };
      outer.addEventListener('abort', onOuterAbort, { once: true });
      const settle = (make: () => T): void => {
        release();
        try {
          resolve(make());
        } catch (error) {
          reject(error);
        }
      };
      // The async wrapper turns a source that throws synchronously into one that rejects.
      const fetched = context.run(loading, async () => ask(stop.signal));
      fetched.then(
        (result) => settle(() => answered(result)),
        (error) => settle(() => failed(error)),
      );
    });
  }
}

interface ManyAnswers {
  readonly is: 'batch';
  readonly answers: readonly KeyAnswer[];
}

const isError = (answer: KeyAnswer): answer is DistcacheError => answer instanceof Error;
const isAnswer = (answer: KeyAnswer): answer is SourceAnswer => answer !== undefined && !isError(answer);
