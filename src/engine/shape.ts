import { dateAt } from '../base/lifetimes.js';
import type { Found, GetOptions, Lookup } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { Outcome } from '../ports/peers.js';
import { copyOut } from '../store/bytes.js';
import type { Entry } from '../store/entry.js';
import { type Answer, outcomeOf } from './keyspace.js';

type Lending = Pick<GetOptions, 'shared'> | undefined;

/** Expiry is told to people by the wall clock, whose distance from the monotonic one is measured anew after this long. */
const offsetGoodMs = 1000;

/** Gives answers the form that callers see: their own bytes, unless they asked to borrow ours, and a date for the expiry. */
export class Shape {
  readonly #clock: Clock;
  readonly #self: () => NodeInfo;
  #offsetMs = 0;
  #offsetReadMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, self: () => NodeInfo) {
    this.#clock = clock;
    this.#self = self;
  }

  /** What this node's memory holds. */
  remembered(entry: Entry, options: Lending): Lookup {
    const { key, value, version, expiresAtMs } = entry;
    const { name } = this.#self();
    if (value === null) return this.#missing(key, name, version, expiresAtMs);
    return this.#found(key, value, outcomeOf(entry), name, version, expiresAtMs, options);
  }

  answered(key: string, { value, outcome, node, version, expiresAtMs }: Answer, options: Lending): Lookup {
    if (value === null) return this.#missing(key, node, version, expiresAtMs);
    const found = this.#found(key, value, outcome, node, version, expiresAtMs, options);
    return outcome === 'stale' ? { ...found, staleMs: Math.max(0, this.#clock.nowMs() - expiresAtMs) } : found;
  }

  #found(
    key: string,
    value: Uint8Array,
    outcome: Outcome,
    node: string,
    version: number,
    expiresAtMs: number,
    options: Lending,
  ): Found {
    const bytes = options?.shared === true ? value : copyOut(value);
    return { found: true, key, value: bytes, outcome, node, version, expiresAt: this.#date(expiresAtMs) };
  }

  #missing(key: string, node: string, version: number, expiresAtMs: number): Lookup {
    // An absence that is not remembered has no expiry to tell of.
    const remembered = expiresAtMs > this.#clock.nowMs();
    const expiresAt = remembered ? this.#date(expiresAtMs) : undefined;
    return { found: false, key, outcome: 'negative', node, version, expiresAt };
  }

  #date(expiresAtMs: number): Date | undefined {
    if (expiresAtMs === Number.POSITIVE_INFINITY) return undefined;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#offsetReadMs >= offsetGoodMs) {
      this.#offsetMs = this.#clock.wallMs() - nowMs;
      this.#offsetReadMs = nowMs;
    }
    return dateAt(expiresAtMs + this.#offsetMs);
  }
}
