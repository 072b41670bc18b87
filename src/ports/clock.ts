import type { StopSignal } from '../base/stop-signal.js';

export type Cancel = () => void;

export interface TimerOptions {
  /** The timer alone does not keep the process alive: for upkeep that nobody waits for. */
  readonly background?: boolean;
}

/** Time as the engine knows it. Nothing else reads a clock or sets a timer, so a whole cluster runs under a fake one. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary start; never steps. All deadlines and lifetimes count on it. */
  nowMs(): number;
  /** Milliseconds since 1970 as people see them; may step either way. For display and for absolute expiry given by callers. */
  wallMs(): number;
  /**
   * Runs once after `delayMs` (any length; below zero counts as zero; NaN throws). The returned function cancels it, and
   * may be called twice. Real timers come up to 2 ms early: compare with `nowMs` where nothing may happen too soon.
   */
  after(delayMs: number, run: () => void, options?: TimerOptions): Cancel;
  /** Runs when the current turn of the event loop has ended, so that whatever this turn asked for is known. */
  soon(run: () => void): void;
}

/** How long a caller waits: an absolute time on its own monotonic clock, and perhaps a signal that ends the wait earlier. */
export interface Wait {
  readonly deadlineMs: number;
  readonly signal?: StopSignal | undefined;
}

export const remainingMs = (wait: Wait, clock: Clock): number => Math.max(0, wait.deadlineMs - clock.nowMs());
