/*
 * What was done to a keyspace while the cluster ran, in the form in which nodes tell each other. Each part is a register
 * whose newest writing wins, so records can be merged in any order, any number of times, with the same end on every node.
 * Where a value comes from, be it a query, a URL or the path of a module, is no part of it: that a node's own file says.
 */

/** What can be changed of a keyspace while it runs; durations in milliseconds, sizes in bytes, rates per second, shares as parts of one. */
export const tunables = [
  'maxBytes',
  'defaultTtl',
  'ttlJitter',
  'negativeTtl',
  'staleWhileRevalidate',
  'staleIfError',
  'hotShare',
  'readTimeout',
  'writeTimeout',
  'rate',
  'rateBurst',
  'rateWait',
  'breakerFailures',
  'breakerReset',
  'warmKeys',
] as const;

export type Tunable = (typeof tunables)[number];

/** null: none, as if the node's file left it out. */
export type SettingValue = number | readonly string[] | null;

/** All of them as they are in force; null: none. */
export type KeyspaceSettings = Readonly<Record<Tunable, SettingValue>>;

/** When something was written, and by whom: the later wins, and of two at the same time the one of the higher id. */
export interface Written {
  /** Hybrid logical clock. */
  readonly version: number;
  /** Id of the node that was asked for the change. */
  readonly by: string;
}

export interface Setting extends Written {
  readonly tunable: Tunable;
  /** undefined: withdrawn, each node's own file holds again. */
  readonly value: SettingValue | undefined;
}

export interface Existence extends Written {
  readonly deleted: boolean;
}

/** All entries that bore a tag, or whose key began so, were deleted at once. */
export interface Sweep {
  readonly by: 'tag' | 'prefix';
  readonly text: string;
  readonly version: number;
}

export interface KeyspaceRecord {
  readonly keyspace: string;
  /** undefined: whoever has it in their file has it. */
  readonly existence: Existence | undefined;
  /** Version of the latest clear, 0: none. Whatever is older is void, entries and answers alike. */
  readonly generation: number;
  /** Each tunable once at most. */
  readonly settings: readonly Setting[];
  /** The latest, in an order that all nodes share. */
  readonly sweeps: readonly Sweep[];
  /** Digest of what the sender's own file says of the keyspace; 0: the sender does not have it, or does not say. */
  readonly digest: number;
}
