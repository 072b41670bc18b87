import { DistcacheError } from '../base/errors.js';
import { type Clock, remainingMs, type Wait } from '../ports/clock.js';

/** Counts operations while they are under way: refuses those beyond a limit, and tells when all have ended. */
export class Inflight {
  readonly #clock: Clock;
  readonly #max: number;
  #count = 0;
  #refused = 0;
  #idle: (() => void) | undefined;

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** Operations that were turned away since start. */
  get refused(): number {
    return this.#refused;
  }

  /** Rejects with OVERLOADED, before anything is begun, when too many are under way. */
  async run<T>(body: () => Promise<T>): Promise<T> {
    this.enter();
    try {
      return await body();
    } finally {
      this.leave();
    }
  }

  /** Whoever has entered must leave. Throws OVERLOADED when too many are under way. */
  enter(): void {
    if (this.#count >= this.#max) {
      this.#refused++;
      throw new DistcacheError(
        'OVERLOADED',
        `${this.#count} operations are under way; limits.maxInflight allows no more; try again in a moment`,
      );
    }
    this.#count++;
  }

  leave(): void {
    this.#count--;
    if (this.#count === 0) this.#idle?.();
  }

  /** Resolves when nothing is under way, at the latest at the deadline or when the wait's signal fires. */
  quiet(wait: Wait): Promise<void> {
    const { signal } = wait;
    if (this.#count === 0 || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancelTimer();
        signal?.removeEventListener('abort', end);
        this.#idle = undefined;
        resolve();
      };
      const cancelTimer = this.#clock.after(remainingMs(wait, this.#clock), end);
      signal?.addEventListener('abort', end, { once: true });
      this.#idle = end;
    });
  }
}
