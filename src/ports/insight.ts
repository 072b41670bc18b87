import type { CacheService, NodeStatus } from './cache.js';
import type { SourceStatus } from './source-status.js';

/** What a node tells of itself beyond what its callers need: for admin endpoints, telemetry and the dashboard. */

/** Durations of the last minute or less, as percentiles that are at most 9 % too high; the totals are since start. */
export interface LatencySummary {
  readonly count: number;
  readonly totalMs: number;
  /** undefined: nothing was measured lately. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly maxMs: number | undefined;
}

export interface Latencies {
  /** Every get of callers on this node; those that memory answered count as 0. */
  readonly reads: LatencySummary;
  /** Gets that memory could not answer. */
  readonly misses: LatencySummary;
  readonly sourceLoads: LatencySummary;
  readonly writes: LatencySummary;
}

export interface RingStatus {
  /** The same on all nodes that see the same ring. */
  readonly version: string;
  readonly virtualNodes: number;
  readonly replicas: number;
  /** Of all who own keys, sorted by name; the shares add up to 1. */
  readonly nodes: readonly { readonly name: string; readonly share: number; readonly weight: number }[];
}

export interface Readiness {
  readonly state: NodeStatus['state'];
  readonly ready: boolean;
  /** Why not; undefined when ready. */
  readonly reason: string | undefined;
}

export interface NodeInsights {
  latencies(): Latencies;
  /** What stands before each data source, by keyspace. */
  sources(): ReadonlyMap<string, SourceStatus>;
  ring(): RingStatus;
  /** Operations under way that are more than a look into memory. */
  inflight(): number;
  readiness(): Readiness;
}

/** A node as its admin endpoints see it. */
export interface AdminNode
  extends Pick<
    CacheService,
    | 'status'
    | 'hotKeys'
    | 'peers'
    | 'describeKeyspaces'
    | 'describeKeyspace'
    | 'delete'
    | 'clearKeyspace'
    | 'drain'
    | 'events'
  > {
  readonly insights: NodeInsights;
  /** Closes the circuit before a keyspace's data source. Throws KEYSPACE_NOT_FOUND. */
  resetBreaker(keyspace: string): void;
}

/** Metrics in a text format, with its content type. */
export type MetricsText = () => Promise<{ readonly text: string; readonly contentType: string }>;

/** The process that a node runs in, and how late its event loop is. */
export interface ProcessGauges {
  memory(): {
    readonly rssBytes: number;
    readonly heapUsedBytes: number;
    readonly heapLimitBytes: number;
    readonly arrayBuffersBytes: number;
  };
  /** Of the last ten seconds or so. */
  eventLoopLag(): { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
}
