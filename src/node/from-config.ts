import type { AdminConfig, BreakerConfig, KeyspaceConfig, NodeConfig, RateLimitConfig } from '../config/node-config.js';
import { createDataSource } from '../connectors/registry.js';
import type { KeyspaceOptions } from '../engine/options.js';
import type { BreakerOptions, RateLimitOptions } from '../engine/protection.js';
import { systemClock } from '../platform/clock.js';
import type { DataSource } from '../ports/data-source.js';
import type { Log } from '../ports/log.js';
import { discoveryOf } from './discovery-of.js';
import { Engine } from './engine.js';
import type { AdminOptions, EngineOptions } from './options.js';
import { readTls, securityOf } from './security-files.js';
import type { NodeTelemetry } from './telemetry.js';

/** Makes the engine that a config describes. Rejects with INVALID_ARGUMENT where a data source cannot work as described. */
export async function engineOf(
  config: NodeConfig,
  baseDir: string,
  logger: Log,
  telemetry?: NodeTelemetry,
): Promise<Engine> {
  const { cluster, timeouts, limits } = config;
  const keyspaces: KeyspaceOptions[] = [];
  for (const keyspace of config.keyspaces) {
    const dataSource = await dataSourceOf(keyspace, limits, baseDir, logger);
    keyspaces.push({ ...keyspaceSettings(keyspace), dataSource });
  }
  const { gossipSecrets, ...security } = await securityOf(config, baseDir);
  return new Engine({
    name: config.name,
    label: config.label,
    bind: config.bind,
    ...(config.admin === false ? {} : { admin: await adminOf(config.admin, config, baseDir, telemetry) }),
    discovery: await discoveryOf(config.discovery, baseDir),
    ...(config.gossip === false ? {} : { gossip: { ...config.gossip, secrets: gossipSecrets } }),
    cluster: {
      minimumPeers: cluster.minimumPeers,
      weight: cluster.weight,
      joinRetryInterval: cluster.joinRetryIntervalMs,
      maxJoinAttempts: cluster.maxJoinAttempts,
      bootstrapTimeout: cluster.bootstrapTimeoutMs,
      shutdownTimeout: cluster.shutdownTimeoutMs,
    },
    virtualNodes: cluster.virtualNodes,
    replicas: cluster.replicas,
    onSplit: cluster.onSplit,
    timeouts: { read: timeouts.readMs, write: timeouts.writeMs },
    limits,
    source: protectionOf(config.source),
    ...security,
    insecure: config.insecure,
    warmup: warmupOf(config.warmup),
    keyspaces,
    logger,
    meterProvider: telemetry?.meterProvider,
    tracerProvider: telemetry?.tracerProvider,
  });
}

/** Rejects with INVALID_ARGUMENT where it cannot work as described. */
export const dataSourceOf = (
  keyspace: KeyspaceConfig,
  { maxValueBytes }: NodeConfig['limits'],
  baseDir: string,
  log: Log,
): Promise<DataSource> =>
  createDataSource(keyspace.source, {
    keyspace: keyspace.name,
    baseDir,
    maxValueBytes,
    honourCacheHeaders: keyspace.defaultTtlMs === undefined,
    readTimeoutMs: keyspace.readTimeoutMs,
    clock: systemClock,
    log,
  });

/** All that a file says of a keyspace but its source. */
export const keyspaceSettings = (keyspace: KeyspaceConfig): Omit<KeyspaceOptions, 'dataSource'> => ({
  name: keyspace.name,
  maxBytes: keyspace.maxBytes,
  defaultTtl: keyspace.defaultTtlMs,
  ttlJitter: keyspace.ttlJitter,
  negativeTtl: keyspace.negativeTtlMs,
  staleWhileRevalidate: keyspace.staleWhileRevalidateMs,
  staleIfError: keyspace.staleIfErrorMs,
  rateLimit: keyspace.rateLimit && rateLimitOf(keyspace.rateLimit),
  breaker: keyspace.breaker && breakerOf(keyspace.breaker),
  batch: { maxKeys: keyspace.batch.maxKeys, window: keyspace.batch.windowMs },
  hotShare: keyspace.hotShare,
  readTimeout: keyspace.readTimeoutMs,
  writeTimeout: keyspace.writeTimeoutMs,
  eviction: keyspace.eviction,
  warmKeys: keyspace.warmKeys,
});

async function adminOf(
  admin: AdminConfig,
  config: NodeConfig,
  baseDir: string,
  telemetry: NodeTelemetry | undefined,
): Promise<AdminOptions> {
  const { addr, port, basePath, isPortFlexible, tls, token } = admin;
  return {
    addr,
    port: isPortFlexible ? undefined : port,
    basePath,
    tls: typeof tls === 'object' ? await readTls(tls, baseDir, 'admin.tls') : tls,
    token,
    describe: () => config,
    metrics: telemetry?.metricsText,
  };
}

const warmupOf = ({
  timeoutMs,
  deadlineMs,
  refreshIntervalMs,
  ...rest
}: NodeConfig['warmup']): EngineOptions['warmup'] => ({
  ...rest,
  timeout: timeoutMs,
  deadline: deadlineMs,
  refreshInterval: refreshIntervalMs,
});

function protectionOf({ rateLimit, breaker, ...places }: NodeConfig['source']): EngineOptions['source'] {
  const limit = rateLimit && rateLimitOf(rateLimit);
  return {
    ...places,
    rateLimit: limit?.rate,
    burst: limit?.burst,
    wait: limit?.wait,
    breaker: breaker && breakerOf(breaker),
  };
}

const rateLimitOf = ({ perSecond, burst, waitMs }: RateLimitConfig): RateLimitOptions => ({
  rate: perSecond,
  burst,
  wait: waitMs,
});
const breakerOf = ({ failures, resetMs }: BreakerConfig): BreakerOptions => ({ failures, reset: resetMs });
