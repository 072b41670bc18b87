/** What a data source may say of a key beside its bytes. */
export interface Loaded {
  readonly value: Uint8Array | string;
  /** Remaining time to live in milliseconds; 0 serves the value without keeping it. Beats `expiresAt`. */
  readonly ttlMs?: number | undefined;
  readonly expiresAt?: Date | undefined;
}

/** A string counts as its UTF-8 bytes; `null` says that the source has no such key, which is an answer and no failure. */
export type FetchResult = Loaded | Uint8Array | string | null;

export interface FetchOptions {
  /** Aborts when nobody waits for the answer any more, or the load's time is up. */
  readonly signal: AbortSignal;
}

/** Where values come from on a miss. Called once per key at a time in the whole cluster. */
export interface DataSource {
  fetch(key: string, options: FetchOptions): Promise<FetchResult> | FetchResult;
  /** Called once when the engine starts; a source that is down may say so here, and does not keep the node down. */
  open?(): Promise<void>;
  /** Called once when the engine stops; frees files, sockets and pools. */
  close?(): Promise<void>;
}
