import { aborted, codeOf, DistcacheError, messageOf, timedOut } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';
import type { Clock } from '../ports/clock.js';
import type { DataSource, FetchResult, Loaded } from '../ports/data-source.js';
import type { LoadContext } from '../ports/load-context.js';
import { Bulkhead } from './bulkhead.js';

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
}

export interface GuardedSourceDeps {
  readonly clock: Clock;
  readonly context: LoadContext;
}

const encoder = new TextEncoder();
const absent: SourceAnswer = { is: 'absent' };

/**
 * Stands between the engine and a user's data source: bounds how many loads run and how long each may take, and turns
 * whatever comes back, or doesn't, into an answer or one typed error. Not found is an answer, never a failure.
 */
export class GuardedSource {
  readonly #deps: GuardedSourceDeps;
  readonly #keyspace: string;
  readonly #source: DataSource;
  readonly #limits: SourceLimits;
  readonly #bulkhead: Bulkhead;
  #opened: Promise<void> | undefined;

  constructor(deps: GuardedSourceDeps, keyspace: string, source: DataSource, limits: SourceLimits) {
    this.#deps = deps;
    this.#keyspace = keyspace;
    this.#source = source;
    this.#limits = limits;
    this.#bulkhead = new Bulkhead(`keyspace '${keyspace}'`, limits.maxConcurrent, limits.maxQueued);
  }

  get running(): number {
    return this.#bulkhead.inside;
  }

  get queued(): number {
    return this.#bulkhead.queued;
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
    const fetch = (): Promise<SourceAnswer> => this.#fetch(key, loading, signal);
    return loading.length > 1 ? fetch() : this.#bulkhead.run(signal, fetch);
  }

  #fetch(key: string, loading: readonly string[], outer: StopSignal): Promise<SourceAnswer> {
    if (outer.aborted) return Promise.reject(aborted(`loading '${key}'`, outer.reason));
    const { clock, context } = this.#deps;
    const stop = new AbortController();
    return new Promise<SourceAnswer>((resolve, reject) => {
      const end = (error: DistcacheError): void => {
        release();
        reject(error);
        stop.abort(error);
      };
      const onOuterAbort = (): void => end(aborted(`loading '${key}'`, outer.reason));
      const cancelTimer = clock.after(this.#limits.loadTimeoutMs, () =>
        end(timedOut(`the data source of keyspace '${this.#keyspace}'`, this.#limits.loadTimeoutMs)),
      );
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
    const value = typeof given === 'string' ? encoder.encode(given) : given;
    if (!(value instanceof Uint8Array) || (value.buffer as ArrayBuffer).detached) {
      throw new DistcacheError(
        'DATA_SOURCE_FAILED',
        `the data source of keyspace '${this.#keyspace}' returned ${describe(result)}; it must return a Uint8Array, a ` +
          'string, { value, … }, or null for a key it does not have',
      );
    }
    if (value.byteLength > this.#limits.maxValueBytes) {
      throw new DistcacheError(
        'VALUE_TOO_LARGE',
        `the data source of keyspace '${this.#keyspace}' returned ${value.byteLength} bytes; limits.maxValueBytes ` +
          `allows ${this.#limits.maxValueBytes}`,
      );
    }
    return { is: 'value', value, ttlMs: this.#ttl(loaded), sourceVersion: this.#version(loaded) };
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
