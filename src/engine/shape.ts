import type { Found, GetOptions, Lookup } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import { copyOut } from '../store/bytes.js';
import type { Answer } from './keyspace.js';

type Lending = Pick<GetOptions, 'shared'> | undefined;

/** Gives answers the form that callers see: their own bytes, unless they asked to borrow ours, and a date for the expiry. */
export class Shape {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  lookup(key: string, answer: Answer, options: Lending): Lookup {
    if (answer.value !== null) return this.found(key, answer.value, answer, options);
    const { version, outcome, node } = answer;
    return { found: false, key, outcome, node, version, expiresAt: this.#date(answer.expiresAtMs) };
  }

  found(key: string, value: Uint8Array, answer: Answer, options: Lending): Found {
    return {
      found: true,
      key,
      value: options?.shared === true ? value : copyOut(value),
      outcome: answer.outcome,
      node: answer.node,
      version: answer.version,
      expiresAt: this.#date(answer.expiresAtMs),
    };
  }

  #date(expiresAtMs: number): Date | undefined {
    if (expiresAtMs === Number.POSITIVE_INFINITY) return undefined;
    return new Date(this.#clock.wallMs() + expiresAtMs - this.#clock.nowMs());
  }
}
