import type { ResolvedOptions } from '../engine/options.js';
import type { ResolvedNode } from './options.js';

/** What a node runs with, as far as it can be shown: no keys, and nothing of the objects that were handed in. */
export const describeOptions = (
  { name, label, bind, discovery, gossip, minimumPeers, weight, ...times }: ResolvedNode,
  { keyspaces, limits, virtualNodes, replicas, onSplit }: ResolvedOptions,
): unknown => ({
  name: name ?? null,
  label,
  bind: bind ?? false,
  discovery: { provider: discovery.provider },
  gossip:
    gossip === undefined
      ? false
      : { port: gossip.port, transport: gossip.transport, encrypted: gossip.keys.length > 0 },
  cluster: {
    minimumPeers,
    weight,
    virtualNodes,
    replicas,
    onSplit,
    joinRetryIntervalMs: times.joinRetryIntervalMs,
    maxJoinAttempts: times.maxJoinAttempts,
    bootstrapTimeoutMs: times.bootstrapTimeoutMs,
    shutdownTimeoutMs: times.shutdownTimeoutMs,
  },
  limits,
  keyspaces: keyspaces.map(({ dataSource: _dataSource, expiresAt: _expiresAt, ...keyspace }) => keyspace),
});
