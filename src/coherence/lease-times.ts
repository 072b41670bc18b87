/** The wall clock may move so far against monotonic time before a lease counts as lapsed. */
const jumpMs = 500;

export interface LeaseTimes {
  readonly nowMs: number;
  readonly wallMs: number;
}

export const offsetOf = ({ nowMs, wallMs }: LeaseTimes): number => wallMs - nowMs;

/** Monotonic time stands still while a machine sleeps, and the wall clock does not. */
export const hasJumped = ({ nowMs, wallMs }: LeaseTimes, offsetMs: number): boolean =>
  Math.abs(wallMs - nowMs - offsetMs) > jumpMs;
