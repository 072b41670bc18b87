import type { Right } from '../access/rights.js';
import type { SourceDefinition } from '../connectors/definition.js';
import type { LogLevel } from '../ports/log.js';

export type { SourceDefinition };

/** Where something listens. Port 0 takes a free one. */
export interface Listen {
  readonly addr: string;
  readonly port: number;
}

export interface AdminConfig extends Listen {
  /** Before every path. */
  readonly basePath: string;
  /** Nobody asked for this port, so any other will do where it is taken. */
  readonly isPortFlexible: boolean;
  /** true: as `tls` says; or files of their own. */
  readonly tls: boolean | TlsConfig;
  readonly token: string | undefined;
}

export interface KeyspaceConfig {
  readonly name: string;
  readonly maxBytes: number;
  readonly eviction: string;
  /** undefined: entries without an expiry of their own do not expire. */
  readonly defaultTtlMs: number | undefined;
  /** Part of a lifetime, 0 to 1. */
  readonly ttlJitter: number;
  /** 0: "the source has no such key" is not remembered. */
  readonly negativeTtlMs: number;
  /** 0: expired entries are not served. */
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  /** undefined: as `source` says; false: none. */
  readonly rateLimit: RateLimitConfig | false | undefined;
  readonly breaker: BreakerConfig | false | undefined;
  readonly batch: { readonly maxKeys: number; readonly windowMs: number };
  /** Part of maxBytes, 0 to 0.5. */
  readonly hotShare: number;
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly warmKeys: readonly string[];
  /** As written; its relative paths start at the config file's folder. */
  readonly source: SourceDefinition;
}

export interface RateLimitConfig {
  readonly perSecond: number;
  /** undefined: loads of one second. */
  readonly burst: number | undefined;
  readonly waitMs: number;
}

export interface BreakerConfig {
  readonly failures: number;
  readonly resetMs: number;
}

export interface GossipConfig {
  /** UDP and TCP; 0 takes one that is free in both. */
  readonly port: number;
  readonly profile: 'lan' | 'local' | 'wan';
  /** How packets travel; states are exchanged over TCP in any case. */
  readonly transport: 'udp' | 'tcp';
  /** Streams go over the node's own TLS, if it has any. */
  readonly tls: boolean;
  /** Base64 of 16, 24 or 32 bytes each. The first encrypts, all decrypt; empty: gossip travels in the clear. */
  readonly secrets: readonly string[];
  /** Holds them, one a line, instead. */
  readonly secretsFile: string | undefined;
  /** Lowest, highest and current version of the delegate protocol. */
  readonly delegateVersions: readonly [min: number, max: number, current: number] | undefined;
}

export interface DnsDiscoveryConfig {
  readonly provider: 'dns';
  readonly name: string;
  /** `ip:port` of DNS servers, IPv6 in brackets; empty: those of the system. */
  readonly servers: readonly string[];
  /** Gossip port at every address found; SRV records bring their own. */
  readonly port: number;
  /** undefined: both. */
  readonly family: 'ipv4' | 'ipv6' | undefined;
  readonly intervalMs: number;
  readonly srv: boolean;
}

export interface NatsDiscoveryConfig {
  readonly provider: 'nats';
  readonly servers: readonly string[];
  readonly subject: string;
  readonly timeoutMs: number;
  /** At most one of credentialsFile, user and token is given. Paths as written, from the config file's folder. */
  readonly credentialsFile: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  /** Paths of PEM files, as written; undefined: as the servers' URLs say. */
  readonly tls:
    | { readonly ca: string | undefined; readonly cert: string | undefined; readonly key: string | undefined }
    | undefined;
}

export interface KubernetesDiscoveryConfig {
  readonly provider: 'kubernetes';
  /** undefined: the namespace that this pod runs in. */
  readonly namespace: string | undefined;
  readonly podLabels: Readonly<Record<string, string>>;
  readonly portName: string;
  /** URL, and paths as written; undefined: what a pod finds in its environment and its service account. */
  readonly apiServer: string | undefined;
  readonly tokenFile: string | undefined;
  readonly caFile: string | undefined;
}

/** Where addresses of other nodes' gossip come from, by provider. */
export type DiscoveryConfig =
  | { readonly provider: 'standalone' }
  | {
      readonly provider: 'static';
      /** `host:port` of other nodes' gossip, each once; empty: a seed that waits to be met. */
      readonly peers: readonly string[];
    }
  | DnsDiscoveryConfig
  | NatsDiscoveryConfig
  | KubernetesDiscoveryConfig;

export interface TelemetryConfig {
  readonly metrics: 'prometheus' | 'otlp' | 'none';
  /** URL; undefined only where nothing leaves over OTLP. */
  readonly otlp: string | undefined;
  readonly traces: boolean;
  /** 0 to 1. */
  readonly sampling: number;
  readonly intervalMs: number;
}

/** Paths of PEM files as written, from the config file's folder. */
export interface TlsConfig {
  /** undefined: the authorities that the machine trusts. */
  readonly ca: string | undefined;
  readonly cert: string;
  readonly key: string;
  readonly clientAuth: 'none' | 'request' | 'require';
  readonly nodeName: string;
}

export interface GrantConfig {
  readonly name: string;
  readonly allow: readonly Right[];
  /** undefined: all. */
  readonly keyspaces: readonly string[] | undefined;
}

export interface AuthConfig {
  /** Exactly one of token and tokenFile is given. */
  readonly tokens: readonly (GrantConfig & {
    readonly token: string | undefined;
    readonly tokenFile: string | undefined;
  })[];
  readonly certificates: readonly GrantConfig[];
}

/** What one node runs with: file, flags and defaults put together, every text turned into a number with its unit. */
export interface NodeConfig {
  /** undefined: `hostname-bindPort`, which is known once the port is. */
  readonly name: string | undefined;
  readonly label: string;
  readonly bind: {
    /** undefined only when `interface` is given: then that interface's address. With both, the interface must have the address. */
    readonly addr: string | undefined;
    readonly interface: string | undefined;
    readonly port: number;
  };
  /** false: no admin endpoints. */
  readonly admin: AdminConfig | false;
  /** false exactly when the provider is standalone: such a node neither listens for gossip nor looks for others. */
  readonly gossip: GossipConfig | false;
  readonly discovery: DiscoveryConfig;
  readonly cluster: {
    readonly minimumPeers: number;
    readonly weight: number;
    readonly replicas: number;
    readonly onSplit: 'serve' | 'passthrough';
    readonly virtualNodes: number;
    readonly joinRetryIntervalMs: number;
    readonly maxJoinAttempts: number;
    readonly bootstrapTimeoutMs: number;
    readonly shutdownTimeoutMs: number;
  };
  readonly timeouts: { readonly readMs: number; readonly writeMs: number; readonly keepAliveMs: number };
  readonly limits: {
    readonly maxKeyBytes: number;
    readonly maxValueBytes: number;
    readonly maxBatch: number;
    readonly maxInflight: number;
    /** undefined: a quarter of maxInflight. */
    readonly maxInflightPerClient: number | undefined;
    readonly maxInflightBytes: number;
    readonly maxConnections: number;
  };
  /** undefined: in the clear. */
  readonly tls: TlsConfig | undefined;
  readonly auth: AuthConfig;
  /** Asked for on the command line alone: listen though nothing protects the node. */
  readonly insecure: boolean;
  readonly warmup: {
    readonly maxHotKeys: number;
    readonly minHits: number;
    readonly concurrency: number;
    readonly timeoutMs: number;
    readonly deadlineMs: number;
    readonly onJoin: boolean;
    readonly onLeave: boolean;
    /** 0: none. */
    readonly refreshIntervalMs: number;
  };
  /** Of each keyspace on each node: loads in flight at once, and how many more may wait. */
  readonly source: {
    readonly maxConcurrent: number;
    readonly maxQueued: number;
    /** Of every keyspace that says nothing of its own; undefined: none. */
    readonly rateLimit: RateLimitConfig | undefined;
    readonly breaker: BreakerConfig | undefined;
  };
  readonly telemetry: TelemetryConfig;
  readonly log: {
    readonly level: LogLevel;
    /** undefined: pretty on a terminal, JSON elsewhere. */
    readonly format: 'pretty' | 'json' | undefined;
  };
  /** In the order of the file. */
  readonly keyspaces: readonly KeyspaceConfig[];
}
