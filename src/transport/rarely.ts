import type { Clock } from '../ports/clock.js';

/** Says what may be logged now: each thing once in `everyMs`, and no more than `max` different things in that time. */
export class Rarely {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #max: number;
  readonly #toldAtMs = new Map<string, number>();

  constructor(clock: Clock, everyMs: number, max: number) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#max = max;
  }

  /** True when this is to be told now; it counts as told then. */
  isDue(what: string): boolean {
    const nowMs = this.#clock.nowMs();
    const isOver = (toldAtMs: number): boolean => nowMs - toldAtMs >= this.#everyMs;
    const atMs = this.#toldAtMs.get(what);
    if (atMs !== undefined && !isOver(atMs)) return false;
    for (const [told, toldAtMs] of this.#toldAtMs) if (isOver(toldAtMs)) this.#toldAtMs.delete(told);
    if (this.#toldAtMs.size >= this.#max) return false;
    this.#toldAtMs.set(what, nowMs);
    return true;
  }
}
