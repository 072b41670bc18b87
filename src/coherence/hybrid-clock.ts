import type { Clock } from '../ports/clock.js';
import type { Stamp } from '../ports/peers.js';

/*
 * Versions are readings of a hybrid logical clock (Kulkarni et al., 2014): physical milliseconds with a counter below,
 * packed into one double, so that they are compared with `<` and travel as eight bytes. Two nodes that exchanged a frame
 * never give a later event the smaller version, whatever their clocks say; after a split, versions of both sides are
 * still comparable by time, which counters kept by owners would not be.
 *
 * The physical part is the wall clock at start plus monotonic time since: a stepped wall clock moves no version. It is
 * slewed towards the wall clock by at most one part in a thousand, so that nodes that run for months do not drift apart.
 */

/** 2024-01-01T00:00:00Z in Unix milliseconds. */
const epochMs = Date.UTC(2024, 0, 1);
/** Counter values per millisecond; 2^53 / 4096 milliseconds last until 2093. */
const logicalPerMs = 4096;
/** A remote clock further ahead than this is not believed: one broken clock must not carry the whole cluster away. */
export const skewLimitMs = 500;
/** The same, as a difference of versions. */
export const skewLimit = skewLimitMs * logicalPerMs;
const slewPerMs = 0.001;

export const versionOfWall = (wallMs: number): number => Math.floor(wallMs - epochMs) * logicalPerMs;
export const wallOfVersion = (version: number): number => Math.floor(version / logicalPerMs) + epochMs;

export class HybridClock implements Stamp {
  readonly #clock: Clock;
  #physicalMs: number;
  #readAtMs: number;
  #last = 0;
  /** Remote readings refused because they were too far ahead. */
  refused = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#physicalMs = clock.wallMs();
    this.#readAtMs = clock.nowMs();
  }

  /** The latest reading without an event of its own. */
  now(): number {
    const physical = versionOfWall(this.#physical());
    if (physical > this.#last) this.#last = physical;
    return this.#last;
  }

  /** A version larger than any given or seen here. */
  next(): number {
    const physical = versionOfWall(this.#physical());
    this.#last = physical > this.#last ? physical : this.#last + 1;
    return this.#last;
  }

  /** Milliseconds since another node's reading, as far as clocks can tell; negative of one that runs ahead. */
  ageMs(remote: number): number {
    return (this.now() - remote) / logicalPerMs;
  }

  /** False, and without effect, where `remote` is no reading or too far ahead to be believed. */
  merge(remote: number): boolean {
    if (remote >= 0 && remote <= this.#last) return true;
    if (!Number.isSafeInteger(remote) || remote < 0 || remote - this.#horizon() > skewLimit) {
      this.refused++;
      return false;
    }
    this.#last = remote;
    return true;
  }

  /**
   * The later of both clocks. A node that started with a wrong wall clock, or slept, is behind all others although its
   * wall clock may have been set right since; slewing would take weeks, and for that long it would believe nobody.
   */
  #horizon(): number {
    return versionOfWall(Math.max(this.#physical(), this.#clock.wallMs()));
  }

  #physical(): number {
    const nowMs = this.#clock.nowMs();
    const elapsedMs = nowMs - this.#readAtMs;
    if (elapsedMs <= 0) return this.#physicalMs;
    const expectedMs = this.#physicalMs + elapsedMs;
    const slewMs = elapsedMs * slewPerMs;
    const driftMs = this.#clock.wallMs() - expectedMs;
    this.#physicalMs = expectedMs + Math.max(-slewMs, Math.min(slewMs, driftMs));
    this.#readAtMs = nowMs;
    return this.#physicalMs;
  }
}
