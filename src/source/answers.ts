import { codeOf, DistcacheError, messageOf } from '../base/errors.js';
import { tagsFault, uniqueTags } from '../base/tags.js';
import type { Clock } from '../ports/clock.js';
import type { FetchManyResult, FetchResult, Loaded } from '../ports/data-source.js';

/** What a data source said of a key, checked. */
export type SourceAnswer =
  | {
      readonly is: 'value';
      readonly value: Uint8Array;
      /** The source's own word on how long it stays good; undefined: none. 0: not to be kept. */
      readonly ttlMs: number | undefined;
      /** The source's own; undefined: none. */
      readonly sourceVersion: number | undefined;
      readonly tags: readonly string[];
    }
  | { readonly is: 'absent' };

/** Of one key among many; undefined: it has to be asked for alone. */
export type KeyAnswer = SourceAnswer | DistcacheError | undefined;

const encoder = new TextEncoder();
const absent: SourceAnswer = { is: 'absent' };

/** Makes answers, and one typed error each, of whatever a keyspace's source returns or throws. */
export class Answers {
  constructor(
    private readonly clock: Pick<Clock, 'wallMs'>,
    private readonly keyspace: string,
  ) {}

  /** Throws what is wrong with it. */
  of(result: FetchResult, maxValueBytes: number): SourceAnswer {
    try {
      return this.#checked(result, maxValueBytes);
    } catch (error) {
      // Ours, or thrown by what the source returned while it was looked at.
      throw this.failure(error);
    }
  }

  /** In the order of the keys. Throws where it is no answer to them at all. */
  ofMany(results: FetchManyResult, keys: readonly string[], maxValueBytes: number): readonly KeyAnswer[] {
    const inOrder = this.#inOrder(results, keys);
    return inOrder.map((result): KeyAnswer => {
      if (result === undefined) return undefined;
      try {
        return result instanceof Error ? this.ofError(result) : this.of(result, maxValueBytes);
      } catch (error) {
        return this.failure(error);
      }
    });
  }

  /** "Not found" may be thrown as well. Throws anything else. */
  ofError(error: unknown): SourceAnswer {
    if (codeOf(error) === 'NOT_FOUND') return absent;
    throw this.failure(error);
  }

  /** Our own codes pass (a nested get that found its own source limited, say); anything else is the source's failure. */
  failure(error: unknown): DistcacheError {
    if (error instanceof DistcacheError) return error;
    return this.#failed(`failed: ${messageOf(error)}`, error);
  }

  #inOrder(results: FetchManyResult, keys: readonly string[]): readonly (FetchResult | Error | undefined)[] {
    if (results instanceof Map) return keys.map((key) => (results.has(key) ? results.get(key) : null));
    // An array may have holes, which a map over it would skip.
    if (Array.isArray(results) && results.length === keys.length) return Array.from(results);
    const what = Array.isArray(results) ? `an array of ${results.length}` : describe(results);
    throw this.#failed(
      `returned ${what} from fetchMany for ${keys.length} keys; it must return a Map, or an array in the order of the keys`,
    );
  }

  #checked(result: FetchResult, maxValueBytes: number): SourceAnswer {
    if (result === null) return absent;
    const loaded: Loaded = typeof result === 'string' || result instanceof Uint8Array ? { value: result } : result;
    const given: unknown = typeof loaded === 'object' ? loaded.value : undefined;
    // Each character is a byte at least: what is too long is not even encoded.
    if (typeof given === 'string' && given.length > maxValueBytes) throw this.#tooLarge(given.length, maxValueBytes);
    const value = typeof given === 'string' ? encoder.encode(given) : given;
    if (!(value instanceof Uint8Array) || (value.buffer as ArrayBuffer).detached) {
      throw this.#failed(
        `returned ${describe(result)}; it must return a Uint8Array, a string, { value, … }, or null for a key it does ` +
          'not have',
      );
    }
    if (value.byteLength > maxValueBytes) throw this.#tooLarge(value.byteLength, maxValueBytes);
    const [ttlMs, sourceVersion, tags] = [this.#ttl(loaded), this.#version(loaded), this.#tags(loaded)];
    return { is: 'value', value, ttlMs, sourceVersion, tags };
  }

  /** Databases and JSON say `null` where they know of no expiry. */
  #ttl({ ttlMs, expiresAt }: Loaded): number | undefined {
    let given: unknown = ttlMs ?? undefined;
    if (given === undefined && (expiresAt ?? undefined) !== undefined) {
      given = expiresAt instanceof Date ? expiresAt.getTime() - this.clock.wallMs() : Number.NaN;
    }
    if (given === undefined) return undefined;
    if (typeof given !== 'number' || Number.isNaN(given)) {
      throw this.#failed(
        'returned an expiry that cannot be used; ttlMs must be a number of milliseconds, expiresAt a valid Date',
      );
    }
    return Math.max(0, given);
  }

  #version({ version }: Loaded): number | undefined {
    const given: unknown = version ?? undefined;
    if (given === undefined) return undefined;
    if (typeof given === 'number' && Number.isFinite(given) && given >= 0) return given;
    throw this.#failed(
      'returned a version that cannot be used; version must be a finite number, 0 or above, that grows with every change ' +
        'of the key',
    );
  }

  #tags({ tags }: Loaded): readonly string[] {
    const given: unknown = tags ?? undefined;
    const fault = given === undefined ? undefined : tagsFault(given);
    if (fault !== undefined) throw this.#failed(`returned tags, which ${fault}`);
    return uniqueTags(tags ?? undefined);
  }

  #tooLarge(bytes: number, maxValueBytes: number): DistcacheError {
    return new DistcacheError(
      'VALUE_TOO_LARGE',
      `the data source of keyspace '${this.keyspace}' returned ${bytes} bytes; limits.maxValueBytes allows ${maxValueBytes}`,
    );
  }

  #failed(what: string, cause?: unknown): DistcacheError {
    return new DistcacheError('DATA_SOURCE_FAILED', `the data source of keyspace '${this.keyspace}' ${what}`, {
      cause,
    });
  }
}

const describe = (value: unknown): string => {
  if (value === undefined) return 'undefined';
  return typeof value === 'object' ? 'an object without usable bytes' : `a ${typeof value}`;
};
