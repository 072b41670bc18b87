import type { Snapshot } from './snapshot.js';
import { hitRatio, type Rates, servedRatio } from './track.js';

/** `dash --once --json`: fields are added, never renamed; what is not known is null. */
export function jsonOf(snapshot: Snapshot, nowMs: number) {
  const ageMs = (atMs: number | undefined): number | null =>
    atMs === undefined ? null : Math.max(0, Math.round(nowMs - atMs));
  return {
    label: snapshot.label,
    ring_versions: snapshot.ringVersions,
    data_age_ms: ageMs(snapshot.dataAtMs),
    ...ratesJson(snapshot.rates),
    nodes: snapshot.nodes.map(({ name, state, admin, grpc, version, share, rates, latest, failure, views }) => ({
      name,
      state,
      reachable: latest !== undefined && failure === undefined,
      data_age_ms: ageMs(latest?.atMs),
      error: failure?.message ?? null,
      grpc,
      admin,
      version,
      ring_share: share,
      memory_hit_ratio: (rates && hitRatio(rates)) ?? null,
      ...ratesJson(rates),
      latencies: latest?.node.latencies ?? null,
      memory: latest?.node.memory ?? null,
      event_loop: latest?.node.event_loop ?? null,
      seen_as: Object.fromEntries(views.map(({ by, state: seen }) => [by, seen])),
    })),
    keyspaces: snapshot.keyspaces.map(({ name, document, usedBytes, maxBytes, entries, rates, nodes, missingOn }) => ({
      name,
      used_bytes: usedBytes,
      max_bytes: maxBytes,
      entries,
      default_ttl_ms: document.default_ttl_ms,
      ...ratesJson(rates),
      nodes: nodes.map(({ node }) => node),
      missing_on: missingOn,
    })),
    hot_keys: snapshot.hotKeys.map(({ keyspace, key, perSecond, share, owner }) => ({
      keyspace,
      key,
      hits_per_second: perSecond,
      share,
      owner,
    })),
    sources: snapshot.sources.map(({ keyspace, state, failures, nextProbeMs, bucket, inFlight, queued, nodes }) => ({
      keyspace,
      state,
      failures,
      next_probe_ms: nextProbeMs,
      bucket,
      in_flight: inFlight,
      queued,
      nodes: Object.fromEntries(nodes.map(({ node, document }) => [node, document.state])),
    })),
  };
}

/** Per second, over the time between two polls. */
const ratesJson = (rates: Rates | undefined) => ({
  requests_per_second: rates?.requests ?? null,
  hit_ratio: (rates && servedRatio(rates)) ?? null,
  loads_per_second: rates?.sourceLoads ?? null,
  load_errors_per_second: rates?.sourceErrors ?? null,
  coalesced_per_second: rates?.coalesced ?? null,
  evictions_per_second: rates?.evictions ?? null,
});
