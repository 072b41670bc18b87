import type { Cancel, Clock } from '../../ports/clock.js';

/** A wait between two attempts that can be cut short. */
export class Pause {
  readonly over: Promise<void>;
  #resolve: () => void = () => {};
  #cancel: Cancel;
  #untilMs: number;

  constructor(
    private readonly clock: Clock,
    ms: number,
  ) {
    this.#untilMs = clock.nowMs() + ms;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#cancel = clock.after(ms, this.#resolve);
  }

  noLaterThan(atMs: number): void {
    if (atMs >= this.#untilMs) return;
    this.#untilMs = atMs;
    this.#cancel();
    this.#cancel = this.clock.after(atMs - this.clock.nowMs(), this.#resolve);
  }

  /** Idempotent. */
  end(): void {
    this.#cancel();
    this.#resolve();
  }
}
