import type {
  BreakersDocument,
  HotKeysDocument,
  KeyspaceDocument,
  KeyspacesDocument,
  LatencyDocument,
  NodeDocument,
  PeerDocument,
  PeersDocument,
  SourceDocument,
} from '../../src/ports/admin.js';

/** One node of a made-up cluster, as its admin documents tell it. */
export interface MadeNode {
  readonly name: string;
  readonly admin?: string;
  readonly state?: PeerDocument['state'];
  readonly id?: string;
}

export interface MadeCluster {
  readonly nodes: readonly MadeNode[];
  readonly keyspaces: readonly string[];
  /** Seconds that the nodes have run: all counters grow with it. */
  readonly seconds: number;
  readonly label?: string;
  readonly ringVersion?: (node: string) => string;
  readonly hotKeys?: readonly { readonly keyspace: string; readonly key: string; readonly perSecond: number }[];
  readonly source?: (keyspace: string, node: string) => Partial<SourceDocument>;
}

export interface MadeDocuments {
  readonly node: NodeDocument;
  readonly peers: PeersDocument;
  readonly keyspaces: KeyspacesDocument;
  readonly hotKeys: HotKeysDocument;
  readonly breakers: BreakersDocument;
}

const MiB = 1024 ** 2;
const time = '2026-01-01T00:00:00.000Z';
const latency = (p99: number): LatencyDocument => ({
  count: 10,
  total_ms: 10,
  p50_ms: 0,
  p99_ms: p99,
  max_ms: p99 * 2,
});

/** What each keyspace counts on each node in a second: 100 reads, 80 of them from memory, 10 asked by other nodes, 5 loads. */
const statsAfter = (seconds: number): Readonly<Record<string, number>> => ({
  gets: 100 * seconds,
  cache_hits: 80 * seconds,
  loads: 20 * seconds,
  server_requests: 10 * seconds,
  local_loads: 4 * seconds,
  local_load_errs: seconds,
  loads_coalesced: 2 * seconds,
  puts: 3 * seconds,
  deletes: seconds,
  evictions: 6 * seconds,
  expirations: 2 * seconds,
  entries: 1000,
});

function keyspaceDocument(name: string, seconds: number): KeyspaceDocument {
  return {
    name,
    max_bytes: 64 * MiB,
    default_ttl: '5m',
    default_ttl_ms: 300_000,
    negative_ttl_ms: 10_000,
    read_timeout: '5s',
    read_timeout_ms: 5_000,
    write_timeout: '5s',
    write_timeout_ms: 5_000,
    ttl_jitter: 0,
    stale_while_revalidate_ms: null,
    stale_if_error_ms: null,
    hot_share: 0.25,
    eviction: 'lru',
    warm_keys: [],
    main_cache_bytes: 24 * MiB,
    hot_cache_bytes: 8 * MiB,
    stats: statsAfter(seconds),
  };
}

export function documentsOf(cluster: MadeCluster, name: string): MadeDocuments {
  const { nodes, keyspaces, seconds } = cluster;
  const told = { node: name, time };
  const self = nodes.find((node) => node.name === name)!;
  const share = 1 / nodes.length;
  const totals = statsAfter(seconds * keyspaces.length);
  const ring_version = cluster.ringVersion?.(name) ?? '7f3a91';
  return {
    node: {
      ...told,
      id: self.id ?? `id-${name}`,
      version: '0.1.0',
      label: cluster.label ?? 'production',
      state: self.state === 'draining' ? 'draining' : 'serving',
      healthy: true,
      ready: true,
      serving: true,
      uptime_ms: seconds * 1000,
      grpc: '127.0.0.1:3320',
      admin: self.admin ?? 'off',
      gossip: '127.0.0.1:3322',
      incarnation: 1,
      weight: 1,
      ring_share: share,
      ring_version,
      peers: nodes.length,
      totals,
      latencies: { reads: latency(0.42), misses: latency(3.1), source_loads: latency(12), writes: latency(2) },
      memory: {
        rss_bytes: 180 * MiB,
        heap_used_bytes: 40 * MiB,
        heap_limit_bytes: 2048 * MiB,
        array_buffers_bytes: 60 * MiB,
        cache_bytes: 32 * MiB * keyspaces.length,
        cache_max_bytes: 64 * MiB * keyspaces.length,
      },
      event_loop: { lag_p50_ms: 0.1, lag_p99_ms: 1.4, lag_max_ms: 9 },
      inflight: 3,
    },
    peers: {
      ...told,
      peers: nodes.map((node) => ({
        name: node.name,
        state: node.state ?? 'alive',
        is_self: node.name === name,
        bind_addr: '127.0.0.1',
        bind_port: 3320,
        discovery_port: 3322,
        admin: node.admin ?? 'off',
        ring_share: share,
        incarnation: 1,
        version: '0.1.0',
        id: node.id ?? `id-${node.name}`,
        serving: true,
        gossip: '127.0.0.1:3322',
        weight: 1,
      })),
    },
    keyspaces: { ...told, keyspaces: keyspaces.map((keyspace) => keyspaceDocument(keyspace, seconds)) },
    hotKeys: {
      ...told,
      keyspaces: keyspaces.map((keyspace) => {
        const keys = (cluster.hotKeys ?? []).filter((hot) => hot.keyspace === keyspace);
        return {
          name: keyspace,
          hits: 1000,
          window_ms: 60_000,
          keys: keys.map(({ key, perSecond }) => ({
            key,
            hits: perSecond,
            share: perSecond / 1000,
            hits_per_second: perSecond,
            owner: nodes[0]!.name,
          })),
        };
      }),
    },
    breakers: {
      ...told,
      sources: keyspaces.map((keyspace) => ({
        keyspace,
        state: 'closed',
        failures: 0,
        failures_to_open: 5,
        next_probe_ms: null,
        opened: 0,
        bucket: { level: 80, burst: 100, rate_per_second: 100 },
        in_flight: 2,
        in_flight_max: 64,
        queued: 0,
        queued_max: 1000,
        loads: 4 * seconds,
        load_errors: seconds,
        refused_circuit_open: 0,
        refused_rate_limited: 0,
        refused_overloaded: 0,
        ...cluster.source?.(keyspace, name),
      })),
    },
  };
}

export const namesOf = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${String(index + 1).padStart(String(count).length, '0')}`);
