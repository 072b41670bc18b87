import { assert } from '../../base/assert.js';
import type { Random } from '../../ports/random.js';
import type { AddressBytes, NodeName, U32, Vsn } from '../messages.js';
import type { Endpoint, SwimMember } from './effects.js';
import type { Suspicion } from './suspicion.js';

/** What is believed of a member; `sinceMs` is when that began. */
export type Standing =
  | { readonly is: 'alive'; readonly sinceMs: number }
  | { readonly is: 'suspect'; readonly sinceMs: number; readonly suspicion: Suspicion }
  | { readonly is: 'dead'; readonly sinceMs: number }
  | { readonly is: 'left'; readonly sinceMs: number };

/** One member. Only `claims.ts` writes to it, through the table. */
export interface Entry extends Endpoint {
  readonly name: NodeName;
  addr: AddressBytes;
  port: number;
  incarnation: U32;
  meta: Uint8Array;
  vsn: Vsn;
  standing: Standing;
}

export const isGone = (entry: Entry): boolean => entry.standing.is === 'dead' || entry.standing.is === 'left';

export const viewOf = ({ name, addr, port, incarnation, meta, vsn, standing }: Entry): SwimMember => ({
  name,
  addr,
  port,
  incarnation,
  meta,
  vsn,
  state: standing.is,
  sinceMs: standing.sinceMs,
});

/** A whole number in [0, bound). */
export const below = (random: Random, bound: number): number => Math.floor(random.next() * bound);

/** Shuffles in place (Fisher-Yates): every order is as likely. */
export function shuffle<T>(items: T[], random: Random): void {
  for (let i = items.length - 1; i > 0; i--) swap(items, i, below(random, i + 1));
}

function swap<T>(items: T[], i: number, j: number): void {
  const held = items[i]!;
  items[i] = items[j]!;
  items[j] = held;
}

/**
 * Everybody known, this node included, in the order in which they are probed. The order is shuffled once per round rather
 * than drawn per tick: a random draw can skip one member for long, a round bounds the gap at 2n - 1 intervals.
 */
export class Members {
  readonly #max: number;
  readonly #random: Random;
  readonly #byName = new Map<NodeName, Entry>();
  #order: Entry[] = [];
  #cursor = 0;

  constructor(max: number, random: Random) {
    this.#max = max;
    this.#random = random;
  }

  get size(): number {
    return this.#byName.size;
  }

  get(name: NodeName): Entry | undefined {
    return this.#byName.get(name);
  }

  values(): IterableIterator<Entry> {
    return this.#byName.values();
  }

  some(wanted: (entry: Entry) => boolean): boolean {
    return this.#order.some(wanted);
  }

  /** Puts a new member at a random place of the round; false when there is no room for it. */
  add(entry: Entry): boolean {
    assert(!this.#byName.has(entry.name), `${entry.name} is new`);
    if (this.#byName.size >= this.#max) return false;
    this.#byName.set(entry.name, entry);
    this.#order.push(entry);
    swap(this.#order, below(this.#random, this.#order.length), this.#order.length - 1);
    return true;
  }

  /**
   * The next member of the round that `wanted` accepts. Undefined when none was found in as many looks as there are
   * members, the wrap counted as one: a small cluster has idle ticks, so two nodes do not probe each other twice as often.
   * @param onWrap called when the round ended, before the next is shuffled: forget members there
   */
  next(wanted: (entry: Entry) => boolean, onWrap: () => void): Entry | undefined {
    for (let looks = 0; looks < this.#order.length; looks++) {
      if (this.#cursor >= this.#order.length) {
        onWrap();
        shuffle(this.#order, this.#random);
        this.#cursor = 0;
        continue;
      }
      const entry = this.#order[this.#cursor++]!;
      if (wanted(entry)) return entry;
    }
    return undefined;
  }

  /** Forgets all that `unwanted` accepts, and returns them. */
  forget(unwanted: (entry: Entry) => boolean): readonly Entry[] {
    const gone = this.#order.filter(unwanted);
    if (gone.length === 0) return gone;
    const names = new Set(gone.map((entry) => entry.name));
    const passed = this.#order.slice(0, this.#cursor).filter((entry) => names.has(entry.name)).length;
    this.#order = this.#order.filter((entry) => !names.has(entry.name));
    this.#cursor -= passed;
    for (const name of names) this.#byName.delete(name);
    return gone;
  }

  /** Up to `count` different members that `wanted` accepts, each as likely. */
  pick(count: number, wanted: (entry: Entry) => boolean): readonly Entry[] {
    const { length } = this.#order;
    // In a small cluster random draws could miss the only ones that are wanted, so there all are looked at.
    if (length < 3 * count) {
      const all = this.#order.filter(wanted);
      shuffle(all, this.#random);
      return all.slice(0, count);
    }
    const picked = new Set<Entry>();
    for (let draws = 0; draws < 3 * length && picked.size < count; draws++) {
      const entry = this.#order[below(this.#random, length)]!;
      if (wanted(entry)) picked.add(entry);
    }
    return [...picked];
  }

  /** For tests. */
  check(): void {
    assert(this.#order.length === this.#byName.size && this.#byName.size <= this.#max, 'the round holds every member');
    assert(new Set(this.#order).size === this.#order.length, 'nobody twice in the round');
    for (const entry of this.#order) assert(this.#byName.get(entry.name) === entry, `${entry.name} is filed by name`);
    assert(this.#cursor >= 0 && this.#cursor <= this.#order.length, `cursor ${this.#cursor} lies in the round`);
  }
}
