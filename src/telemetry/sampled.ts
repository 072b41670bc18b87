import type { Clock } from '../ports/clock.js';

const secondMs = 1000;
/** Taken whole, so that rare things are never missed. */
const wholePerSecond = 1000;
/** Of what comes beyond, one in so many. */
const oneIn = 64;

/**
 * Says which durations are recorded: to record one costs more than a microsecond, which is much of what a get from a peer
 * costs. Up to a thousand a second all of them, one in 64 beyond, so that the cost stays below one in a hundred.
 */
export class Sampled {
  readonly #clock: Clock;
  #count = 0;
  #untilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asked once for each that could be recorded. The clock is read only for those that may be. */
  isDue(): boolean {
    if (this.#count++ >= wholePerSecond && this.#count % oneIn !== 0) return false;
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#untilMs) {
      this.#untilMs = nowMs + secondMs;
      this.#count = 1;
    }
    return true;
  }
}
