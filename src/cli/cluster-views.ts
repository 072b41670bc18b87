import { joinAddress } from '../base/addresses.js';
import { formatDuration, formatSize } from '../base/units.js';
import type { WatchedEvent } from '../client/replies.js';
import type { PeerDocument } from '../ports/admin.js';
import type { KeyLocation, KeyspaceStatus, NodeStatus } from '../ports/cache.js';
import type { SourceStatus } from '../ports/source-status.js';
import { oneLine } from './failure.js';
import { properties, table } from './table.js';
import type { Sink } from './terminal.js';

/** The JSON shapes of docs that scripts rely on: fields are added, never renamed. Absent numbers are null. */

export const statusJson = (status: NodeStatus) => ({
  node: status.node,
  state: status.state,
  healthy: status.healthy,
  ready: status.ready,
  version: status.version,
  uptime_ms: status.uptimeMs,
  ring_share: status.ringShare,
  peers: status.peers,
  grpc: status.grpc,
  admin: status.admin,
  gossip: status.gossip,
  label: status.label,
  serving: status.serving,
  incarnation: status.incarnation,
  weight: status.weight,
  id: status.id,
  gossip_counts: status.gossipCounts,
});

export const keyspaceJson = (keyspace: KeyspaceStatus) => ({
  name: keyspace.name,
  max_bytes: keyspace.maxBytes,
  default_ttl_ms: keyspace.defaultTtlMs ?? null,
  negative_ttl_ms: keyspace.negativeTtlMs ?? null,
  read_timeout_ms: keyspace.readTimeoutMs,
  write_timeout_ms: keyspace.writeTimeoutMs,
  hot_share: keyspace.hotShare,
  eviction: keyspace.eviction,
  ttl_jitter: keyspace.ttlJitter,
  warm_keys: keyspace.warmKeys,
  stale_while_revalidate_ms: keyspace.staleWhileRevalidateMs ?? null,
  stale_if_error_ms: keyspace.staleIfErrorMs ?? null,
  source: keyspace.source === undefined ? null : sourceJson(keyspace.source),
  stats: keyspace.stats,
});

const sourceJson = ({ breaker, rateLimit, counts, ...source }: SourceStatus) => ({
  breaker:
    breaker === undefined
      ? null
      : {
          state: breaker.state,
          failures: breaker.failures,
          failures_max: breaker.failuresMax,
          reset_ms: breaker.resetMs,
          next_probe_in_ms: breaker.nextProbeInMs === undefined ? null : Math.ceil(breaker.nextProbeInMs),
          opened: breaker.opened,
        },
  rate_limit:
    rateLimit === undefined
      ? null
      : {
          tokens: rateLimit.tokens,
          per_second: rateLimit.perSecond,
          burst: rateLimit.burst,
          wait_ms: rateLimit.waitMs,
          waiting: rateLimit.waiting,
          next_token_in_ms: Math.ceil(rateLimit.nextTokenInMs),
        },
  running: source.running,
  max_concurrent: source.maxConcurrent,
  queued: source.queued,
  max_queued: source.maxQueued,
  load_timeout_ms: source.loadTimeoutMs,
  counts: {
    answered: counts.answered,
    failed: counts.failed,
    cancelled: counts.cancelled,
    circuit_open: counts.circuitOpen,
    rate_limited: counts.rateLimited,
    overloaded: counts.overloaded,
  },
});

/** `ratio`: the greatest share over the mean one; 1 where all own the same. */
export function locationJson(keyspace: string, key: string, { owner, replicas, nodes }: KeyLocation) {
  const [first, ...others] = nodes;
  const most = others.reduce((found, node) => (found === undefined || node.share > found.share ? node : found), first);
  const hottest = most === undefined ? null : { name: most.name, ratio: most.share * nodes.length };
  return { keyspace, key, owner, replicas, nodes, hottest };
}

type Width = Pick<Sink, 'isTerminal' | 'columns'>;

export type StatusJson = ReturnType<typeof statusJson>;
export type LocationJson = ReturnType<typeof locationJson>;
export type KeyspaceJson = ReturnType<typeof keyspaceJson>;

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;
const orDash = (text: string): string => (text === '' ? '-' : text);
const hostPort = (host: string, port: number): string => (host === '' ? '-' : joinAddress(host, port));
const yesNo = (value: boolean): string => (value ? 'yes' : 'no');

export const peersText = (peers: readonly PeerDocument[], width: Width): string =>
  table(
    peers,
    [
      { heading: 'name', cell: (peer) => `${peer.name}${peer.is_self ? ' *' : ''}` },
      { heading: 'state', cell: (peer) => peer.state },
      { heading: 'serving', cell: (peer) => yesNo(peer.serving) },
      { heading: 'grpc', cell: (peer) => hostPort(peer.bind_addr, peer.bind_port), flexible: true },
      { heading: 'gossip', cell: (peer) => (peer.gossip === 'none' ? '-' : peer.gossip) },
      { heading: 'admin', cell: (peer) => orDash(peer.admin) },
      { heading: 'share', cell: (peer) => percent(peer.ring_share) },
      { heading: 'weight', cell: (peer) => peer.weight },
      { heading: 'version', cell: (peer) => orDash(peer.version) },
      { heading: 'incarnation', cell: (peer) => peer.incarnation },
    ],
    width,
  );

export const statusText = (status: StatusJson): string =>
  properties([
    ['node', status.node],
    ['state', status.state],
    ['healthy', yesNo(status.healthy)],
    ['ready', yesNo(status.ready)],
    ['version', status.version],
    ['uptime', formatDuration(status.uptime_ms)],
    ['serving', yesNo(status.serving)],
    ['ring share', percent(status.ring_share)],
    ['weight', status.weight],
    ['incarnation', status.incarnation],
    ['peers', status.peers],
    ['grpc', status.grpc],
    ['admin', status.admin],
    ['gossip', status.gossip],
    ['label', orDash(status.label)],
    ['id', status.id],
    ...countsText(status.gossip_counts),
  ]);

/** What was dropped and why: the rest of the counts is for machines. */
const countsText = (counts: Readonly<Record<string, number>>): readonly [string, number][] =>
  Object.entries(counts)
    .filter(([name, count]) => name.includes('dropped') && count > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => [name.replaceAll('_', ' '), count]);

export const locationText = ({ owner, replicas, nodes, hottest }: LocationJson, width: Width): string =>
  [
    properties([
      ['owner', owner],
      ['replicas', replicas.join(', ') || 'none'],
      ['hottest', hottest === null ? '-' : `${hottest.name}, ${hottest.ratio.toFixed(2)} times the mean`],
    ]),
    table(
      nodes,
      [
        { heading: 'node', cell: ({ name }) => (name === owner ? `${name} *` : name), flexible: true },
        { heading: 'share', cell: ({ share }) => percent(share) },
      ],
      width,
    ),
  ].join('\n');

/** One line: time, type, node, addresses, state. */
export function eventText(event: WatchedEvent): string {
  const start = `${event.at.toISOString()} ${event.type}`;
  if ('missed' in event) return `${start} ${event.missed} events were missed here`;
  if ('from' in event) return `${start} ${oneLine(event.keyspace)} from=${event.from} to=${event.to}`;
  if ('keyspace' in event) {
    const peer = 'peer' in event ? ` in the file of ${oneLine(event.peer.name)}` : '';
    return `${start} ${oneLine(event.keyspace)}${peer}`;
  }
  if (!('peer' in event)) return `${start} to ${event.node}`;
  const { name, address, gossip, state, serving } = event.peer;
  return `${start} ${oneLine(name)} grpc=${orDash(address)} gossip=${orDash(gossip)} state=${state} serving=${yesNo(serving)}`;
}

/** Owned entries and copies of others' together; a dash where a node of another release does not tell. */
const usedText = ({ main_cache_bytes: own, hot_cache_bytes: copies = 0 }: KeyspaceJson['stats']): string =>
  own === undefined ? '-' : formatSize(own + copies);

const ttlText = (ttlMs: number | null): string => (ttlMs === null ? 'never' : formatDuration(ttlMs));

export const keyspacesText = (keyspaces: readonly KeyspaceJson[], width: Width): string =>
  table(
    keyspaces,
    [
      { heading: 'name', cell: (keyspace) => keyspace.name, flexible: true },
      { heading: 'max', cell: (keyspace) => formatSize(keyspace.max_bytes) },
      { heading: 'ttl', cell: (keyspace) => ttlText(keyspace.default_ttl_ms) },
      { heading: 'eviction', cell: (keyspace) => orDash(keyspace.eviction) },
      { heading: 'entries', cell: ({ stats }) => stats.entries ?? '-' },
      { heading: 'used', cell: ({ stats }) => usedText(stats) },
    ],
    width,
  );

const offOr = (ms: number | null): string => (ms === null ? 'off' : formatDuration(ms));

type SourceJson = ReturnType<typeof sourceJson>;

/** `undefined` of a node whose release does not tell, `null` where there is none. */
function breakerText(breaker: SourceJson['breaker'] | undefined): string {
  if (breaker === undefined) return '-';
  if (breaker === null) return 'off';
  const { state, failures, failures_max: most, reset_ms: resetMs, next_probe_in_ms: probeInMs } = breaker;
  const next = probeInMs === null ? '' : `, next probe ${probeInMs === 0 ? 'due' : `in ${formatDuration(probeInMs)}`}`;
  return `${state}, ${failures} of ${most} failures, reset ${formatDuration(resetMs)}${next}`;
}

function rateLimitText(limit: SourceJson['rate_limit'] | undefined): string {
  if (limit === undefined) return '-';
  if (limit === null) return 'off';
  return `${limit.per_second}/s, burst ${limit.burst}, wait ${formatDuration(limit.wait_ms)}, ${Math.floor(limit.tokens)} left`;
}

export const keyspaceText = (keyspace: KeyspaceJson): string =>
  properties([
    ['name', keyspace.name],
    ['max size', formatSize(keyspace.max_bytes)],
    ['default ttl', ttlText(keyspace.default_ttl_ms)],
    ['ttl jitter', keyspace.ttl_jitter === 0 ? 'off' : percent(keyspace.ttl_jitter)],
    ['negative ttl', offOr(keyspace.negative_ttl_ms)],
    ['read timeout', formatDuration(keyspace.read_timeout_ms)],
    ['write timeout', formatDuration(keyspace.write_timeout_ms)],
    ['stale while revalidate', offOr(keyspace.stale_while_revalidate_ms)],
    ['stale if error', offOr(keyspace.stale_if_error_ms)],
    ['hot share', percent(keyspace.hot_share)],
    ['eviction', orDash(keyspace.eviction)],
    ['breaker', breakerText(keyspace.source?.breaker)],
    ['rate limit', rateLimitText(keyspace.source?.rate_limit)],
    ['warm keys', keyspace.warm_keys.join(', ') || 'none'],
    ...Object.entries(keyspace.stats)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]): [string, number] => [name.replaceAll('_', ' '), value]),
  ]);
