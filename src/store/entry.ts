import type { WheelNode } from './expiry-wheel.js';

/** What a keyspace knows of one key. Read it in the same turn: it may be moved or dropped in a later one. */
export interface Entry {
  readonly key: string;
  /** The store's own bytes; null: the data source has no such key. */
  readonly value: Uint8Array | null;
  readonly version: number;
  /** Monotonic time until which the value is fresh; Infinity: for ever. The reader compares, the store does not. */
  readonly expiresAtMs: number;
  /** Monotonic time at which the store drops it, at or after `expiresAtMs`: until then it may serve as a stale answer. */
  readonly keepUntilMs: number;
  /** Written by `put`, not loaded from the data source. */
  readonly wasPut: boolean;
  /** The data source's own version of the value; undefined: it gives none. */
  readonly sourceVersion: number | undefined;
  /** Names by which it is invalidated together with others. */
  readonly tags: readonly string[];
  /** '' when this node owns the key; else the id of the owner: a hot copy, or an entry held for it. */
  readonly owner: string;
  /**
   * Kept for its owner, not copied from it: a replica, or an entry whose key moved to another node that may still ask for
   * it. Takes room beside the entries that this node owns.
   */
  readonly isHeld: boolean;
  /**
   * It came from another node than the one it is held for, or from this one as it was out of touch: somebody may have written it
   * since and told nobody here. It is handed over, and not answered with.
   */
  readonly wasPassed: boolean;
  /** What it is accounted with: key, value and overhead. */
  readonly bytes: number;
}

/** An entry as it is handed in. `keepUntilMs` defaults to `expiresAtMs` and may not lie before it. */
export type NewEntry = Omit<Entry, 'bytes' | 'keepUntilMs' | 'isHeld' | 'wasPassed' | 'sourceVersion' | 'tags'> & {
  readonly keepUntilMs?: number;
  readonly isHeld?: boolean;
  readonly wasPassed?: boolean;
  readonly sourceVersion?: number | undefined;
  readonly tags?: readonly string[] | undefined;
};

/** The store's own class of entry: one shape, with the links of the expiry wheel inside, so that an entry is one object. */
export class StoredEntry implements Entry, WheelNode<StoredEntry> {
  next: StoredEntry | undefined = undefined;
  previous: StoredEntry | undefined = undefined;
  slot = -1;
  wasPassed = false;
  /** It was this node's own as that lost touch with the others, and is not known to be the latest since. */
  wasDoubted = false;

  constructor(
    readonly key: string,
    readonly value: Uint8Array | null,
    readonly version: number,
    readonly expiresAtMs: number,
    readonly keepUntilMs: number,
    readonly wasPut: boolean,
    readonly sourceVersion: number | undefined,
    readonly tags: readonly string[],
    public owner: string,
    public isHeld: boolean,
    readonly bytes: number,
  ) {}
}

/** Why an entry is gone. */
export const removalReasons = [
  /** Made room for another. */
  'evicted',
  /** Its time was over. */
  'expired',
  /** A newer version took its place. */
  'replaced',
  'deleted',
  /** A peer wrote the key. */
  'invalidated',
  /** With all others. */
  'cleared',
  /** The ring changed, or the link to its owner was lost. */
  'demoted',
  /** The budget was lowered. */
  'shrunk',
] as const;

export type RemovalReason = (typeof removalReasons)[number];

/**
 * An eviction policy: finds entries by key and knows which one to give up next. It counts no bytes and evicts nothing by
 * itself; the store asks for victims until the bytes fit. So a policy can be wrong about what is worth keeping, and
 * never about the bound.
 */
export interface EvictionIndex<E extends Entry> {
  readonly size: number;
  /** Counts as a use. The hot path: no allocation. */
  get(key: string): E | undefined;
  /** Does not count as a use. */
  peek(key: string): E | undefined;
  /** Adds, or replaces what was stored under this key; counts as a use. */
  set(key: string, entry: E): void;
  delete(key: string): void;
  /** Takes out the entry to give up next, which may be the one just set; undefined only when empty. */
  evict(): E | undefined;
  clear(): void;
  /** Visits all, the ones most worth keeping first. The visitor changes nothing. */
  forEach(visit: (entry: E) => void): void;
}

/** A new, empty index; the store makes one for own entries and one for hot copies. */
export type EvictionIndexFactory = <E extends Entry>() => EvictionIndex<E>;
