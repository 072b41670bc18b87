import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { DialProblem } from '../ports/peers.js';

/** The same sentence about the same address is logged at most this often. */
const repeatMs = 60_000;
/** Addresses remembered; beyond, the one logged longest ago is forgotten, and may be logged early. */
const addressesMax = 1000;

/** Tells of peers that can't be linked, without filling the log while they stay away. */
export class DialLog {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #told = new Map<string, { message: string; atMs: number }>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  report(problem: DialProblem): void {
    const { address, message, passing } = problem;
    const nowMs = this.#clock.nowMs();
    const last = this.#told.get(address);
    if (last?.message === message && nowMs - last.atMs < repeatMs) return;
    this.#told.delete(address);
    this.#told.set(address, { message, atMs: nowMs });
    if (this.#told.size > addressesMax) this.#told.delete(this.#told.keys().next().value!);
    this.#log.write(passing ? 'warn' : 'error', `no link to ${address}: ${message}`, { address });
  }
}
