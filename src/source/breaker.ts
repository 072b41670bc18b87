import { DistcacheError } from '../base/errors.js';
import { formatDuration } from '../base/units.js';
import type { Clock } from '../ports/clock.js';
import type { BreakerStatus, CircuitState } from '../ports/source-status.js';
import {
  asked,
  type BreakerLimits,
  type Circuit,
  judged,
  newCircuit,
  nextProbeInMs,
  reset,
  type Verdict,
} from './circuit.js';

/** Called after each change of state, in the turn in which it changed. Must not throw. */
export type CircuitChanged = (from: CircuitState, to: CircuitState) => void;

/** A circuit that lives: asks the clock, refuses in words, and tells of its changes. Without limits everything passes. */
export class Breaker {
  readonly #clock: Clock;
  readonly #keyspace: string;
  readonly #changed: CircuitChanged;
  #limits: BreakerLimits | undefined;
  #circuit: Circuit = newCircuit;
  #opened = 0;

  constructor(clock: Clock, keyspace: string, limits: BreakerLimits | undefined, changed: CircuitChanged) {
    this.#clock = clock;
    this.#keyspace = keyspace;
    this.#limits = limits;
    this.#changed = changed;
  }

  /** The round in which a load passes; throws DATA_SOURCE_CIRCUIT_OPEN where it may not. */
  enter(): number {
    if (this.#limits === undefined) return this.#circuit.round;
    const { circuit, admits } = asked(this.#circuit, this.#limits, this.#clock.nowMs());
    this.#become(circuit);
    if (!admits) throw this.refusal();
    return circuit.round;
  }

  /** Each load that entered is judged at least once; what is said of it after the first word changes nothing. */
  judge(round: number, verdict: Verdict): void {
    if (this.#limits === undefined) return;
    this.#become(judged(this.#circuit, round, verdict, this.#limits, this.#clock.nowMs()));
  }

  /** Closes the circuit, whatever it was. */
  reset(): void {
    this.#become(reset(this.#circuit));
  }

  /** In force at once. A circuit that is open stays so, for the new reset time from when it opened. */
  retune(limits: BreakerLimits | undefined): void {
    if (limits === undefined && this.#limits !== undefined) this.reset();
    this.#limits = limits;
  }

  status(): BreakerStatus | undefined {
    if (this.#limits === undefined) return undefined;
    const circuit = this.#circuit;
    return Object.freeze({
      state: circuit.is,
      failures: circuit.is === 'closed' ? circuit.failures : this.#limits.failures,
      failuresMax: this.#limits.failures,
      resetMs: this.#limits.resetMs,
      nextProbeInMs: nextProbeInMs(circuit, this.#limits, this.#clock.nowMs()),
      opened: this.#opened,
    });
  }

  /** Why nobody passes now. */
  refusal(): DistcacheError {
    const inMs = this.#limits && nextProbeInMs(this.#circuit, this.#limits, this.#clock.nowMs());
    const next =
      inMs === undefined ? 'one load is trying it now' : `one load may try it in ${formatDuration(Math.ceil(inMs))}`;
    return new DistcacheError(
      'DATA_SOURCE_CIRCUIT_OPEN',
      `the data source of keyspace '${this.#keyspace}' keeps failing, so it is not asked: its circuit is open; ${next}`,
    );
  }

  #become(circuit: Circuit): void {
    const from = this.#circuit.is;
    this.#circuit = circuit;
    if (circuit.is === from) return;
    if (circuit.is === 'open') this.#opened++;
    this.#changed(from, circuit.is);
  }
}
