/** What a data source may say of a key beside its bytes. */
export interface Loaded {
  readonly value: Uint8Array | string;
  /** Remaining time to live in milliseconds; 0 serves the value without keeping it. Beats `expiresAt`. */
  readonly ttlMs?: number | undefined;
  readonly expiresAt?: Date | undefined;
  /** The source's own version of the value: what bears a lower one never takes the place of what bears a higher one. */
  readonly version?: number | undefined;
  /** Names by which it is invalidated together with others: at most 16, of 1 to 128 bytes. */
  readonly tags?: readonly string[] | undefined;
}

/** A string counts as its UTF-8 bytes; `null` says that the source has no such key, which is an answer and no failure. */
export type FetchResult = Loaded | Uint8Array | string | null;

export interface FetchOptions {
  /** Aborts when nobody waits for the answer any more, or the load's time is up. */
  readonly signal: AbortSignal;
}

/**
 * What a source says of several keys: in their order, or by key, where it does not have the keys that are left out. An
 * Error fails its key alone; `undefined` says that this key cannot be asked for along with others: `fetch` is called for it.
 */
export type FetchManyResult =
  | readonly (FetchResult | Error | undefined)[]
  | ReadonlyMap<string, FetchResult | Error | undefined>;

/** Where values come from on a miss. Called once per key at a time in the whole cluster. */
export interface DataSource {
  fetch(key: string, options: FetchOptions): Promise<FetchResult> | FetchResult;
  /**
   * Several keys with one query, for sources that can: loads of the same moment then share it. Each key is there once.
   * To reject is to fail all of them.
   */
  fetchMany?:
    | ((keys: readonly string[], options: FetchOptions) => Promise<FetchManyResult> | FetchManyResult)
    | undefined;
  /**
   * Called once when the engine starts. To reject is to say that it can never work as configured, and fails the start; a
   * source that is merely down resolves, and fails its loads.
   */
  open?(): Promise<void>;
  /** Called once when the engine stops, unless it has an `open` that was never called; frees files, sockets and pools. */
  close?(): Promise<void>;
}
