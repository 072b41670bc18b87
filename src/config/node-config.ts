import type { SourceDefinition } from '../connectors/definition.js';
import type { LogLevel } from '../ports/log.js';

export type { SourceDefinition };

/** Where something listens. Port 0 takes a free one. */
export interface Listen {
  readonly addr: string;
  readonly port: number;
}

export interface KeyspaceConfig {
  readonly name: string;
  readonly maxBytes: number;
  readonly eviction: string;
  /** undefined: entries without an expiry of their own do not expire. */
  readonly defaultTtlMs: number | undefined;
  /** Part of a lifetime, 0 to 1. */
  readonly ttlJitter: number;
  /** 0: "the source has no such key" is not remembered. */
  readonly negativeTtlMs: number;
  /** Part of maxBytes, 0 to 0.5. */
  readonly hotShare: number;
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  /** As written; its relative paths start at the config file's folder. */
  readonly source: SourceDefinition;
}

/** What one node runs with: file, flags and defaults put together, every text turned into a number with its unit. */
export interface NodeConfig {
  /** undefined: `hostname-bindPort`, which is known once the port is. */
  readonly name: string | undefined;
  readonly label: string;
  readonly bind: {
    /** undefined only when `interface` is given: then that interface's address. With both, the interface must have the address. */
    readonly addr: string | undefined;
    readonly interface: string | undefined;
    readonly port: number;
  };
  /** false: no admin endpoints, which is what this release has. */
  readonly admin: Listen | false;
  /** false: no gossip, which is what this release has. */
  readonly gossip: { readonly port: number } | false;
  readonly discovery: {
    readonly provider: 'standalone' | 'static';
    /** `host:port` of other nodes, each once. */
    readonly peers: readonly string[];
  };
  readonly cluster: {
    readonly minimumPeers: number;
    readonly replicas: number;
    readonly virtualNodes: number;
    readonly joinRetryIntervalMs: number;
    readonly maxJoinAttempts: number;
    readonly bootstrapTimeoutMs: number;
    readonly shutdownTimeoutMs: number;
  };
  readonly timeouts: { readonly readMs: number; readonly writeMs: number; readonly keepAliveMs: number };
  readonly limits: {
    readonly maxKeyBytes: number;
    readonly maxValueBytes: number;
    readonly maxBatch: number;
    readonly maxInflight: number;
  };
  /** Of each keyspace on each node: loads in flight at once, and how many more may wait. */
  readonly source: { readonly maxConcurrent: number; readonly maxQueued: number };
  readonly log: {
    readonly level: LogLevel;
    /** undefined: pretty on a terminal, JSON elsewhere. */
    readonly format: 'pretty' | 'json' | undefined;
  };
  /** In the order of the file. */
  readonly keyspaces: readonly KeyspaceConfig[];
}
