import { LatencyWindow, percentilesOf } from '../base/latency-window.js';
import type { Cancel, Clock } from '../ports/clock.js';
import type { ProcessGauges } from '../ports/insight.js';

const everyMs = 50;
/** Two windows of this length are told of. */
const windowMs = 5000;

/** How late timers come, looked at twenty times a second: what every answer of this process waits for. */
export class EventLoopLag {
  readonly #clock: Clock;
  readonly #window = new LatencyWindow();
  #rotateAtMs = 0;
  #cancel: Cancel | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(): void {
    this.#arm();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Of the last ten seconds or so. */
  summary(): ReturnType<ProcessGauges['eventLoopLag']> {
    const { p50Ms = 0, p99Ms = 0, maxMs = 0 } = percentilesOf([this.#window]);
    return { p50Ms, p99Ms, maxMs };
  }

  #arm(): void {
    const dueMs = this.#clock.nowMs() + everyMs;
    this.#cancel = this.#clock.after(
      everyMs,
      () => {
        const nowMs = this.#clock.nowMs();
        if (nowMs >= this.#rotateAtMs) {
          this.#rotateAtMs = nowMs + windowMs;
          this.#window.rotate();
        }
        this.#window.record(Math.max(0, nowMs - dueMs));
        this.#arm();
      },
      { background: true },
    );
  }
}
