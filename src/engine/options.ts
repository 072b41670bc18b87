import { invalidArgument } from '../base/errors.js';
import { ttlMaxMs } from '../base/lifetimes.js';
import type { Duration, Size } from '../base/units.js';
import type { DataSource } from '../ports/data-source.js';
import type { BatchLimits } from '../source/batcher.js';
import type { RateLimits } from '../source/bucket.js';
import type { BreakerLimits } from '../source/circuit.js';
import { Checker, type OptionProblem, type Path, show } from './option-checks.js';
import {
  type BatchOptions,
  type BreakerOptions,
  batchOf,
  breakerOf,
  type ProtectionOptions,
  protectionOf,
  type RateLimitOptions,
  rateLimitOf,
} from './protection.js';
import { type ResolvedWarmup, resolveWarmup, type WarmupOptions } from './warmup-options.js';

/** A named part of the cache with a budget and a data source of its own. */
export interface KeyspaceOptions {
  readonly name: string;
  /** Budget per node for keys, values and their overhead: bytes, or text such as `64MiB`. */
  readonly maxBytes: Size;
  readonly dataSource: DataSource;
  /** When the entry of this key expires, unless the entry says so itself; undefined: `defaultTtl`. */
  readonly expiresAt?: ((key: string) => Date | undefined) | undefined;
  /** Time to live of entries without an expiry of their own: milliseconds or text such as `5m`. Unset: they do not expire. */
  readonly defaultTtl?: Duration | undefined;
  /** Part by which `defaultTtl` and `negativeTtl` are shortened at random, 0 to 1, so that entries made together do not expire together. */
  readonly ttlJitter?: number | undefined;
  /** How long "the source has no such key" is remembered. Unset or 0: not at all. */
  readonly negativeTtl?: Duration | undefined;
  /** How long after its expiry an entry may be served at once, while one load behind the answer refreshes it. Default 0. */
  readonly staleWhileRevalidate?: Duration | undefined;
  /**
   * How long after its expiry an entry may be served instead of an error, where the data source fails, takes too long, is
   * rate limited or its circuit is open. Default 0.
   */
  readonly staleIfError?: Duration | undefined;
  /** How often the data source may be asked; false: no limit, whatever the engine's default is. */
  readonly rateLimit?: RateLimitOptions | false | undefined;
  /** When the data source is left alone for a while; false: never, whatever the engine's default is. */
  readonly breaker?: BreakerOptions | false | undefined;
  /** Part of `maxBytes` for copies of other nodes' entries, 0 to 0.5. Default 0.125. */
  readonly hotShare?: number | undefined;
  readonly readTimeout?: Duration | undefined;
  readonly writeTimeout?: Duration | undefined;
  /** Name of the eviction policy. Default `lru`. */
  readonly eviction?: string | undefined;
  /** Keys loaded ahead of need, each by its owner: when a node joins or leaves. At most 1000. */
  readonly warmKeys?: readonly string[] | undefined;
  /** How loads of the same moment become one `fetchMany`, where the data source has it. */
  readonly batch?: BatchOptions | undefined;
  /** Loads of this keyspace in flight at once on one node, and how many more may wait. */
  readonly maxConcurrentLoads?: number | undefined;
  readonly maxQueuedLoads?: number | undefined;
}

export type OnSplit = 'serve' | 'passthrough';

export interface CoreOptions {
  readonly keyspaces: readonly KeyspaceOptions[];
  /** Points of each node on the ring. Default 512. Must be the same on all nodes. */
  readonly virtualNodes?: number | undefined;
  /** Nodes that keep each entry, 1 to 16: with 2, what was put survives the crash of one. Default 1. The same on all nodes. */
  readonly replicas?: number | undefined;
  /**
   * What a node does that lost sight of half of the cluster or more: `serve` goes on with whom it sees; `passthrough`
   * reads the data source, keeps nothing and refuses writes, for as long as it remembers those it lost: ten minutes.
   * Default `serve`.
   */
  readonly onSplit?: OnSplit | undefined;
  readonly timeouts?: { readonly read?: Duration | undefined; readonly write?: Duration | undefined } | undefined;
  readonly limits?:
    | {
        readonly maxKeyBytes?: Size | undefined;
        readonly maxValueBytes?: Size | undefined;
        /** Keys in one getMany, putMany or deleteMany. */
        readonly maxBatch?: number | undefined;
        /** Operations under way at once on this node, and to each peer. */
        readonly maxInflight?: number | undefined;
        /** Of them, those of one client. Default: a quarter. */
        readonly maxInflightPerClient?: number | undefined;
        /** Bytes of requests that are held, of clients and of other nodes each: on their way in and under way. Default 256 MiB. */
        readonly maxInflightBytes?: Size | undefined;
        /** Of clients and peers, at a time. Default 10,000. */
        readonly maxConnections?: number | undefined;
      }
    | undefined;
  /** Loading hot keys ahead of need. */
  readonly warmup?: WarmupOptions | undefined;
  /** Defaults for every keyspace. */
  readonly source?:
    | (ProtectionOptions & { readonly maxConcurrent?: number | undefined; readonly maxQueued?: number | undefined })
    | undefined;
}

export interface ResolvedKeyspace {
  /** What it was resolved from. */
  readonly given: KeyspaceOptions;
  readonly name: string;
  readonly maxBytes: number;
  readonly dataSource: DataSource;
  readonly expiresAt: ((key: string) => Date | undefined) | undefined;
  readonly defaultTtlMs: number;
  readonly ttlJitter: number;
  readonly negativeTtlMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  readonly rate: RateLimits | undefined;
  readonly breaker: BreakerLimits | undefined;
  readonly batch: BatchLimits;
  readonly hotShare: number;
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly eviction: string;
  readonly warmKeys: readonly string[];
  readonly maxConcurrentLoads: number;
  readonly maxQueuedLoads: number;
}

export interface EngineLimits {
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
  readonly maxBatch: number;
  readonly maxInflight: number;
  readonly maxInflightPerClient: number;
  readonly maxInflightBytes: number;
  readonly maxConnections: number;
}

export interface ResolvedOptions {
  readonly keyspaces: readonly ResolvedKeyspace[];
  /** One more keyspace, or one with other options, under the same defaults. Throws INVALID_ARGUMENT naming every problem. */
  readonly resolveKeyspace: (given: KeyspaceOptions) => ResolvedKeyspace;
  readonly virtualNodes: number;
  readonly replicas: number;
  readonly onSplit: OnSplit;
  readonly limits: EngineLimits;
  readonly warmup: ResolvedWarmup;
}

/** What surrounds the options: facts of the machine and of this build. */
export interface OptionsContext {
  readonly totalMemoryBytes: number;
  readonly evictionPolicies: readonly string[];
}

/** Smallest budget that holds an entry beside its overhead. */
const maxBytesMin = 1024;
const day = 86_400_000;
/** Longer time-outs are mistakes of units. */
const timeoutMaxMs = day;

/**
 * Checks everything at once and resolves defaults. Returns every problem found, so that a config file is mended in one
 * go; `resolveOptions` throws them as one INVALID_ARGUMENT.
 */
export function checkOptions(
  options: CoreOptions,
  context: OptionsContext,
): { readonly resolved: ResolvedOptions; readonly problems: readonly OptionProblem[] } {
  const check = new Checker();
  const maxInflight = check.count(['limits', 'maxInflight'], options.limits?.maxInflight, 100_000, 1, 10_000_000);
  const quarter = Math.ceil(maxInflight / 4);
  const limits: EngineLimits = {
    maxKeyBytes: check.size(['limits', 'maxKeyBytes'], options.limits?.maxKeyBytes, 4096, 1, 1024 ** 2),
    maxValueBytes: check.size(
      ['limits', 'maxValueBytes'],
      options.limits?.maxValueBytes,
      16 * 1024 ** 2,
      1,
      512 * 1024 ** 2,
    ),
    maxBatch: check.count(['limits', 'maxBatch'], options.limits?.maxBatch, 10_000, 1, 1_000_000),
    maxInflight,
    maxInflightPerClient: check.count(
      ['limits', 'maxInflightPerClient'],
      options.limits?.maxInflightPerClient,
      quarter,
      1,
      10_000_000,
    ),
    maxInflightBytes: check.size(
      ['limits', 'maxInflightBytes'],
      options.limits?.maxInflightBytes,
      256 * 1024 ** 2,
      1024 ** 2,
      1024 ** 4,
    ),
    maxConnections: check.count(['limits', 'maxConnections'], options.limits?.maxConnections, 10_000, 1, 1_000_000),
  };
  const readMs = check.duration(['timeouts', 'read'], options.timeouts?.read, 5000, 1, timeoutMaxMs);
  const writeMs = check.duration(['timeouts', 'write'], options.timeouts?.write, 5000, 1, timeoutMaxMs);
  const concurrent = check.count(['source', 'maxConcurrent'], options.source?.maxConcurrent, 64, 1, 100_000);
  const queued = check.count(['source', 'maxQueued'], options.source?.maxQueued, 10_000, 0, 10_000_000);
  const protection = protectionOf(check, options.source);

  const seen = new Set<string>();
  const keyspaceOf = (check: Checker, given: Partial<KeyspaceOptions>, path: Path): ResolvedKeyspace => {
    const name = given.name ?? '';
    const at = (field: string): Path => [...path, field];
    const grace = (field: Path, ms: Duration | undefined): number => check.duration(field, ms, 0, 0, ttlMaxMs);
    check.keyspaceName(at('name'), name);
    if (typeof given.dataSource?.fetch !== 'function') {
      check.problem(at('dataSource'), 'has no fetch(key, { signal }) function');
    }
    if (given.expiresAt !== undefined && typeof given.expiresAt !== 'function') {
      check.problem(at('expiresAt'), 'is not a function (key) => Date | undefined');
    }
    const eviction = given.eviction ?? 'lru';
    if (!context.evictionPolicies.includes(eviction)) {
      check.problem(at('eviction'), `is '${eviction}', must be one of: ${context.evictionPolicies.join(', ')}`);
    }
    return {
      given: given as KeyspaceOptions,
      name,
      maxBytes: check.size(at('maxBytes'), given.maxBytes, undefined, maxBytesMin, context.totalMemoryBytes),
      dataSource: given.dataSource ?? { fetch: () => null },
      expiresAt: given.expiresAt,
      defaultTtlMs: check.duration(at('defaultTtl'), given.defaultTtl, Number.POSITIVE_INFINITY, 1, ttlMaxMs),
      ttlJitter: check.share(at('ttlJitter'), given.ttlJitter, 0, 1),
      negativeTtlMs: check.duration(at('negativeTtl'), given.negativeTtl, 0, 0, ttlMaxMs),
      staleWhileRevalidateMs: grace(at('staleWhileRevalidate'), given.staleWhileRevalidate),
      staleIfErrorMs: grace(at('staleIfError'), given.staleIfError),
      rate: rateLimitOf(check, at('rateLimit'), given.rateLimit, protection.rate),
      batch: batchOf(check, at('batch'), given.batch),
      breaker: breakerOf(check, at('breaker'), given.breaker, protection.breaker),
      hotShare: check.share(at('hotShare'), given.hotShare, 0.125, 0.5),
      readTimeoutMs: check.duration(at('readTimeout'), given.readTimeout, readMs, 1, timeoutMaxMs),
      writeTimeoutMs: check.duration(at('writeTimeout'), given.writeTimeout, writeMs, 1, timeoutMaxMs),
      eviction,
      warmKeys: check.keys(at('warmKeys'), given.warmKeys, limits.maxKeyBytes),
      maxConcurrentLoads: check.count(at('maxConcurrentLoads'), given.maxConcurrentLoads, concurrent, 1, 100_000),
      maxQueuedLoads: check.count(at('maxQueuedLoads'), given.maxQueuedLoads, queued, 0, 10_000_000),
    };
  };
  const keyspaces = options.keyspaces.map((listed, index) => {
    const path = ['keyspaces', index];
    if (listed === null || typeof listed !== 'object') {
      check.problem(path, `is ${String(listed)}, must be an object { name, maxBytes, dataSource }`);
    }
    const name = listed?.name ?? '';
    if (name !== '' && seen.has(name)) check.problem([...path, 'name'], `'${name}' is the name of two keyspaces`);
    seen.add(name);
    return keyspaceOf(check, listed ?? {}, path);
  });
  const resolveKeyspace = (given: KeyspaceOptions): ResolvedKeyspace => {
    const own = new Checker();
    const resolved = keyspaceOf(own, given, []);
    throwProblems(own.problems);
    return resolved;
  };
  const virtualNodes = check.count(['virtualNodes'], options.virtualNodes, 512, 1, 4096);
  const replicas = check.count(['replicas'], options.replicas, 1, 1, 16);
  const onSplit = options.onSplit ?? 'serve';
  if (onSplit !== 'serve' && onSplit !== 'passthrough') {
    check.problem(['onSplit'], `is ${show(onSplit)}, must be one of: serve, passthrough`);
  }
  const warmup = resolveWarmup(options.warmup, check);
  return {
    resolved: { keyspaces, resolveKeyspace, virtualNodes, replicas, onSplit, limits, warmup },
    problems: check.problems,
  };
}

/** Throws INVALID_ARGUMENT naming every problem. */
export function resolveOptions(options: CoreOptions, context: OptionsContext): ResolvedOptions {
  if (options === null || typeof options !== 'object' || !Array.isArray(options.keyspaces)) {
    throw invalidArgument('keyspaces is not an array; an engine needs { keyspaces: [{ name, maxBytes, dataSource }] }');
  }
  const { resolved, problems } = checkOptions(options, context);
  throwProblems(problems);
  return resolved;
}

function throwProblems(problems: readonly OptionProblem[]): void {
  if (problems.length === 0) return;
  throw invalidArgument(problems.map(({ path, message }) => `${pathText(path)} ${message}`).join('; '));
}

/** `keyspaces[0].maxBytes` */
export const pathText = (path: Path): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  );
