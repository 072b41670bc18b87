import { ttlMaxMs } from '../base/lifetimes.js';
import { defaultAdminBasePath } from '../ports/admin.js';

/** Every bound and default of the config file, in the units of the resolved config. */

const day = 86_400_000;
const kib = 1024;
const mib = 1024 ** 2;

export interface Range {
  readonly min: number;
  readonly max: number;
}

export const ranges = {
  /** What a file may hold: text, parts the reader meets (aliases followed), and nesting. */
  fileBytesMax: mib,
  fileTokensMax: 250_000,
  fileNodesMax: 100_000,
  fileDepthMax: 32,
  /** All text that variables put in, together. */
  expandedCharsMax: 4 * mib,
  problemsMax: 100,

  textCharsMax: 4096,
  nameBytesMax: 128,
  labelBytesMax: 128,
  listLengthMax: 1000,

  port: { min: 0, max: 65_535 },
  /** Of somebody else, who cannot be reached at port 0. */
  remotePort: { min: 1, max: 65_535 },
  /** Longer ones are mistakes of units. */
  timeoutMs: { min: 1, max: day },
  /** As `timeoutMs`, where 0 switches something off. */
  pauseMs: { min: 0, max: day },
  ttlMs: { min: 1, max: ttlMaxMs },
  graceMs: { min: 0, max: ttlMaxMs },
  minimumPeers: { min: 1, max: 1000 },
  weight: { min: 0.1, max: 10 },
  replicas: { min: 1, max: 16 },
  virtualNodes: { min: 1, max: 4096 },
  maxJoinAttempts: { min: 1, max: 1_000_000 },
  maxKeyBytes: { min: 1, max: mib },
  maxValueBytes: { min: 1, max: 512 * mib },
  maxBatch: { min: 1, max: 1_000_000 },
  maxInflight: { min: 1, max: 10_000_000 },
  maxInflightBytes: { min: mib, max: 1024 * 1024 * mib },
  /** Of clients and nodes, at a time. */
  openConnections: { min: 1, max: 1_000_000 },
  maxConcurrent: { min: 1, max: 100_000 },
  maxQueued: { min: 0, max: 10_000_000 },
  maxConnections: { min: 1, max: 1000 },
  batchKeys: { min: 1, max: 10_000 },
  /** Longer ones are mistakes of units. */
  batchWindowMs: { min: 0, max: 1000 },
  /** The lower bound holds one entry beside its overhead; the upper one is the machine's memory. */
  maxBytesMin: kib,
  ttlJitter: { min: 0, max: 1 },
  hotShare: { min: 0, max: 0.5 },
  ratePerSecond: { min: 0.0001, max: 1e9 },
  burst: { min: 1, max: 1_000_000 },
  failures: { min: 1, max: 1_000_000 },
  maxHotKeys: { min: 1, max: 100_000 },
  minHits: { min: 1, max: 1_000_000_000 },
  /** Of metrics that are pushed. */
  exportIntervalMs: { min: 100, max: day },
  sampling: { min: 0, max: 1 },
  warmupConcurrency: { min: 1, max: 1000 },
  /** AES-128, AES-192 and AES-256. */
  gossipSecretBytes: [16, 24, 32],
  delegateVersion: { min: 0, max: 255 },
} as const;

export const defaults = {
  profile: 'lan',
  gossipTransport: 'udp',
  dnsIntervalMs: 10_000,
  natsTimeoutMs: 1000,
  podPortName: 'gossip',
  label: '',
  addr: '127.0.0.1',
  bindPort: 3320,
  adminPort: 3321,
  adminBasePath: defaultAdminBasePath,
  gossipPort: 3322,
  minimumPeers: 1,
  weight: 1,
  replicas: 1,
  onSplit: 'serve',
  virtualNodes: 512,
  joinRetryIntervalMs: 1000,
  maxJoinAttempts: 10,
  bootstrapTimeoutMs: 30_000,
  shutdownTimeoutMs: 30_000,
  maxHotKeys: 100,
  minHits: 1,
  warmupConcurrency: 4,
  warmupTimeoutMs: 2000,
  warmupDeadlineMs: 30_000,
  refreshIntervalMs: 0,
  readMs: 5000,
  writeMs: 5000,
  keepAliveMs: 300_000,
  maxKeyBytes: 4 * kib,
  maxValueBytes: 16 * mib,
  maxBatch: 10_000,
  maxInflight: 100_000,
  maxInflightBytes: 256 * mib,
  openConnections: 10_000,
  nodeName: 'distcache-node',
  clientAuth: 'require',
  maxConcurrent: 64,
  maxQueued: 10_000,
  maxConnections: 10,
  batchKeys: 100,
  batchWindowMs: 0,
  redisPort: 6379,
  eviction: 'lru',
  ttlJitter: 0,
  hotShare: 0.125,
  metrics: 'none',
  sampling: 0.1,
  exportIntervalMs: 30_000,
} as const;

export const evictions = ['lru'] as const;
export const profiles = ['lan', 'local', 'wan'] as const;
export const gossipTransports = ['udp', 'tcp'] as const;
export const providers = ['standalone', 'static', 'dns', 'nats', 'kubernetes'] as const;
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export const logFormats = ['pretty', 'json'] as const;
