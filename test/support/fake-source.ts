import { DistcacheError } from '../../src/base/errors.js';
import { endIfAborted, untilAborted } from '../../src/connectors/outcome.js';
import type { DataSource, FetchManyResult, FetchOptions, FetchResult } from '../../src/ports/data-source.js';

/** A source in memory that counts what it is asked, takes many keys at once, and can be down or silent. */
export class FakeSource implements DataSource {
  readonly values = new Map<string, FetchResult>();
  /** The keys of each question, in order. */
  readonly asked: (readonly string[])[] = [];
  isDown = false;
  #isClosed = false;
  #silence: PromiseWithResolvers<void> | undefined;

  constructor(private readonly maxValueBytes = Number.POSITIVE_INFINITY) {}

  async fetch(key: string, { signal }: FetchOptions): Promise<FetchResult> {
    const [result] = await this.#answer([key], signal);
    if (result instanceof Error) throw result;
    return result ?? null;
  }

  async fetchMany(keys: readonly string[], { signal }: FetchOptions): Promise<FetchManyResult> {
    return this.#answer(keys, signal);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  silence(): void {
    this.#silence ??= Promise.withResolvers();
  }

  speak(): void {
    this.#silence?.resolve();
    this.#silence = undefined;
  }

  async #answer(keys: readonly string[], signal: AbortSignal): Promise<readonly (FetchResult | Error)[]> {
    endIfAborted(signal, 'fake');
    this.asked.push(keys);
    const silence = this.#silence;
    if (silence !== undefined) await untilAborted(() => silence.promise, signal, 'fake');
    if (this.isDown || this.#isClosed) throw new DistcacheError('DATA_SOURCE_FAILED', 'the fake source is down');
    return keys.map((key) => this.#bounded(this.values.get(key) ?? null));
  }

  #bounded(result: FetchResult): FetchResult | Error {
    if (!(result instanceof Uint8Array) || result.byteLength <= this.maxValueBytes) return result;
    return new DistcacheError('VALUE_TOO_LARGE', `${result.byteLength} bytes`);
  }
}
