/**
 * The JSON documents of the admin endpoints, under `/_distcache/admin` unless `admin.basePath` says otherwise: what one
 * node tells of itself and of the cluster as it sees it. Fields are added, never renamed. Durations are milliseconds
 * (`_ms`), sizes bytes (`_bytes`), shares parts of one; counters only grow while a node runs (`id` and `uptime_ms` show a
 * new run), so whoever polls gets rates from two answers. What does not apply is null, never left out.
 */

/** Paths below the base path. `{name}` is a keyspace, percent-encoded. Only those listed at the base path are served. */
export const adminPaths = {
  /** GET IndexDocument */
  index: '',
  /** GET NodeDocument */
  node: '/node',
  /** GET PeersDocument */
  peers: '/peers',
  /** GET KeyspacesDocument */
  keyspaces: '/keyspaces',
  /** GET KeyspaceDocument, 404 where there is none */
  keyspace: '/keyspaces/{name}',
  /** GET HotKeysDocument; `?keyspace=` for one, `?limit=` keys of each, 20 without */
  hotKeys: '/hotkeys',
  /** GET BreakersDocument */
  breakers: '/breakers',
  /** GET RingDocument */
  ring: '/ring',
  /** GET ConfigDocument */
  config: '/config',
  /** GET server-sent events: `event:` is the type, `data:` an EventDocument */
  events: '/events',
  /** GET HealthDocument: 200 while the process can serve, else 503 */
  health: '/healthz',
  /** GET ReadyDocument: 200 when ready, else 503 */
  ready: '/readyz',
  /** GET text for Prometheus, where metrics are on */
  metrics: '/metrics',
  /** POST DeleteKeyBody, answers KeyDeletedDocument */
  deleteKey: '/keyspaces/{name}/delete',
  /** POST, answers KeyspaceClearedDocument */
  clearKeyspace: '/keyspaces/{name}/clear',
  /** POST, answers SourceDocument */
  resetBreaker: '/breakers/{name}/reset',
  /** POST, answers DrainedDocument */
  drain: '/drain',
} as const;

export const defaultAdminBasePath = '/_distcache/admin';

/** What may stand before every path: `/a/b`, in characters that no URL needs to encode. */
export const isBasePath = (path: string): boolean => /^(?:\/[\w.~-]+)+$/.test(path);

interface Told {
  /** Name of the node that tells. */
  readonly node: string;
  /** When, by its wall clock: ISO 8601. */
  readonly time: string;
}

export interface IndexDocument extends Told {
  readonly version: string;
  /** Paths that are served, with their method: `GET /_distcache/admin/peers`. */
  readonly endpoints: readonly string[];
}

/** Of the last minute or so; the totals since start. */
export interface LatencyDocument {
  readonly count: number;
  readonly total_ms: number;
  /** null: nothing was measured lately. */
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly max_ms: number | null;
}

/** One node's own summary. */
export interface NodeDocument extends Told {
  /** Of this run of the node. */
  readonly id: string;
  readonly version: string;
  readonly label: string;
  readonly state: 'starting' | 'serving' | 'draining' | 'stopped';
  readonly healthy: boolean;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly uptime_ms: number;
  /** `host:port`, or `off`. */
  readonly grpc: string;
  readonly admin: string;
  /** `host:port`, or `none`. */
  readonly gossip: string;
  readonly incarnation: number;
  readonly weight: number;
  readonly ring_share: number;
  /** Short digest of members and weights: the same on all nodes that see the same ring. */
  readonly ring_version: string;
  /** Members that serve, this node included. */
  readonly peers: number;
  /** Sums over the keyspaces, by the names of `stats`: gets, cache_hits, loads, puts and so on. */
  readonly totals: Readonly<Record<string, number>>;
  readonly latencies: {
    /** Every get; those that memory answered count as 0. */
    readonly reads: LatencyDocument;
    /** Gets that memory could not answer. */
    readonly misses: LatencyDocument;
    /** Loads from data sources. */
    readonly source_loads: LatencyDocument;
    readonly writes: LatencyDocument;
  };
  readonly memory: {
    readonly rss_bytes: number;
    readonly heap_used_bytes: number;
    readonly heap_limit_bytes: number;
    /** Buffers outside of the heap: where values lie. */
    readonly array_buffers_bytes: number;
    /** Accounted by the keyspaces, and their budgets together. */
    readonly cache_bytes: number;
    readonly cache_max_bytes: number;
  };
  /** How late the event loop was, over the last seconds. */
  readonly event_loop: { readonly lag_p50_ms: number; readonly lag_p99_ms: number; readonly lag_max_ms: number };
  /** Operations under way that are more than a look into memory. */
  readonly inflight: number;
}

export interface PeersDocument extends Told {
  readonly peers: readonly PeerDocument[];
}

export interface PeerDocument {
  readonly name: string;
  readonly state: 'alive' | 'suspect' | 'dead' | 'left' | 'draining';
  readonly is_self: boolean;
  /** '' and 0 of members that speak no gRPC. */
  readonly bind_addr: string;
  readonly bind_port: number;
  readonly discovery_port: number;
  /** `host:port`, or `off`. */
  readonly admin: string;
  readonly ring_share: number;
  readonly incarnation: number;
  readonly version: string;
  readonly id: string;
  readonly serving: boolean;
  readonly gossip: string;
  readonly weight: number;
}

export interface KeyspacesDocument extends Told {
  readonly keyspaces: readonly KeyspaceDocument[];
}

export interface KeyspaceDocument {
  readonly name: string;
  readonly max_bytes: number;
  /** As people write it: `5m`; null: entries without an expiry of their own do not expire. */
  readonly default_ttl: string | null;
  readonly default_ttl_ms: number | null;
  readonly negative_ttl_ms: number | null;
  readonly read_timeout: string;
  readonly read_timeout_ms: number;
  readonly write_timeout: string;
  readonly write_timeout_ms: number;
  readonly ttl_jitter: number;
  /** How long after its expiry an entry is served while it is loaded again, or while the source fails; null: not. */
  readonly stale_while_revalidate_ms: number | null;
  readonly stale_if_error_ms: number | null;
  readonly hot_share: number;
  readonly eviction: string;
  readonly warm_keys: readonly string[];
  /** Entries that this node owns or holds for their owners, and hot copies of others': accounted bytes. */
  readonly main_cache_bytes: number;
  readonly hot_cache_bytes: number;
  /**
   * Of this node. Counters: gets, cache_hits, peer_loads, peer_errors, loads, loads_deduped, loads_coalesced, local_loads,
   * local_load_errs, remove_keys_requests, removed_keys, evictions, expirations, removals_* (by reason) and more. Gauges:
   * entries, held_entries, main_cache_bytes, hot_cache_bytes, loads_running, loads_queued.
   */
  readonly stats: Readonly<Record<string, number>>;
}

export interface HotKeysDocument extends Told {
  readonly keyspaces: readonly HotKeyspaceDocument[];
}

export interface HotKeyspaceDocument {
  readonly name: string;
  /** All gets of the keyspace in the window, estimated as the keys' hits are. */
  readonly hits: number;
  /** How long the counts reach back, about: older gets weigh less and less. */
  readonly window_ms: number;
  /** Hottest first. */
  readonly keys: readonly HotKeyDocument[];
}

export interface HotKeyDocument {
  readonly key: string;
  /** Gets by callers of this node in the window, estimated. */
  readonly hits: number;
  /** Part of all gets of the keyspace. */
  readonly share: number;
  readonly hits_per_second: number;
  /** Name of the node that owns it. */
  readonly owner: string;
}

export interface BreakersDocument extends Told {
  /** One for each keyspace: what stands before its data source. */
  readonly sources: readonly SourceDocument[];
}

export interface SourceDocument {
  readonly keyspace: string;
  /** `off`: it has no breaker. */
  readonly state: 'closed' | 'open' | 'half-open' | 'off';
  /** Failures in a row, of how many it takes to open. */
  readonly failures: number;
  readonly failures_to_open: number | null;
  /** Of an open one: until it lets a probe through. */
  readonly next_probe_ms: number | null;
  /** Times that it opened since start. */
  readonly opened: number;
  /** null: no rate limit. */
  readonly bucket: { readonly level: number; readonly burst: number; readonly rate_per_second: number } | null;
  readonly in_flight: number;
  readonly in_flight_max: number;
  readonly queued: number;
  readonly queued_max: number;
  /** Answered and failed since start. */
  readonly loads: number;
  readonly load_errors: number;
  /** Refused since start, before the source was asked. */
  readonly refused_circuit_open: number;
  readonly refused_rate_limited: number;
  readonly refused_overloaded: number;
}

export interface RingDocument extends Told {
  /** As in NodeDocument. */
  readonly ring_version: string;
  readonly virtual_nodes: number;
  readonly replicas: number;
  /** Of all who own keys, sorted by name; the shares add up to 1. */
  readonly nodes: readonly { readonly name: string; readonly share: number; readonly weight: number }[];
  /** Who owns most, and how many times the mean. */
  readonly hottest: { readonly name: string; readonly ratio: number } | null;
}

export interface ConfigDocument extends Told {
  /** What the node runs with; keys as in the config file, units in their names. Secrets are `***`. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface EventDocument {
  readonly time: string;
  /** listening, peer-joined, peer-left, peer-failed, peer-updated, keyspace-deleted, gap, and more to come. */
  readonly type: string;
  /** Name of the node that tells. */
  readonly told_by: string;
  /** Of peer-*: whom it is about, as in PeerDocument. */
  readonly node?: string;
  readonly state?: string;
  readonly serving?: boolean;
  readonly grpc?: string;
  readonly gossip?: string;
  readonly admin?: string;
  readonly version?: string;
  readonly weight?: number;
  readonly incarnation?: number;
  readonly id?: string;
  /** Of keyspace-* and breaker-*. */
  readonly keyspace?: string;
  /** Of breaker-changed: closed, open or half-open. */
  readonly from?: string;
  readonly to?: string;
  /** Of gap: events that this client was too slow for. */
  readonly missed?: number;
}

export interface HealthDocument extends Told {
  readonly healthy: boolean;
  readonly state: NodeDocument['state'];
}

export interface ReadyDocument extends Told {
  readonly ready: boolean;
  readonly state: NodeDocument['state'];
  /** Why not: `warming up, 12 of 100 keys`; null when ready. */
  readonly reason: string | null;
}

/** Beside a status of 400 and above. */
export interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string };
}

export interface DeleteKeyBody {
  readonly key: string;
}

export interface KeyDeletedDocument extends Told {
  readonly keyspace: string;
  readonly key: string;
  readonly version: number;
  /** Names of nodes that did not confirm in time. */
  readonly unreached: readonly string[];
}

export interface KeyspaceClearedDocument extends Told {
  readonly keyspace: string;
  readonly nodes: readonly {
    readonly node: string;
    readonly outcome: 'applied' | 'unchanged' | 'failed';
    readonly error?: { readonly code: string; readonly message: string };
  }[];
}

export interface DrainedDocument extends Told {
  readonly handed_over: number;
  readonly left: number;
}
