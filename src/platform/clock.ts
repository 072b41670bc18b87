import type { Clock } from '../ports/clock.js';

/** setTimeout counts in 32 signed bits and fires at once beyond them. */
const longestTimerMs = 2 ** 31 - 1;

/** The machine's time. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, run, options) {
    if (Number.isNaN(delayMs)) throw new RangeError('delayMs is NaN');
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, longestTimerMs);
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : run()), Math.max(0, stepMs));
      if (options?.background === true) timer.unref();
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
  soon(run) {
    setImmediate(run);
  },
};
