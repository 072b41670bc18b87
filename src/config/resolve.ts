import type { SourceDefinition } from '../connectors/definition.js';
import { readQuery } from '../connectors/postgres-query.js';
import { parametersOf } from '../connectors/sqlite-parameters.js';
import { discoveryDoubts, discoveryFaults, discoveryOf, gossipOf, type Relation } from './discovery.js';
import type {
  AdminConfig,
  BreakerConfig,
  KeyspaceConfig,
  NodeConfig,
  RateLimitConfig,
  TelemetryConfig,
} from './node-config.js';
import { defaults } from './ranges.js';
import type { FileConfig } from './schema.js';
import { authOf, securityFaults, tlsOf } from './security.js';

const everywhere: ReadonlySet<string | undefined> = new Set(['0.0.0.0', '::', undefined]);

/** Port 0 is a fresh one each time, and one port may serve two addresses. */
const collide = (a: { addr: string | undefined; port: number }, b: typeof a): boolean =>
  a.port !== 0 && a.port === b.port && (a.addr === b.addr || everywhere.has(a.addr) || everywhere.has(b.addr));

/** Puts defaults where the file says nothing. The file has passed schema and not-yet. */
export function resolveFile(file: FileConfig): NodeConfig {
  const { bind = {}, cluster = {}, timeouts = {}, limits = {}, warmup = {}, source = {} } = file;
  const readMs = timeouts.read ?? defaults.readMs;
  const writeMs = timeouts.write ?? defaults.writeMs;
  return {
    name: file.name,
    label: file.label ?? defaults.label,
    bind: {
      addr: bind.addr ?? (bind.interface === undefined ? defaults.addr : undefined),
      interface: bind.interface,
      port: bind.port ?? defaults.bindPort,
    },
    admin: adminOf(file),
    gossip: gossipOf(file),
    discovery: discoveryOf(file),
    cluster: {
      minimumPeers: cluster.minimumPeers ?? defaults.minimumPeers,
      weight: cluster.weight ?? defaults.weight,
      replicas: cluster.replicas ?? defaults.replicas,
      onSplit: cluster.onSplit ?? defaults.onSplit,
      virtualNodes: cluster.virtualNodes ?? defaults.virtualNodes,
      joinRetryIntervalMs: cluster.joinRetryInterval ?? defaults.joinRetryIntervalMs,
      maxJoinAttempts: cluster.maxJoinAttempts ?? defaults.maxJoinAttempts,
      bootstrapTimeoutMs: cluster.bootstrapTimeout ?? defaults.bootstrapTimeoutMs,
      shutdownTimeoutMs: cluster.shutdownTimeout ?? defaults.shutdownTimeoutMs,
    },
    timeouts: { readMs, writeMs, keepAliveMs: timeouts.keepAlive ?? defaults.keepAliveMs },
    limits: {
      maxKeyBytes: limits.maxKeyBytes ?? defaults.maxKeyBytes,
      maxValueBytes: limits.maxValueBytes ?? defaults.maxValueBytes,
      maxBatch: limits.maxBatch ?? defaults.maxBatch,
      maxInflight: limits.maxInflight ?? defaults.maxInflight,
      maxInflightPerClient: limits.maxInflightPerClient,
      maxInflightBytes: limits.maxInflightBytes ?? defaults.maxInflightBytes,
      maxConnections: limits.maxConnections ?? defaults.openConnections,
    },
    tls: tlsOf(file),
    auth: authOf(file),
    insecure: false,
    warmup: {
      maxHotKeys: warmup.maxHotKeys ?? defaults.maxHotKeys,
      minHits: warmup.minHits ?? defaults.minHits,
      concurrency: warmup.concurrency ?? defaults.warmupConcurrency,
      timeoutMs: warmup.timeout ?? defaults.warmupTimeoutMs,
      deadlineMs: warmup.deadline ?? defaults.warmupDeadlineMs,
      onJoin: warmup.onJoin ?? true,
      onLeave: warmup.onLeave ?? true,
      refreshIntervalMs: warmup.refreshInterval ?? defaults.refreshIntervalMs,
    },
    source: {
      maxConcurrent: source.maxConcurrent ?? defaults.maxConcurrent,
      maxQueued: source.maxQueued ?? defaults.maxQueued,
      rateLimit:
        source.rateLimit === undefined
          ? undefined
          : rateLimitOf({ rate: source.rateLimit, burst: source.burst, wait: source.wait }),
      breaker: source.breaker && breakerOf(source.breaker),
    },
    telemetry: telemetryOf(file),
    log: { level: 'info', format: undefined },
    keyspaces: Object.entries(file.keyspaces ?? {}).map(([name, keyspace]) => ({
      name,
      maxBytes: keyspace.maxBytes,
      eviction: keyspace.eviction ?? defaults.eviction,
      defaultTtlMs: keyspace.defaultTtl,
      ttlJitter: keyspace.ttlJitter ?? defaults.ttlJitter,
      negativeTtlMs: keyspace.negativeTtl ?? 0,
      staleWhileRevalidateMs: keyspace.staleWhileRevalidate ?? 0,
      staleIfErrorMs: keyspace.staleIfError ?? 0,
      rateLimit: unlessOff(keyspace.rateLimit, rateLimitOf),
      breaker: unlessOff(keyspace.breaker, breakerOf),
      hotShare: keyspace.hotShare ?? defaults.hotShare,
      readTimeoutMs: keyspace.readTimeout ?? readMs,
      writeTimeoutMs: keyspace.writeTimeout ?? writeMs,
      batch: {
        maxKeys: keyspace.batch?.maxKeys ?? defaults.batchKeys,
        windowMs: keyspace.batch?.window ?? defaults.batchWindowMs,
      },
      warmKeys: keyspace.warmKeys ?? [],
      source: sourceOf(keyspace.source),
    })),
  };
}

type Off = false | 'none';

/** undefined: nothing was said. */
const unlessOff = <Given extends object, Made>(
  given: Given | Off | undefined,
  make: (given: Given) => Made,
): Made | false | undefined =>
  given === undefined ? undefined : given === false || given === 'none' ? false : make(given);

const rateLimitOf = ({
  rate,
  burst,
  wait = 0,
}: {
  readonly rate: number;
  readonly burst?: number | undefined;
  readonly wait?: number | undefined;
}): RateLimitConfig => ({ perSecond: rate, burst, waitMs: wait });

const breakerOf = ({ failures, reset }: { readonly failures: number; readonly reset: number }): BreakerConfig => ({
  failures,
  resetMs: reset,
});

/** The file writes durations, the definition counts milliseconds. */
function sourceOf(source: NonNullable<FileConfig['keyspaces']>[string]['source']): KeyspaceConfig['source'] {
  if (source.type !== 'postgres') return source as KeyspaceConfig['source'];
  const { statementTimeout, ...rest } = source;
  return { ...rest, statementTimeoutMs: statementTimeout };
}

const telemetryOf = ({ telemetry = {} }: FileConfig): TelemetryConfig => ({
  metrics: telemetry.metrics ?? defaults.metrics,
  otlp: telemetry.otlp,
  traces: telemetry.traces ?? false,
  sampling: telemetry.sampling ?? defaults.sampling,
  intervalMs: telemetry.interval ?? defaults.exportIntervalMs,
});

/** Telemetry that would go nowhere. */
function telemetryFaults(file: FileConfig): readonly Relation[] {
  const { metrics, otlp, traces } = telemetryOf(file);
  const path = (name: string) => ['telemetry', name];
  const needsUrl = 'needs telemetry.otlp, the URL that it goes to, such as http://127.0.0.1:4318';
  return [
    ...(metrics === 'prometheus' && file.admin === false
      ? [
          {
            path: path('metrics'),
            message: 'is prometheus, which is served at the admin endpoints, but admin is false',
          },
        ]
      : []),
    ...(metrics === 'otlp' && otlp === undefined ? [{ path: path('metrics'), message: needsUrl }] : []),
    ...(traces && otlp === undefined ? [{ path: path('traces'), message: needsUrl }] : []),
  ];
}

const adminOf = ({ admin }: FileConfig): AdminConfig | false =>
  admin === false
    ? false
    : {
        addr: admin?.addr ?? defaults.addr,
        port: admin?.port ?? defaults.adminPort,
        basePath: admin?.basePath ?? defaults.adminBasePath,
        isPortFlexible: admin?.port === undefined,
        tls: typeof admin?.tls === 'object' ? (tlsOf({ tls: admin.tls }) ?? true) : (admin?.tls ?? true),
        token: admin?.token,
      };

/** Listeners that want the same port, the later one first. */
export function portClashes({
  bind,
  admin,
  gossip,
}: Pick<NodeConfig, 'bind' | 'admin' | 'gossip'>): readonly PortClash[] {
  const listeners = [
    { of: 'bind' as const, addr: bind.addr, port: bind.port },
    ...(admin === false || admin.isPortFlexible ? [] : [{ of: 'admin' as const, ...admin }]),
    ...(gossip === false ? [] : [{ of: 'gossip' as const, addr: bind.addr, port: gossip.port }]),
  ];
  return listeners.flatMap((later, index) =>
    listeners
      .slice(0, index)
      .filter((earlier) => collide(earlier, later))
      .map((earlier) => ({ of: later.of, with: earlier.of, port: later.port })),
  );
}

export interface PortClash {
  readonly of: 'bind' | 'admin' | 'gossip';
  readonly with: 'bind' | 'admin' | 'gossip';
  readonly port: number;
}

export const clashMessage = (other: string, port: number): string =>
  `must differ from the port of ${other}, both are ${port}`;

/** What contradicts itself though each value may stand alone. */
export function contradictions(file: FileConfig): readonly Relation[] {
  const { bind } = resolveFile(file);
  const clashes = portClashes({
    bind,
    admin: adminOf(file),
    gossip: gossipOf(file),
  }).map((clash) => ({ path: [clash.of, 'port'], message: clashMessage(clash.with, clash.port) }));
  return [
    ...clashes,
    ...telemetryFaults(file),
    ...discoveryFaults(file),
    ...protectionFaults(file),
    ...queryFaults(file),
    ...securityFaults(file),
  ];
}

/** As the connectors have it, which see a query only when the node starts, and know no line. */
function queryFaults({ keyspaces = {} }: FileConfig): readonly Relation[] {
  return Object.entries(keyspaces).flatMap(([name, { source }]) => {
    const problem = queryProblem(source);
    return problem === undefined ? [] : [{ path: ['keyspaces', name, 'source', 'query'], message: problem }];
  });
}

function queryProblem(source: SourceDefinition): string | undefined {
  switch (source.type) {
    case 'sqlite': {
      const parameters = parametersOf(source.query);
      return parameters.is === 'wrong' ? parameters.problem : undefined;
    }
    case 'postgres': {
      const query = readQuery(source.query);
      return 'problem' in query ? query.problem : undefined;
    }
    default:
      return undefined;
  }
}

function protectionFaults({ source = {} }: FileConfig): readonly Relation[] {
  if (source.rateLimit !== undefined) return [];
  return (['burst', 'wait'] as const)
    .filter((field) => source[field] !== undefined)
    .map((field) => ({ path: ['source', field], message: 'has no effect without source.rateLimit; give that too' }));
}

/** What may be meant, and most likely is not. */
export function doubts(file: FileConfig, config: NodeConfig, totalMemoryBytes: number): readonly Relation[] {
  const found: Relation[] = [...discoveryDoubts(file)];
  const { discovery } = config;
  const { otlp, metrics, traces } = config.telemetry;
  if (otlp !== undefined && metrics !== 'otlp' && !traces) {
    found.push({
      path: ['telemetry', 'otlp'],
      message: 'is given, but metrics is not otlp and traces is false, so nothing goes there',
    });
  }
  const { minimumPeers } = config.cluster;
  const named = discovery.provider === 'static' ? discovery.peers.length + 1 : Number.POSITIVE_INFINITY;
  if (minimumPeers > named) {
    found.push({
      path: ['cluster', 'minimumPeers'],
      message: `is ${minimumPeers}, but only ${named} nodes are named, this one included; the node serves once others have found it`,
    });
  }
  const totalBytes = config.keyspaces.reduce((sum, { maxBytes }) => sum + maxBytes, 0);
  if (totalBytes > totalMemoryBytes) {
    found.push({ path: ['keyspaces'], message: "together may hold more bytes than this machine's memory" });
  }
  return found;
}
