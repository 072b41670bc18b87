/**
 * A hashed timing wheel: finds what is due without a timer per entry, without sorting, and without reads.
 *
 * Idea. Time is cut into ticks of a second, and the wheel has 4096 slots. An entry hangs in slot `tick mod 4096`, in a
 * doubly linked ring whose links are in the entry itself: adding and removing are a few pointer writes and no allocation.
 * Once a second the slots whose ticks are over are walked. What is due goes; what is due a round or more later (a round
 * is 68 minutes) is passed over and waits. No length of life overflows anything, and entries that never end never enter.
 *
 * Cost. Each entry is looked at once per round of its life, so a step costs what is due plus n/4096. A step does at most
 * `budget` looks and goes on from there in the next.
 *
 * Failure mode. An entry goes up to one tick late, and later where steps come late or budgets are too small; never early.
 *
 * Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 6.
 */
import { assert } from '../base/assert.js';

/** What hangs in a wheel. Links and slot belong to the wheel; slot is -1 outside of it. */
export interface WheelNode<N> {
  readonly keepUntilMs: number;
  next: N | undefined;
  previous: N | undefined;
  slot: number;
}

const slots = 4096;
const tickMs = 1000;

export class ExpiryWheel<N extends WheelNode<N>> {
  readonly #heads: (N | undefined)[] = new Array<N | undefined>(slots).fill(undefined);
  readonly #counts = new Uint32Array(slots);
  /** The first tick that is not yet walked to its end. */
  #tick = 0;
  /** Looks left in that tick's slot; -1 before the walk of the slot begins. */
  #left = -1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Infinity never enters. */
  add(node: N): void {
    if (node.keepUntilMs === Number.POSITIVE_INFINITY) return;
    assert(node.slot === -1, 'the entry hangs in a wheel already');
    // What is due already hangs where the walk comes next, else it would wait for a whole round.
    const firstTick = this.#left === -1 ? this.#tick : this.#tick + 1;
    const slot = Math.max(firstTick, Math.floor(node.keepUntilMs / tickMs)) % slots;
    const head = this.#heads[slot];
    if (head === undefined) {
      node.next = node;
      node.previous = node;
      this.#heads[slot] = node;
    } else {
      const last = head.previous!;
      node.next = head;
      node.previous = last;
      last.next = node;
      head.previous = node;
    }
    node.slot = slot;
    this.#counts[slot]!++;
    this.#size++;
  }

  /** Idempotent. */
  remove(node: N): void {
    const { slot } = node;
    if (slot === -1) return;
    const next = node.next!;
    if (next === node) {
      this.#heads[slot] = undefined;
    } else {
      const previous = node.previous!;
      previous.next = next;
      next.previous = previous;
      if (this.#heads[slot] === node) this.#heads[slot] = next;
    }
    // A removed entry that somebody still holds must not hold its neighbours.
    node.next = undefined;
    node.previous = undefined;
    node.slot = -1;
    this.#counts[slot]!--;
    this.#size--;
  }

  /**
   * Takes out what is due at `nowMs` and hands it to `expired`.
   * @param budget how many entries are looked at, at most
   * @returns how many were looked at; as many as the budget when there may be more
   */
  advance(nowMs: number, budget: number, expired: (node: N) => void): number {
    const nowTick = Math.floor(nowMs / tickMs);
    if (this.#tick < nowTick - slots) {
      // One whole round visits every slot; older ticks fall into the same slots.
      this.#tick = nowTick - slots;
      this.#left = -1;
    }
    let looks = 0;
    while (this.#tick < nowTick) {
      const slot = this.#tick % slots;
      if (this.#left === -1) this.#left = this.#counts[slot]!;
      for (; this.#left > 0; this.#left--) {
        const node = this.#heads[slot];
        if (node === undefined) break;
        if (looks === budget) return looks;
        looks++;
        if (node.keepUntilMs <= nowMs) {
          this.remove(node);
          expired(node);
        } else {
          // Passed over: turning the ring puts it last. Nodes added or removed during a walk that spans several steps
          // at worst cause looks at some that were passed over already.
          this.#heads[slot] = node.next;
        }
      }
      this.#left = -1;
      this.#tick++;
    }
    return looks;
  }

  /** Recounts the slow way and throws where the rings are broken. */
  check(): void {
    let total = 0;
    for (const [slot, head] of this.#heads.entries()) {
      let count = 0;
      for (let node = head; node !== undefined; node = node.next === head ? undefined : node.next) {
        assert(node.slot === slot && node.next?.previous === node, `broken ring in slot ${slot}`);
        count++;
      }
      assert(count === this.#counts[slot], `slot ${slot} counts ${this.#counts[slot]} entries, found ${count}`);
      total += count;
    }
    assert(total === this.#size, `the wheel counts ${this.#size} entries, found ${total}`);
  }
}
