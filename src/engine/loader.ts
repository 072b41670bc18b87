import { type DistcacheError, invalidArgument } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';
import { noTags } from '../base/tags.js';
import type { HybridClock } from '../coherence/hybrid-clock.js';
import type { Clock } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { Answer, Keyspace } from './keyspace.js';

export interface LoaderDeps {
  readonly clock: Clock;
  readonly hybrid: HybridClock;
  readonly self: () => NodeInfo;
}

/** Reads keys from the data sources of keyspaces, and makes answers of what they say. */
export class Loader {
  readonly #deps: LoaderDeps;

  constructor(deps: LoaderDeps) {
    this.#deps = deps;
  }

  /**
   * @param loading loads that wait for this one
   * @param version of the answer: the clock when it was asked for. undefined: the clock when the source has answered
   * @param signal undefined: nothing ends it but its own time
   */
  async load(
    space: Keyspace,
    key: string,
    loading: readonly string[],
    version: number | undefined,
    signal: StopSignal | undefined,
  ): Promise<Answer> {
    const { counts } = space;
    const { clock, hybrid, self } = this.#deps;
    const startedMs = clock.nowMs();
    try {
      const said = await space.source.load(key, [...loading, loadName(space, key)], signal ?? never);
      const lifeMs = said.is === 'value' ? space.lifeMs(key, said.ttlMs) : space.negativeLifeMs();
      counts.localLoads++;
      return {
        value: said.is === 'value' ? said.value : null,
        version: version ?? hybrid.next(),
        expiresAtMs: clock.nowMs() + lifeMs,
        outcome: said.is === 'value' ? 'load' : 'negative',
        wasPut: false,
        sourceVersion: said.is === 'value' ? said.sourceVersion : undefined,
        tags: said.is === 'value' ? said.tags : noTags,
        node: self().name,
      };
    } catch (error) {
      counts.localLoadErrors++;
      throw error;
    } finally {
      space.timings.sourceLoads.record(clock.nowMs() - startedMs);
    }
  }
}

/** A loader that asks, over however many others, for the key it is loading would wait for itself. */
export function circleOf(space: Keyspace, key: string, loading: readonly string[]): DistcacheError | undefined {
  if (loading.length === 0 || !loading.includes(loadName(space, key))) return undefined;
  return invalidArgument(
    `the data source of keyspace '${space.name}' asks the cache for '${key}' while it loads that very key` +
      `${loading.length > 1 ? ` (over ${loading.length - 1} more)` : ''}; read it from the source instead`,
  );
}

/** Keyspace names have no control characters, so no two loads share a name. */
const loadName = (space: Keyspace, key: string): string => `${space.name}\u0000${key}`;

const never: StopSignal = {
  aborted: false,
  reason: undefined,
  addEventListener: () => {},
  removeEventListener: () => {},
};
