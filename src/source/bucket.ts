/*
 * A token bucket as a value. It holds up to `burst` tokens, starts full, and gains `perSecond` of them, evenly: half a
 * token is half way to the next. A load takes one. No clock; the time is handed in and never goes back.
 */

export interface RateLimits {
  readonly perSecond: number;
  /** Loads that may start at once after a quiet time; a whole number. */
  readonly burst: number;
  /** How long a load may wait for its token. 0: it is refused at once. */
  readonly waitMs: number;
}

export interface Bucket {
  readonly tokens: number;
  /** When it held that many. */
  readonly atMs: number;
}

/** Sums of fractions miss a whole token by this much at most, which is not worth a wait. */
const rounding = 1e-9;

export const fullBucket = ({ burst }: RateLimits, nowMs: number): Bucket => ({ tokens: burst, atMs: nowMs });

/** The same bucket at a later time. */
export function refilled({ tokens, atMs }: Bucket, { perSecond, burst }: RateLimits, nowMs: number): Bucket {
  return { tokens: Math.min(burst, tokens + ((nowMs - atMs) * perSecond) / 1000), atMs: nowMs };
}

/** The bucket without one token; undefined where it holds none. */
export function taken(bucket: Bucket, limits: RateLimits, nowMs: number): Bucket | undefined {
  const { tokens } = refilled(bucket, limits, nowMs);
  return tokens + rounding < 1 ? undefined : { tokens: Math.max(0, tokens - 1), atMs: nowMs };
}

/** Milliseconds until it has held `count` tokens for others to take; 0: now. */
export function tokensInMs(bucket: Bucket, count: number, limits: RateLimits, nowMs: number): number {
  const missing = count - refilled(bucket, limits, nowMs).tokens;
  return missing <= rounding ? 0 : (missing / limits.perSecond) * 1000;
}
