import { type Duration, parseRate } from '../base/units.js';
import type { BatchLimits } from '../source/batcher.js';
import type { RateLimits } from '../source/bucket.js';
import type { BreakerLimits } from '../source/circuit.js';
import { type Checker, type Path, show } from './option-checks.js';

/** Loads per second, or text such as `100/s`, `600/m`. */
export type Rate = number | string;

export interface RateLimitOptions {
  readonly rate: Rate;
  /** Loads that may start at once after a quiet time. Default: those of one second, at least one. */
  readonly burst?: number | undefined;
  /** How long a load may wait for its turn. Default 0: it is refused at once. */
  readonly wait?: Duration | undefined;
}

export interface BreakerOptions {
  /** Failures in a row that open the circuit. */
  readonly failures: number;
  /** How long it stays open before one load tries again. */
  readonly reset: Duration;
}

export interface BatchOptions {
  /** Keys in one call of `fetchMany`. Default 100; 1: each key is fetched by itself. */
  readonly maxKeys?: number | undefined;
  /** How long the first key waits for others. Default 0: to the end of the current turn of the event loop. */
  readonly window?: Duration | undefined;
}

/** Of every keyspace that does not say otherwise; the bucket and the circuit are each keyspace's own on each node. */
export interface ProtectionOptions {
  readonly rateLimit?: Rate | undefined;
  readonly burst?: number | undefined;
  readonly wait?: Duration | undefined;
  readonly breaker?: BreakerOptions | undefined;
}

interface Protection {
  readonly rate: RateLimits | undefined;
  readonly breaker: BreakerLimits | undefined;
}

const rateMin = 0.0001;
const rateMax = 1e9;
const countMax = 1_000_000;
/** Longer waits are mistakes of units. */
const waitMaxMs = 86_400_000;
const windowMaxMs = 1000;
const batchKeysMax = 10_000;

/** The engine's own defaults. */
export function protectionOf(check: Checker, given: ProtectionOptions = {}): Protection {
  const { rateLimit, burst, wait, breaker } = given;
  if (rateLimit === undefined) {
    for (const [field, value] of Object.entries({ burst, wait })) {
      if (value !== undefined)
        check.problem(['source', field], 'has no effect without source.rateLimit; give that too');
    }
  }
  return {
    rate:
      rateLimit === undefined ? undefined : rateOf(check, ['source'], 'rateLimit', { rate: rateLimit, burst, wait }),
    breaker: breakerOf(check, ['source', 'breaker'], breaker, undefined),
  };
}

/** A keyspace's own limit, whole, or else the engine's. */
export function rateLimitOf(
  check: Checker,
  path: Path,
  given: RateLimitOptions | false | undefined,
  standard: RateLimits | undefined,
): RateLimits | undefined {
  if (given === undefined) return standard;
  if (given === false) return undefined;
  if (given === null || typeof given !== 'object') {
    check.problem(path, `is ${show(given)}, must be { rate, burst?, wait? }, or false for no limit`);
    return standard;
  }
  return rateOf(check, path, 'rate', given);
}

/** A keyspace's own breaker, whole, or else the engine's. */
export function breakerOf(
  check: Checker,
  path: Path,
  given: BreakerOptions | false | undefined,
  standard: BreakerLimits | undefined,
): BreakerLimits | undefined {
  if (given === undefined) return standard;
  if (given === false) return undefined;
  if (given === null || typeof given !== 'object') {
    check.problem(path, `is ${show(given)}, must be { failures, reset }, or false for no breaker`);
    return standard;
  }
  for (const field of ['failures', 'reset'] as const) {
    if (given[field] === undefined) check.problem([...path, field], 'is missing; a breaker needs { failures, reset }');
  }
  return {
    failures: check.count([...path, 'failures'], given.failures, 1, 1, countMax),
    resetMs: check.duration([...path, 'reset'], given.reset, 1, 1, waitMaxMs),
  };
}

export function batchOf(check: Checker, path: Path, given: BatchOptions = {}): BatchLimits {
  if (given === null || typeof given !== 'object')
    check.problem(path, `is ${show(given)}, must be { maxKeys?, window? }`);
  return {
    maxKeys: check.count([...path, 'maxKeys'], given?.maxKeys, 100, 1, batchKeysMax),
    windowMs: check.duration([...path, 'window'], given?.window, 0, 0, windowMaxMs),
  };
}

function rateOf(check: Checker, path: Path, field: string, { rate, burst, wait }: RateLimitOptions): RateLimits {
  const perSecond = typeof rate === 'string' ? parseRate(rate) : rate;
  const isRate = typeof perSecond === 'number' && perSecond >= rateMin && perSecond <= rateMax;
  if (!isRate) {
    check.problem(
      [...path, field],
      `is ${show(rate)}, must be loads per second from ${rateMin} to ${rateMax}, as a number or such as 100/s or 600/m`,
    );
  }
  const perSecondOrOne = isRate ? perSecond : 1;
  return {
    perSecond: perSecondOrOne,
    burst: check.count(
      [...path, 'burst'],
      burst,
      Math.min(countMax, Math.max(1, Math.ceil(perSecondOrOne))),
      1,
      countMax,
    ),
    waitMs: check.duration([...path, 'wait'], wait, 0, 0, waitMaxMs),
  };
}
