import type { Random } from '../../ports/random.js';
import type { Context } from './context.js';
import { type Endpoint, endpointKey } from './effects.js';
import { below, type Entry, isGone } from './members.js';

interface Lost extends Endpoint {
  readonly untilMs: number;
}

/**
 * Where to look for those whom nobody here knows any more. Gossip alone cannot heal a cut that lasted longer than the dead
 * are remembered: each half has forgotten the other. So one seed, or one member that failed and was forgotten, is tried at
 * every rejoin tick, for as long as it is not among the living.
 */
export class Reunion {
  readonly #context: Context;
  readonly #random: Random;
  #seeds: readonly Endpoint[] = [];
  readonly #lost = new Map<string, Lost>();

  constructor(context: Context, random: Random) {
    this.#context = context;
    this.#random = random;
  }

  /** Replaces the seeds; beyond `seedsMax` they are ignored. */
  setSeeds(seeds: readonly Endpoint[]): void {
    this.#seeds = seeds.slice(0, this.#context.config.seedsMax);
  }

  /** Remembers where a failed member was; the one lost longest makes room. */
  remember({ addr, port }: Entry): void {
    const { config, nowMs } = this.#context;
    const key = endpointKey({ addr, port });
    this.#lost.delete(key);
    this.#lost.set(key, { addr, port, untilMs: nowMs + config.lostKeepMs });
    if (this.#lost.size > config.seedsMax) this.#lost.delete(this.#lost.keys().next().value!);
  }

  /**
   * One place to try now, or none. The fewer are missing, the rarer each member tries, so that all of them together make
   * about one attempt per interval for each that is missing, whatever the size of the cluster.
   */
  next(): Endpoint | undefined {
    const { members, nowMs } = this.#context;
    const living = new Set<string>();
    const places = new Map<string, Endpoint>();
    for (const entry of members.values()) {
      if (!isGone(entry)) living.add(endpointKey(entry));
      else if (entry.standing.is === 'dead') places.set(endpointKey(entry), entry);
    }
    for (const [key, lost] of this.#lost) {
      if (living.has(key) || lost.untilMs < nowMs) this.#lost.delete(key);
      else places.set(key, lost);
    }
    for (const seed of this.#seeds) places.set(endpointKey(seed), seed);
    for (const key of living) places.delete(key);
    if (places.size === 0 || this.#random.next() * living.size > places.size) return undefined;
    return [...places.values()][below(this.#random, places.size)];
  }
}
