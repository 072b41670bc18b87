import { invalidArgument } from '../base/errors.js';
import type { HotKeysOptions, HotKeyspace, NodeStatus } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import type { Latencies, NodeInsights, Readiness, RingStatus } from '../ports/insight.js';
import type { SourceStatus } from '../ports/source-status.js';
import { type Counted, type EngineCounts, engineCounts } from './counts.js';
import type { Keyspace } from './keyspace.js';
import type { Keyspaces } from './keyspaces.js';
import type { ResolvedOptions } from './options.js';
import { latenciesOf } from './timings.js';
import type { Topology } from './topology.js';
import type { WarmUp } from './warmup.js';

export interface InsightDeps extends Counted {
  readonly clock: Clock;
  readonly spaces: Keyspaces;
  readonly topology: Topology;
  readonly options: Pick<ResolvedOptions, 'virtualNodes' | 'replicas'>;
  readonly state: () => NodeStatus['state'];
  readonly isDraining: () => boolean;
  readonly warmUp: Pick<WarmUp, 'isWarm' | 'progress'>;
}

/** Percentiles tell of the last half minute to minute. */
const rotateMs = 30_000;
const hotKeysMax = 100_000;

/** What a node knows of itself beyond what its callers need: for admin endpoints, telemetry and the dashboard. */
export class Insights implements NodeInsights {
  readonly #deps: InsightDeps;
  #rotateAtMs = 0;

  constructor(deps: InsightDeps) {
    this.#deps = deps;
  }

  latencies(): Latencies {
    const spaces = [...this.#deps.spaces.values()];
    return latenciesOf(spaces.map(({ timings, counts }) => ({ timings, hits: counts.cacheHits })));
  }

  /** What stands before each data source, by keyspace. */
  sources(): ReadonlyMap<string, SourceStatus> {
    return new Map([...this.#deps.spaces.values()].map(({ name, source }) => [name, source.status()]));
  }

  ring(): RingStatus {
    const { topology, options } = this.#deps;
    const ring = topology.ring();
    const shares = ring.shares();
    return {
      version: ring.digest.toString(16).padStart(8, '0'),
      virtualNodes: options.virtualNodes,
      replicas: options.replicas,
      nodes: ring.members.map(({ name, weight }) => ({ name, weight, share: shares.get(name) ?? 0 })),
    };
  }

  /** As callers of this node ask. */
  hotKeys({ keyspace, limit = 20 }: HotKeysOptions = {}): readonly HotKeyspace[] {
    if (!(Number.isSafeInteger(limit) && limit >= 1 && limit <= hotKeysMax)) {
      throw invalidArgument(`limit is ${limit}, must be a whole number from 1 to ${hotKeysMax}`);
    }
    const { spaces } = this.#deps;
    const wanted = keyspace === undefined ? [...spaces.values()] : [spaces.existing(keyspace)];
    return wanted.map((space) => this.#hotKeysOf(space, limit));
  }

  #hotKeysOf({ name, hotKeys }: Keyspace, limit: number): HotKeyspace {
    const { clock, topology } = this.#deps;
    const { total } = hotKeys;
    const windowMs = hotKeys.windowMs(clock.nowMs());
    const keys = hotKeys.top(limit).map(({ key, hits }) => ({
      key,
      hits: Math.round(hits),
      share: Math.min(1, hits / total),
      hitsPerSecond: (hits * 1000) / windowMs,
      owner: topology.place(key).owner.name,
    }));
    return { name, hits: Math.round(total), windowMs, keys };
  }

  /** Operations under way that are more than a look into memory. */
  inflight(): number {
    return this.#deps.inflight.count;
  }

  /** What is counted beside the keyspaces. */
  counts(): EngineCounts {
    return engineCounts(this.#deps);
  }

  readiness(): Readiness {
    const { state: stateOf, isDraining, warmUp } = this.#deps;
    const now = stateOf();
    // Who is drained goes on answering, and calls itself draining all the same.
    const state = now === 'serving' && isDraining() ? 'draining' : now;
    if (state !== 'serving') return { state, ready: false, reason: `the node is ${state}` };
    const { isWarm, progress } = warmUp;
    if (isWarm) return { state, ready: true, reason: undefined };
    const howFar = progress === undefined ? '' : `, ${progress.done} of ${progress.total} keys`;
    return { state, ready: false, reason: `warming up${howFar}` };
  }

  /** Called once a second or so. */
  tidy(): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const { hotKeys } of this.#deps.spaces.values()) hotKeys.tick(nowMs);
    if (nowMs < this.#rotateAtMs) return;
    this.#rotateAtMs = nowMs + rotateMs;
    for (const { timings, counts } of this.#deps.spaces.values()) timings.rotate(counts.cacheHits);
  }
}
