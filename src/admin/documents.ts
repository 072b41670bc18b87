import { formatDuration } from '../base/units.js';
import type {
  EventDocument,
  HotKeyspaceDocument,
  KeyspaceDocument,
  LatencyDocument,
  NodeDocument,
  PeerDocument,
  RingDocument,
  SourceDocument,
} from '../ports/admin.js';
import type { ClusterEvent, HotKeyspace, KeyspaceStatus, PeerStatus } from '../ports/cache.js';
import type { AdminNode, LatencySummary, ProcessGauges, RingStatus } from '../ports/insight.js';
import type { Member } from '../ports/membership.js';
import type { SourceStatus } from '../ports/source-status.js';

/** What a node knows, in the shape of the admin endpoints and of `--json`. Names stay; absent numbers are null. */

export const peerDocument = (peer: PeerStatus): PeerDocument => ({
  name: peer.name,
  state: peer.state,
  is_self: peer.isSelf,
  bind_addr: peer.bindAddr,
  bind_port: peer.bindPort,
  discovery_port: peer.discoveryPort,
  admin: peer.admin,
  ring_share: peer.ringShare,
  incarnation: peer.incarnation,
  version: peer.version,
  id: peer.id,
  serving: peer.serving,
  gossip: peer.gossip,
  weight: peer.weight,
});

export const keyspaceDocument = (keyspace: KeyspaceStatus): KeyspaceDocument => ({
  name: keyspace.name,
  max_bytes: keyspace.maxBytes,
  default_ttl: keyspace.defaultTtlMs === undefined ? null : formatDuration(keyspace.defaultTtlMs),
  default_ttl_ms: keyspace.defaultTtlMs ?? null,
  negative_ttl_ms: keyspace.negativeTtlMs ?? null,
  read_timeout: formatDuration(keyspace.readTimeoutMs),
  read_timeout_ms: keyspace.readTimeoutMs,
  write_timeout: formatDuration(keyspace.writeTimeoutMs),
  write_timeout_ms: keyspace.writeTimeoutMs,
  ttl_jitter: keyspace.ttlJitter,
  stale_while_revalidate_ms: keyspace.staleWhileRevalidateMs ?? null,
  stale_if_error_ms: keyspace.staleIfErrorMs ?? null,
  hot_share: keyspace.hotShare,
  eviction: keyspace.eviction,
  warm_keys: keyspace.warmKeys,
  main_cache_bytes: keyspace.stats.main_cache_bytes ?? 0,
  hot_cache_bytes: keyspace.stats.hot_cache_bytes ?? 0,
  stats: keyspace.stats,
});

export const sourceDocument = (keyspace: string, source: SourceStatus): SourceDocument => {
  const { breaker, rateLimit, counts } = source;
  return {
    keyspace,
    state: breaker?.state ?? 'off',
    failures: breaker?.failures ?? 0,
    failures_to_open: breaker?.failuresMax ?? null,
    next_probe_ms: breaker?.nextProbeInMs ?? null,
    opened: breaker?.opened ?? 0,
    bucket:
      rateLimit === undefined
        ? null
        : { level: rateLimit.tokens, burst: rateLimit.burst, rate_per_second: rateLimit.perSecond },
    in_flight: source.running,
    in_flight_max: source.maxConcurrent,
    queued: source.queued,
    queued_max: source.maxQueued,
    loads: counts.answered,
    load_errors: counts.failed,
    refused_circuit_open: counts.circuitOpen,
    refused_rate_limited: counts.rateLimited,
    refused_overloaded: counts.overloaded,
  };
};

export const hotKeyspaceDocument = ({ name, hits, windowMs, keys }: HotKeyspace): HotKeyspaceDocument => ({
  name,
  hits,
  window_ms: windowMs,
  keys: keys.map(({ key, hits, share, hitsPerSecond, owner }) => ({
    key,
    hits,
    share,
    hits_per_second: hitsPerSecond,
    owner,
  })),
});

interface Share {
  readonly name: string;
  readonly share: number;
}

/** `ratio`: the greatest share over the mean one; 1 where all own the same. */
export function hottestOf(nodes: readonly Share[]): { readonly name: string; readonly ratio: number } | null {
  const [first, ...others] = nodes;
  if (first === undefined) return null;
  const most = others.reduce((found, node) => (node.share > found.share ? node : found), first);
  return { name: most.name, ratio: most.share * nodes.length };
}

export const ringDocument = ({ version, virtualNodes, replicas, nodes }: RingStatus): Untold<RingDocument> => ({
  ring_version: version,
  virtual_nodes: virtualNodes,
  replicas,
  nodes,
  hottest: hottestOf(nodes),
});

/** Without who told it, and when. */
export type Untold<Document> = Omit<Document, 'node' | 'time'>;

export const latencyDocument = ({ count, totalMs, p50Ms, p99Ms, maxMs }: LatencySummary): LatencyDocument => ({
  count,
  total_ms: totalMs,
  p50_ms: p50Ms ?? null,
  p99_ms: p99Ms ?? null,
  max_ms: maxMs ?? null,
});

/** Sums of what adds up over keyspaces, which percentiles do not. */
export function totalsOf(keyspaces: readonly Pick<KeyspaceStatus, 'stats'>[]): Readonly<Record<string, number>> {
  const totals: Record<string, number> = {};
  for (const { stats } of keyspaces) {
    for (const [name, value] of Object.entries(stats)) {
      if (!name.endsWith('_ms')) totals[name] = (totals[name] ?? 0) + value;
    }
  }
  return totals;
}

export function nodeDocument(node: AdminNode, gauges: ProcessGauges): Untold<NodeDocument> {
  const status = node.status();
  const keyspaces = node.describeKeyspaces();
  const totals = totalsOf(keyspaces);
  const { reads, misses, sourceLoads, writes } = node.insights.latencies();
  const memory = gauges.memory();
  const lag = gauges.eventLoopLag();
  return {
    id: status.id,
    version: status.version,
    label: status.label,
    state: status.state,
    healthy: status.healthy,
    ready: status.ready,
    serving: status.serving,
    uptime_ms: status.uptimeMs,
    grpc: status.grpc,
    admin: status.admin,
    gossip: status.gossip,
    incarnation: status.incarnation,
    weight: status.weight,
    ring_share: status.ringShare,
    ring_version: node.insights.ring().version,
    peers: status.peers,
    totals,
    latencies: {
      reads: latencyDocument(reads),
      misses: latencyDocument(misses),
      source_loads: latencyDocument(sourceLoads),
      writes: latencyDocument(writes),
    },
    memory: {
      rss_bytes: memory.rssBytes,
      heap_used_bytes: memory.heapUsedBytes,
      heap_limit_bytes: memory.heapLimitBytes,
      array_buffers_bytes: memory.arrayBuffersBytes,
      cache_bytes: (totals.main_cache_bytes ?? 0) + (totals.hot_cache_bytes ?? 0),
      cache_max_bytes: keyspaces.reduce((sum, { maxBytes }) => sum + maxBytes, 0),
    },
    event_loop: { lag_p50_ms: lag.p50Ms, lag_p99_ms: lag.p99Ms, lag_max_ms: lag.maxMs },
    inflight: node.insights.inflight(),
  };
}

/** Any event, and `listening`, as one node tells it. */
export const eventDocument = (
  event: ClusterEvent | { readonly type: 'listening' },
  toldBy: string,
  time: string,
): EventDocument => ({
  time,
  type: event.type,
  told_by: toldBy,
  ...('peer' in event ? memberFields(event.peer) : {}),
  ...('keyspace' in event ? { keyspace: event.keyspace } : {}),
  ...('missed' in event ? { missed: event.missed } : {}),
  ...('from' in event ? { from: event.from, to: event.to } : {}),
});

const memberFields = (peer: Member): Omit<EventDocument, 'time' | 'type' | 'told_by'> => ({
  node: peer.name,
  state: peer.state,
  serving: peer.serving,
  grpc: peer.address,
  gossip: peer.gossip || 'none',
  admin: peer.admin || 'off',
  version: peer.version,
  weight: peer.weight,
  incarnation: peer.incarnation,
  id: peer.id,
});
