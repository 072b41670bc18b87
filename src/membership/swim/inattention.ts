import type { SwimConfig } from './config.js';

/** Wakes in a row that may only listen, so that a node which is always late still takes part. */
const quietInRowMax = 3;

/**
 * The core's own time, which stands still while this node was not attentive. A blocked event loop, a suspended process
 * or a starved machine shows in a wake that comes late; the time lost must not be held against others, whose answers may
 * long lie in the socket. So it is taken out: every timeout is as much longer, and after a long loss the first thing done
 * is to listen for a while before any timeout is acted on.
 *
 * All of this is one number, the lag so far, subtracted from the driver's clock; nothing has to be rescheduled.
 */
export class Inattention {
  readonly #config: SwimConfig;
  #lagMs = 0;
  #ownMs = Number.NEGATIVE_INFINITY;
  #quietUntilMs = Number.NEGATIVE_INFINITY;
  #quietInRow = 0;

  constructor(config: SwimConfig) {
    this.#config = config;
  }

  /** Milliseconds, less what was lost. Never steps back from one step to the next. */
  get ownMs(): number {
    return this.#ownMs;
  }

  /** Until then, on own time, nothing that is due is acted on. */
  get quietUntilMs(): number {
    return this.#quietUntilMs;
  }

  get recovering(): boolean {
    return this.#ownMs < this.#quietUntilMs;
  }

  /**
   * Takes note that a step happens at `nowMs`, while a wake was asked for at `wakeAtMs` of own time.
   * @returns milliseconds found lost by that, or 0
   */
  observe(nowMs: number, wakeAtMs: number | undefined): number {
    const before = this.#ownMs;
    this.#ownMs = Math.max(before, nowMs - this.#lagMs);
    // While steps keep coming this node does listen, even if its wake is overdue: only the gap since the last one counts.
    const lateMs = wakeAtMs === undefined ? 0 : this.#ownMs - Math.max(wakeAtMs, before);
    if (lateMs > this.#config.lagToleranceMs) return this.#lose(lateMs);
    if (!this.recovering) this.#quietInRow = 0;
    return 0;
  }

  #lose(lostMs: number): number {
    this.#lagMs += lostMs;
    this.#ownMs -= lostMs;
    if (this.#quietInRow < quietInRowMax) {
      this.#quietInRow++;
      this.#quietUntilMs = this.#ownMs + Math.min(lostMs, this.#config.probeTimeoutMs);
    }
    return lostMs;
  }
}
