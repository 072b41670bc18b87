import { DistcacheError, isErrorCode, type KeyFailure } from '../base/errors.js';
import { dateAt } from '../base/lifetimes.js';
import type {
  ClusterEvent,
  FailedLookup,
  HotKeyspace,
  KeyLocation,
  KeyspaceStatus,
  Lookup,
  NodeStatus,
  PeerStatus,
  WriteResult,
} from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import type { Member, MemberState } from '../ports/membership.js';
import type { Outcome } from '../ports/peers.js';
import type { BreakerStatus, CircuitState, RateLimitStatus, SourceStatus } from '../ports/source-status.js';
import type { distcache } from '../wire/generated/distcache.js';

// Indexed by distcache.v1.Outcome. A newer node's unknown outcome reads as a plain hit.
const outcomes: readonly Outcome[] = ['hit', 'hit', 'hot', 'load', 'stale', 'negative'];
const memberStates: readonly MemberState[] = ['alive', 'suspect', 'dead', 'left', 'draining'];
const memberStateOf = (told: string | null | undefined): MemberState =>
  memberStates.find((state) => state === told) ?? 'suspect';
const nodeStates: readonly NodeStatus['state'][] = ['starting', 'serving', 'draining', 'stopped'];

/** proto3 leaves out fields that were not set; `null` and `undefined` mean the same there. */
const optional = (value: number | null | undefined): number | undefined => value ?? undefined;

export function lookupOf(key: string, reply: distcache.v1.GetReply.$Properties, clock: Clock): Lookup {
  const staleMs = reply.staleMs ?? 0;
  const lifeMs = staleMs > 0 ? -staleMs : optional(reply.lifeMs);
  const read = {
    key,
    outcome: outcomes[reply.outcome ?? 0] ?? 'hit',
    node: reply.node ?? '',
    version: reply.version ?? 0,
    expiresAt: lifeMs !== undefined && Number.isFinite(lifeMs) ? dateAt(clock.wallMs() + lifeMs) : undefined,
  };
  if (!reply.found) return { ...read, found: false };
  const found = { ...read, found: true, value: reply.value ?? new Uint8Array() } as const;
  return read.outcome === 'stale' ? { ...found, staleMs } : found;
}

interface WireFailure {
  readonly key?: string | null;
  readonly code?: string | null;
  readonly message?: string | null;
  readonly node?: string | null;
}

/** A code of a newer release, unknown here, counts as a failing data source: not found and refusals are known to all. */
export const failureOf = (failure: WireFailure): KeyFailure => ({
  key: failure.key ?? '',
  code: isErrorCode(failure.code) ? failure.code : 'DATA_SOURCE_FAILED',
  message: failure.message ?? '',
  node: failure.node ?? '',
});

export function failedLookupOf(key: string, failure: WireFailure): FailedLookup {
  const { code, message, node } = failureOf(failure);
  return { key, error: new DistcacheError(code, message, node === '' ? {} : { node }) };
}

export const writeResultOf = (reply: distcache.v1.WriteReply.$Properties): WriteResult => ({
  version: reply.version ?? 0,
  node: reply.node ?? '',
  unreached: reply.unreached ?? [],
});

export const nodeStatusOf = (reply: distcache.v1.StatusReply): NodeStatus => ({
  node: reply.node,
  version: reply.version,
  healthy: reply.healthy,
  ready: reply.ready,
  uptimeMs: reply.uptimeMs,
  ringShare: reply.ringShare,
  peers: reply.peers,
  grpc: reply.grpc,
  admin: reply.admin,
  gossip: reply.gossip,
  state: nodeStates.find((state) => state === reply.state) ?? 'serving',
  label: reply.label,
  serving: reply.serving,
  incarnation: reply.incarnation,
  weight: reply.weight,
  id: reply.id,
  gossipCounts: { ...reply.gossipCounts },
});

export const peerStatusOf = (peer: distcache.v1.PeerStatus.$Properties): PeerStatus => ({
  id: peer.id ?? '',
  name: peer.name ?? '',
  state: memberStateOf(peer.state),
  isSelf: peer.isSelf ?? false,
  serving: peer.serving ?? false,
  bindAddr: peer.bindAddr ?? '',
  bindPort: peer.bindPort ?? 0,
  discoveryPort: peer.discoveryPort ?? 0,
  gossip: peer.gossip || 'none',
  admin: peer.admin ?? '',
  ringShare: peer.ringShare ?? 0,
  incarnation: peer.incarnation ?? 0,
  weight: peer.weight ?? 0,
  version: peer.version ?? '',
});

export const keyspaceStatusOf = (keyspace: distcache.v1.Keyspace.$Properties): KeyspaceStatus => ({
  name: keyspace.name ?? '',
  maxBytes: keyspace.maxBytes ?? 0,
  defaultTtlMs: optional(keyspace.defaultTtlMs),
  negativeTtlMs: optional(keyspace.negativeTtlMs),
  readTimeoutMs: keyspace.readTimeoutMs ?? 0,
  writeTimeoutMs: keyspace.writeTimeoutMs ?? 0,
  hotShare: keyspace.hotShare ?? 0,
  eviction: keyspace.eviction ?? '',
  warmKeys: keyspace.warmKeys ?? [],
  ttlJitter: keyspace.ttlJitter ?? 0,
  staleWhileRevalidateMs: optional(keyspace.staleWhileRevalidateMs),
  staleIfErrorMs: optional(keyspace.staleIfErrorMs),
  source: keyspace.source ? sourceStatusOf(keyspace.source) : undefined,
  stats: { ...keyspace.stats },
});

export const sourceStatusOf = (source: distcache.v1.SourceStatus.$Properties): SourceStatus => ({
  breaker: source.breaker ? breakerStatusOf(source.breaker) : undefined,
  rateLimit: source.rateLimit ? rateLimitStatusOf(source.rateLimit) : undefined,
  running: source.running ?? 0,
  maxConcurrent: source.maxConcurrent ?? 0,
  queued: source.queued ?? 0,
  maxQueued: source.maxQueued ?? 0,
  loadTimeoutMs: source.loadTimeoutMs ?? 0,
  counts: {
    answered: source.counts?.answered ?? 0,
    failed: source.counts?.failed ?? 0,
    cancelled: source.counts?.cancelled ?? 0,
    circuitOpen: source.counts?.circuitOpen ?? 0,
    rateLimited: source.counts?.rateLimited ?? 0,
    overloaded: source.counts?.overloaded ?? 0,
  },
});

/** A state of a newer release, unknown here, lets some loads pass and not all. */
const circuitStateOf = (told: string | null | undefined): CircuitState =>
  circuitStates.find((state) => state === told) ?? 'half-open';
const circuitStates: readonly CircuitState[] = ['closed', 'open', 'half-open'];

const breakerStatusOf = (breaker: distcache.v1.BreakerStatus.$Properties): BreakerStatus => ({
  state: circuitStateOf(breaker.state),
  failures: breaker.failures ?? 0,
  failuresMax: breaker.failuresMax ?? 0,
  resetMs: breaker.resetMs ?? 0,
  nextProbeInMs: optional(breaker.nextProbeInMs),
  opened: breaker.opened ?? 0,
});

const rateLimitStatusOf = (limit: distcache.v1.RateLimitStatus.$Properties): RateLimitStatus => ({
  tokens: limit.tokens ?? 0,
  perSecond: limit.perSecond ?? 0,
  burst: limit.burst ?? 0,
  waitMs: limit.waitMs ?? 0,
  waiting: limit.waiting ?? 0,
  nextTokenInMs: limit.nextTokenInMs ?? 0,
});

export const hotKeyspaceOf = (space: distcache.v1.HotKeyspace.$Properties): HotKeyspace => ({
  name: space.name ?? '',
  hits: space.hits ?? 0,
  windowMs: space.windowMs ?? 0,
  keys: (space.keys ?? []).map(({ key, hits, share, hitsPerSecond, owner }) => ({
    key: key ?? '',
    hits: hits ?? 0,
    share: share ?? 0,
    hitsPerSecond: hitsPerSecond ?? 0,
    owner: owner ?? '',
  })),
});

export const keyLocationOf = (reply: distcache.v1.LocateKeyReply): KeyLocation => ({
  owner: reply.owner,
  replicas: reply.replicas,
  nodes: reply.nodes.map(({ name, share }) => ({ name: name ?? '', share: share ?? 0 })),
});

const memberOf = (peer: distcache.v1.Member.$Properties): Member => ({
  id: peer.id ?? '',
  name: peer.name ?? '',
  address: peer.grpc ?? '',
  admin: peer.admin ?? '',
  gossip: peer.gossip ?? '',
  version: peer.version ?? '',
  weight: peer.weight ?? 0,
  incarnation: peer.incarnation ?? 0,
  state: memberStateOf(peer.state),
  serving: peer.serving ?? false,
});

/** An event as a node told it: `listening` comes first, and from there on nothing is missed without a `gap`. */
export type WatchedEvent = (ClusterEvent | { readonly type: 'listening' }) & {
  /** Name of the node that tells. */
  readonly node: string;
  /** By that node's clock. */
  readonly at: Date;
};

/** undefined: of a newer release, with a type unknown here. */
export function watchedEventOf(message: distcache.v1.Event): WatchedEvent | undefined {
  const { node, peer, keyspace, missed } = message;
  const told = { node, at: dateAt(Math.max(0, message.atMs)) };
  switch (message.type) {
    case 'listening':
      return { ...told, type: message.type };
    case 'peer-joined':
    case 'peer-left':
    case 'peer-failed':
    case 'peer-updated':
      return { ...told, type: message.type, peer: memberOf(peer ?? {}) };
    case 'keyspace-updated':
    case 'keyspace-cleared':
    case 'keyspace-added':
    case 'keyspace-deleted':
      return { ...told, type: message.type, keyspace };
    case 'breaker-changed':
      return {
        ...told,
        type: message.type,
        keyspace,
        from: circuitStateOf(message.from),
        to: circuitStateOf(message.to),
      };
    case 'keyspace-differs':
      return { ...told, type: message.type, keyspace, peer: memberOf(peer ?? {}) };
    case 'gap':
      return { ...told, type: message.type, missed };
    default:
      return undefined;
  }
}
