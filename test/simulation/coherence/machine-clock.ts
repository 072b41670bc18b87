import type { Cancel, TimerOptions } from '../../../src/ports/clock.js';
import { ProcessClock } from '../../support/membership-pool.js';

/** Less than this is what adding large numbers loses. */
const leastMs = 0.01;

/**
 * The clock of one process on a machine whose wall clock is wrong by `skewMs`. When the machine sleeps its monotonic time
 * stands still, and the wall clock does not: timers go on where they were, and are not late.
 */
export class MachineClock extends ProcessClock {
  skewMs = 0;
  #sleptMs = 0;

  override nowMs(): number {
    return super.nowMs() - this.#sleptMs;
  }

  override wallMs(): number {
    return super.wallMs() + this.skewMs;
  }

  override after(delayMs: number, run: () => void, options?: TimerOptions): Cancel {
    const dueMs = this.nowMs() + Math.max(0, delayMs);
    let cancel: Cancel;
    const arm = (ms: number): void => {
      cancel = super.after(
        ms,
        () => {
          const leftMs = dueMs - this.nowMs();
          if (leftMs > leastMs) arm(leftMs);
          else run();
        },
        options,
      );
    };
    // Time that is left by this clock may be too little for the world's to move: then nothing would ever come.
    arm(this.#sleptMs > 0 && delayMs > 0 ? Math.max(delayMs, leastMs) : delayMs);
    return () => cancel();
  }

  /** To be called before the process goes on: for so long the machine slept. */
  slept(ms: number): void {
    this.#sleptMs += ms;
  }
}
