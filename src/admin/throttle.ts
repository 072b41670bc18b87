import type { Clock } from '../ports/clock.js';

/**
 * A token bucket: `perSecond` on average, `burst` at once. Requests beyond it are to be answered late and short, so that
 * however many ask, what answering costs stays bounded by the connections there may be.
 */
export class Throttle {
  #level: number;
  #atMs: number;

  constructor(
    private readonly clock: Clock,
    private readonly perSecond: number,
    private readonly burst: number,
  ) {
    this.#level = burst;
    this.#atMs = clock.nowMs();
  }

  /** False where there is none left. */
  take(): boolean {
    const nowMs = this.clock.nowMs();
    this.#level = Math.min(this.burst, this.#level + ((nowMs - this.#atMs) * this.perSecond) / 1000);
    this.#atMs = nowMs;
    if (this.#level < 1) return false;
    this.#level--;
    return true;
  }
}
