import { embargoMs } from '../coherence/leases.js';
import type { Slots } from '../coherence/slots.js';
import { isPutAfter, isSameSweep, matches, type Swept, voidedBy } from '../coherence/sweeps.js';
import type { Clock } from '../ports/clock.js';
import type { Sweep } from '../ports/keyspace-record.js';
import type { Entry } from '../store/entry.js';
import type { Store } from '../store/store.js';

/**
 * Deletes of all entries with a tag or a prefix, as one keyspace on one node has heard of them. Which keys they concern is not
 * known of a load before it ends, so every token counts up. The latest are remembered, to refuse what comes late from a node
 * that had not heard of them; those that are forgotten raise the floors of all slots, so that nothing from before is taken.
 */
export class KeyspaceSweeps {
  readonly #clock: Clock;
  readonly #slots: Slots;
  readonly #store: Store;
  #known: readonly Sweep[] = [];
  #untilMs = Number.NEGATIVE_INFINITY;
  /** That were heard of. */
  heard = 0;
  /** Of these, those that are beyond what is remembered. */
  forgotten = 0;
  /** Version of the latest of which only the floors tell, here or at who told them; 0: there is none. */
  inFloors = 0;

  constructor(clock: Clock, slots: Slots, store: Store) {
    this.#clock = clock;
    this.#slots = slots;
    this.#store = store;
  }

  /**
   * Until then a sweep may be under way of which not all nodes have heard: what they answer is served, but nobody joins who
   * waits for an answer that was asked for before, as that may be after the sweep was acknowledged.
   */
  get recentUntilMs(): number {
    return this.#untilMs;
  }

  /** What another node sends is from before a sweep that this node knows of. */
  void(entry: Swept): boolean {
    return this.#known.length > 0 && voidedBy(this.#known, entry);
  }

  /**
   * @param fresh those that were not known
   * @param known those to be remembered
   * @param generation version of the latest clear, of which those before are part
   * @returns how many own entries they deleted, and the latest version of what was put later and stays; 0: nothing does
   */
  take(
    fresh: readonly Sweep[],
    known: readonly Sweep[],
    generation: number,
  ): { readonly removed: number; readonly newer: number } {
    for (const sweep of [...this.#known, ...fresh]) {
      if (sweep.version <= generation || known.some((other) => isSameSweep(other, sweep))) continue;
      this.#slots.touchAll(sweep.version);
      this.inFloors = Math.max(this.inFloors, sweep.version);
      this.forgotten++;
    }
    this.#known = known;
    this.heard += fresh.length;
    let removed = 0;
    let newer = 0;
    if (fresh.length === 0) return { removed, newer };
    this.#slots.bumpAll();
    this.#untilMs = this.#clock.nowMs() + embargoMs;
    for (const sweep of fresh) {
      const isVoid = (entry: Entry): boolean => {
        if (!matches(sweep, entry)) return false;
        if (!isPutAfter(sweep.version, entry)) return true;
        newer = Math.max(newer, entry.version);
        return false;
      };
      removed += this.#store.sweep(isVoid, sweep.by === 'tag' ? sweep.text : undefined);
    }
    return { removed, newer };
  }
}
