import { assert } from '../../base/assert.js';

/**
 * Lifeguard's local health: 0 is well, and each sign that this node itself is slow (missing nacks, having to refute, a
 * blocked event loop) adds to it. A node in doubt about itself probes slower and gives others longer.
 */
export class Awareness {
  #score = 0;

  /** @param max the score stays below it */
  constructor(private readonly max: number) {}

  get score(): number {
    return this.#score;
  }

  apply(delta: number): void {
    this.#score = Math.min(this.max - 1, Math.max(0, this.#score + delta));
    assert(this.#score >= 0 && this.#score < this.max);
  }

  /** An interval as this node's health stretches it. */
  stretchedMs(intervalMs: number): number {
    return intervalMs * (this.#score + 1);
  }
}
