import { embargoMs } from '../../../src/coherence/leases.js';
import type { CheckOptions } from '../../support/history/options.js';
import { areApart, type Split } from '../../support/history/split.js';
import { callTimeoutMs } from './clients.js';

/*
 * What docs/coherence.md does not promise, and nothing more. A crash excuses nothing here, as the source has every
 * acknowledged write. A long split lets its sides be apart until they have found each other and some seconds more (G4,
 * G5). "One load" is promised of a ring that stands still (G2).
 */

interface Window {
  readonly fromMs: number;
  toMs: number;
}

/** Within this the sides agree once they have met again. */
const agreeMs = 5_000;
/** Some time after a fault rings differ still. */
const calmMs = 3_000;
/** Nodes say that they lost each other when they notice: a lease and its renewal later, or two. */
const noticedMs = 4_000;
/** For an embargo after a link has come up nobody joins a load that began before he came; and so long rings may differ. */
const settleMs = embargoMs + 1_000;
/** A frozen node's socket keeps a write for as long as it is frozen, and then gives it its whole time. */
const lateWriteMs = 10_000 + callTimeoutMs + 5_000;

export class Excuses {
  readonly #faults: Window[] = [];
  readonly #splits: (Window & Split)[] = [];
  #unrest: readonly number[] = [];

  constructor(private readonly nowMs: () => number) {}

  /** To be called when a fault begins; what it gives, when all nodes see each other again. */
  begin(sides: readonly (readonly string[])[] | undefined): () => void {
    const fromMs = this.nowMs();
    const fault = { fromMs, toMs: Number.POSITIVE_INFINITY };
    this.#faults.push(fault);
    const split = sides && { fromMs, toMs: Number.POSITIVE_INFINITY, sides };
    if (split !== undefined) this.#splits.push(split);
    return () => {
      fault.toMs = this.nowMs();
      if (split !== undefined) split.toMs = this.nowMs() + agreeMs;
    };
  }

  /** Times at which nodes lost or found each other. */
  noteUnrest(atMs: readonly number[]): void {
    this.#unrest = atMs;
  }

  isFault(atMs: number): boolean {
    return this.#faults.some(({ fromMs, toMs }) => atMs > fromMs && atMs < toMs + settleMs);
  }

  get isCalm(): boolean {
    const now = this.nowMs();
    return this.#faults.every(({ toMs }) => toMs + calmMs < now);
  }

  options(): CheckOptions {
    return {
      lateWriteMs,
      // Only who passes on the version it has seen sees no write come and go before it is acknowledged.
      monotonicAcrossNodes: false,
      excuses: (read, write, seen) => this.#splits.some((split) => areApart(split, read, write, seen)),
      // What a side gave a version of its own may come back as the other's, which is as new and has a lower one.
      excusesBack: (earlier) => this.#splits.some(({ fromMs, toMs }) => earlier.endMs > fromMs && earlier.endMs < toMs),
      excusesLoad: (load) =>
        this.#faults.some(({ fromMs, toMs }) => load.startMs < toMs + settleMs && load.endMs > fromMs) ||
        this.#unrest.some((at) => load.startMs < at + settleMs && load.endMs > at - noticedMs),
    };
  }
}
