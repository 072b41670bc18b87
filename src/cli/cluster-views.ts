import { formatDuration, formatSize } from '../base/units.js';
import type { KeyspaceStatus, NodeStatus, PeerStatus } from '../ports/cache.js';
import { properties, table } from './table.js';
import type { Sink } from './terminal.js';

/** The JSON shapes of docs that scripts rely on: fields are added, never renamed. Absent numbers are null. */

export const peerJson = (peer: PeerStatus) => ({
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
});

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
  stats: keyspace.stats,
});

type Width = Pick<Sink, 'isTerminal' | 'columns'>;

export type PeerJson = ReturnType<typeof peerJson>;
export type StatusJson = ReturnType<typeof statusJson>;
export type KeyspaceJson = ReturnType<typeof keyspaceJson>;

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;
const orDash = (text: string): string => (text === '' ? '-' : text);
const hostPort = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

export const peersText = (peers: readonly PeerJson[], width: Width): string =>
  table(
    peers,
    [
      { heading: 'name', cell: (peer) => `${peer.name}${peer.is_self ? ' *' : ''}` },
      { heading: 'state', cell: (peer) => peer.state },
      { heading: 'grpc', cell: (peer) => hostPort(peer.bind_addr, peer.bind_port), flexible: true },
      { heading: 'gossip', cell: (peer) => (peer.discovery_port === 0 ? '-' : `:${peer.discovery_port}`) },
      { heading: 'admin', cell: (peer) => orDash(peer.admin) },
      { heading: 'share', cell: (peer) => percent(peer.ring_share) },
      { heading: 'version', cell: (peer) => orDash(peer.version) },
      { heading: 'incarnation', cell: (peer) => peer.incarnation },
    ],
    width,
  );

export const statusText = (status: StatusJson): string =>
  properties([
    ['node', status.node],
    ['state', status.state],
    ['healthy', status.healthy ? 'yes' : 'no'],
    ['ready', status.ready ? 'yes' : 'no'],
    ['version', status.version],
    ['uptime', formatDuration(status.uptime_ms)],
    ['ring share', percent(status.ring_share)],
    ['peers', status.peers],
    ['grpc', status.grpc],
    ['admin', status.admin],
    ['gossip', status.gossip],
    ['label', orDash(status.label)],
  ]);

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

export const keyspaceText = (keyspace: KeyspaceJson): string =>
  properties([
    ['name', keyspace.name],
    ['max size', formatSize(keyspace.max_bytes)],
    ['default ttl', ttlText(keyspace.default_ttl_ms)],
    ['negative ttl', keyspace.negative_ttl_ms === null ? 'off' : formatDuration(keyspace.negative_ttl_ms)],
    ['read timeout', formatDuration(keyspace.read_timeout_ms)],
    ['write timeout', formatDuration(keyspace.write_timeout_ms)],
    ['hot share', percent(keyspace.hot_share)],
    ['eviction', orDash(keyspace.eviction)],
    ...Object.entries(keyspace.stats)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]): [string, number] => [name.replaceAll('_', ' '), value]),
  ]);
