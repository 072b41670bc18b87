/** The library's public door: everything an application embeds. A running cluster is reached through `distcache/client`. */

export {
  ArgumentTypeError,
  DistcacheError,
  type ErrorCode,
  errorCodes,
  type KeyFailure,
  type KeyspaceResult,
  type NodeOutcome,
  PartialFailure,
} from './base/errors.js';
export type { Duration, Size } from './base/units.js';
export type { KubernetesAccess, KubernetesOptions } from './discovery/kubernetes/options.js';
export { type DnsOptions, dnsDiscovery } from './discovery/names/dns.js';
export { type StaticOptions, staticDiscovery } from './discovery/names/static.js';
export { natsDiscovery } from './discovery/nats/discovery.js';
export type { NatsCredentials, NatsOptions } from './discovery/nats/settings.js';
export { standalone } from './discovery/standalone.js';
export type { EngineEvent } from './engine/events.js';
export type { KeyspaceOptions } from './engine/options.js';
export type { BatchOptions, BreakerOptions, ProtectionOptions, Rate, RateLimitOptions } from './engine/protection.js';
export { Engine } from './node/engine.js';
export type { EngineOptions, GossipOptions } from './node/options.js';
export { kubernetesDiscovery } from './node/pod-discovery.js';
export type {
  Cache,
  CallOptions,
  Found,
  GetOptions,
  KeyspaceStatus,
  Lookup,
  Missing,
  NodeStatus,
  PeerStatus,
  PutEntry,
  SweepResult,
  WarmOptions,
  WarmResult,
  WriteManyResult,
  WriteOptions,
  WriteResult,
} from './ports/cache.js';
export type { Cancel, Clock, Wait } from './ports/clock.js';
export type { DataSource, FetchManyResult, FetchOptions, FetchResult, Loaded } from './ports/data-source.js';
export type { Discovery, DiscoveryContext } from './ports/discovery.js';
export type { Hasher } from './ports/hasher.js';
export type { KeyspaceChanges, KeyspacePreview } from './ports/keyspace-changes.js';
export type { Log, LogLevel } from './ports/log.js';
export type { Member, MemberState } from './ports/membership.js';
export type { Outcome } from './ports/peers.js';
export type {
  BreakerStatus,
  CircuitState,
  RateLimitStatus,
  SourceCounts,
  SourceStatus,
} from './ports/source-status.js';
export type { Entry, EvictionIndex, EvictionIndexFactory } from './store/entry.js';
