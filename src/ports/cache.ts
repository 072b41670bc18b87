import type { DistcacheError, KeyFailure, KeyspaceResult } from '../base/errors.js';
import type { KeyspaceChanges, KeyspacePreview } from './keyspace-changes.js';
import type { Member, MemberState } from './membership.js';
import type { Ack, Outcome } from './peers.js';
import type { CircuitState, SourceStatus } from './source-status.js';

/** Of every operation: both ends of a wait. Without `timeoutMs` the keyspace's own time-out holds. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface GetOptions extends CallOptions {
  /** Lends the stored bytes instead of a copy. The caller promises not to write into them. */
  readonly shared?: boolean | undefined;
  /** Answers with this version or a newer one, never with an older: the `version` of a write or an earlier read. */
  readonly minVersion?: number | undefined;
  /**
   * `owner`: the key's owner answers, never a copy, and the read fails with PEER_UNREACHABLE where the owner cannot be
   * reached. Linearizable with writes while the ring stands still. Default `cached`.
   */
  readonly consistency?: 'cached' | 'owner' | undefined;
}

export interface WriteOptions extends CallOptions {
  /**
   * `applied` (default): the answer waits until no node can serve an older value any more. `owner`: it comes once the
   * owner has the change; other nodes may serve an older copy for as long as a message, or a lease, lasts.
   */
  readonly ack?: Ack | undefined;
}

interface Read {
  readonly key: string;
  readonly outcome: Outcome;
  /** Name of the node whose memory or source answered. */
  readonly node: string;
  /**
   * Hybrid logical clock of the write or load that made the entry; grows with every change of a key. 0: the value was read
   * from the data source beside the cache, as the key's owner was out of reach, and belongs to no entry.
   */
  readonly version: number;
  /** When the entry expires by this machine's wall clock; undefined: never. Past where the outcome is `stale`. */
  readonly expiresAt: Date | undefined;
}

export interface Found extends Read {
  readonly found: true;
  readonly value: Uint8Array;
  /** Milliseconds since it expired; undefined where the outcome is not `stale`. */
  readonly staleMs?: number | undefined;
}

export interface Missing extends Read {
  readonly found: false;
  readonly value?: undefined;
}

export type Lookup = Found | Missing;

/** A key of a batch that could not be read; `PartialFailure` carries these beside the lookups that went well. */
export interface FailedLookup {
  readonly key: string;
  readonly error: DistcacheError;
}

export interface PutEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /**
   * Time to live in milliseconds: above zero and at most 36500 days, or Infinity to never expire. Without this and
   * `expiresAt` the keyspace's default.
   */
  readonly ttlMs?: number | undefined;
  /** Lies ahead; from 36500 days on it counts as that far. */
  readonly expiresAt?: Date | undefined;
  /** Names by which it is deleted together with others: at most 16, of 1 to 128 bytes. See `deleteByTag`. */
  readonly tags?: readonly string[] | undefined;
}

export interface WriteResult {
  readonly version: number;
  /** Name of the owner that gave the version. */
  readonly node: string;
  /** Names of the nodes that did not confirm in time and may answer with the older value for a while. Empty when all did. */
  readonly unreached: readonly string[];
}

/** What a delete by tag or prefix came to. */
export interface SweepResult {
  readonly version: number;
  /** Entries that their owners had. */
  readonly removed: number;
  /** Names of the nodes that did not confirm in time and may answer with what they have for a while. */
  readonly unreached: readonly string[];
}

export interface WriteManyResult {
  readonly written: number;
  readonly unreached: readonly string[];
}

/** What a drain came to. Entries that were not handed over are asked for by their new owners while the node stays up. */
export interface DrainResult {
  readonly handedOver: number;
  readonly left: number;
}

export interface NodeStatus {
  readonly node: string;
  readonly version: string;
  readonly healthy: boolean;
  readonly ready: boolean;
  readonly uptimeMs: number;
  readonly ringShare: number;
  /** Members that serve, this node included. */
  readonly peers: number;
  /** `host:port`, or 'off'. */
  readonly grpc: string;
  readonly admin: string;
  /** `host:port`, or 'none'. */
  readonly gossip: string;
  readonly state: 'starting' | 'serving' | 'draining' | 'stopped';
  readonly label: string;
  /** It answers for keys. */
  readonly serving: boolean;
  readonly incarnation: number;
  /** Its part of the ring relative to others; 1 is normal. */
  readonly weight: number;
  /** Of this run of the node. */
  readonly id: string;
  /** What its gossip counted since start, by snake_case name: packets, probes, and what was dropped for which reason. */
  readonly gossipCounts: Readonly<Record<string, number>>;
}

export interface PeerStatus {
  readonly id: string;
  readonly name: string;
  readonly state: MemberState;
  readonly isSelf: boolean;
  /** It answers for keys. */
  readonly serving: boolean;
  /** '' and port 0 of members that speak no gRPC. */
  readonly bindAddr: string;
  readonly bindPort: number;
  /** 0 where there is no gossip. */
  readonly discoveryPort: number;
  /** `host:port`, or 'none'. */
  readonly gossip: string;
  readonly admin: string;
  /** Part of the key space it owns, 0 to 1. */
  readonly ringShare: number;
  readonly incarnation: number;
  readonly weight: number;
  readonly version: string;
}

/** Who holds a key, and how the ring is shared out, as one node sees it. */
export interface KeyLocation {
  readonly owner: string;
  /** Names of the nodes that keep the entry beside the owner. */
  readonly replicas: readonly string[];
  /** Of all who own keys, sorted by name; the shares add up to 1. */
  readonly nodes: readonly { readonly name: string; readonly share: number }[];
}

/** Of a keyspace on the node that tells. */
export const keyspaceEventTypes = [
  'keyspace-updated',
  'keyspace-cleared',
  'keyspace-added',
  'keyspace-deleted',
] as const;
export type KeyspaceEventType = (typeof keyspaceEventTypes)[number];

/** What happens in the cluster, as one node sees it. */
export type ClusterEvent =
  | { readonly type: 'peer-joined' | 'peer-left' | 'peer-failed' | 'peer-updated'; readonly peer: Member }
  | { readonly type: KeyspaceEventType; readonly keyspace: string }
  /** The files of this node and of the one named say different things of a keyspace. */
  | { readonly type: 'keyspace-differs'; readonly keyspace: string; readonly peer: Member }
  /** The circuit before a keyspace's data source, on the node that tells. */
  | {
      readonly type: 'breaker-changed';
      readonly keyspace: string;
      readonly from: CircuitState;
      readonly to: CircuitState;
    }
  /** Whoever follows was too slow: so many events are missing here. */
  | { readonly type: 'gap'; readonly missed: number };

export interface KeyspaceStatus {
  readonly name: string;
  readonly maxBytes: number;
  /** undefined: entries without an expiry of their own do not expire. */
  readonly defaultTtlMs: number | undefined;
  readonly negativeTtlMs: number | undefined;
  /** Part by which lifetimes are shortened at random, 0 to 1. */
  readonly ttlJitter: number;
  /** undefined: expired entries are not served. */
  readonly staleWhileRevalidateMs: number | undefined;
  readonly staleIfErrorMs: number | undefined;
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  /** Part of maxBytes for copies of other nodes' entries, 0 to 1. */
  readonly hotShare: number;
  readonly eviction: string;
  /** Loaded ahead of need by whoever owns them. */
  readonly warmKeys: readonly string[];
  /** What stands before the data source on the node that was asked; undefined where it is of a release that does not tell. */
  readonly source: SourceStatus | undefined;
  /** Counters and gauges of the node that was asked, in snake_case. */
  readonly stats: Readonly<Record<string, number>>;
}

/** The keys of a keyspace that callers of one node, or of all, ask for most. */
export interface HotKeyspace {
  readonly name: string;
  /** All gets in the window, estimated as those of the keys are; older ones weigh less. */
  readonly hits: number;
  /** The hits are those of so long a time at the rate of now. */
  readonly windowMs: number;
  /** Hottest first. */
  readonly keys: readonly HotKeyStatus[];
}

export interface HotKeyStatus {
  readonly key: string;
  readonly hits: number;
  /** Part of all gets of the keyspace, 0 to 1. */
  readonly share: number;
  readonly hitsPerSecond: number;
  /** Name of the node that owns it. */
  readonly owner: string;
}

export interface HotKeysOptions {
  /** undefined: all keyspaces. */
  readonly keyspace?: string | undefined;
  /** Keys of each keyspace. Default 20. */
  readonly limit?: number | undefined;
}

export interface WarmOptions extends CallOptions {
  /** Loads at once. Default: `warmup.concurrency`. */
  readonly concurrency?: number | undefined;
  /** For each key. Default: `warmup.timeout`. */
  readonly keyTimeoutMs?: number | undefined;
}

/** What loading keys ahead of need came to. The three numbers and the failures add up to the keys, each counted once. */
export interface WarmResult {
  /** Loaded from the data source now. */
  readonly loaded: number;
  /** In some node's memory already. */
  readonly held: number;
  /** The data source has no such key. */
  readonly missing: number;
  readonly failures: readonly KeyFailure[];
}

/**
 * What a node does for its callers. The engine offers it in the process, the gRPC server to other processes, the client
 * over the network. `getMany` keeps the order of its keys; a missing key is an answer there, and NOT_FOUND from `get`.
 */
export interface Cache {
  get(keyspace: string, key: string, options?: GetOptions): Promise<Found>;
  getMany(keyspace: string, keys: readonly string[], options?: GetOptions): Promise<readonly Lookup[]>;
  put(keyspace: string, entry: PutEntry, options?: WriteOptions): Promise<WriteResult>;
  putMany(keyspace: string, entries: readonly PutEntry[], options?: WriteOptions): Promise<WriteManyResult>;
  delete(keyspace: string, key: string, options?: WriteOptions): Promise<WriteResult>;
  deleteMany(keyspace: string, keys: readonly string[], options?: WriteOptions): Promise<WriteManyResult>;
  /**
   * Deletes all entries that bear a tag, on every node, with one message to each; loads under way too. Once it has resolved
   * no node answers with any of them, but for those that `unreached` names.
   */
  deleteByTag(keyspace: string, tag: string, options?: CallOptions): Promise<SweepResult>;
  /** The same of all entries whose key begins with `prefix`. */
  deleteByPrefix(keyspace: string, prefix: string, options?: CallOptions): Promise<SweepResult>;
}

/** The same, with a missing key as an answer and failures beside answers: what servers build replies from. */
export interface CacheService extends Cache {
  /** As `get`, but a missing key is an answer. */
  lookup(keyspace: string, key: string, options?: GetOptions): Promise<Lookup>;
  /** As `getMany`, but a key that failed is an element too. Rejects only where the whole batch is refused. */
  lookupMany(
    keyspace: string,
    keys: readonly string[],
    options?: GetOptions,
  ): Promise<readonly (Lookup | FailedLookup)[]>;
  /**
   * Takes the node out of the ring and hands what it holds to the owners to come; it goes on answering, and tells what
   * it handed over. Rejects with TIMEOUT when that takes longer than `timeoutMs` (default: the shutdown time-out).
   */
  drain(options?: CallOptions): Promise<DrainResult>;
  status(): NodeStatus;
  peers(): readonly PeerStatus[];
  describeKeyspaces(): readonly KeyspaceStatus[];
  /** Rejects with KEYSPACE_NOT_FOUND. */
  describeKeyspace(name: string): KeyspaceStatus;
  /**
   * Loads keys ahead of need, each by its owner. What could not be loaded is listed; rejects only where the whole is refused.
   * Keys that are not done at the end of the call's time fail with TIMEOUT.
   */
  warm(keyspace: string, keys: readonly string[], options?: WarmOptions): Promise<WarmResult>;
  /** As callers of this node ask. Throws KEYSPACE_NOT_FOUND. */
  hotKeys(options?: HotKeysOptions): readonly HotKeyspace[];
  /**
   * Changes of a keyspace on every node. Each rejects with PARTIAL_FAILURE where a node could not be told, which has the
   * results of all nodes.
   */
  updateKeyspace(name: string, changes: KeyspaceChanges, options?: CallOptions): Promise<KeyspaceResult>;
  clearKeyspace(name: string, options?: CallOptions): Promise<KeyspaceResult>;
  deleteKeyspaces(names: readonly string[], options?: CallOptions): Promise<readonly KeyspaceResult[]>;
  /** What `updateKeyspace` would change here; nothing is changed. */
  previewKeyspace(name: string, changes: KeyspaceChanges): KeyspacePreview;
  /** Throws KEYSPACE_NOT_FOUND, and NOT_STARTED while the node does not serve. */
  locate(keyspace: string, key: string): KeyLocation;
  /** From this call on, until the node stops or `signal` aborts. Throws OVERLOADED where too many follow already. */
  events(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<ClusterEvent>;
}
