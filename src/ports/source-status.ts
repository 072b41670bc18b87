/** What stands before a keyspace's data source on one node, as it is at one moment. */
export interface SourceStatus {
  /** undefined: the keyspace has no breaker. */
  readonly breaker: BreakerStatus | undefined;
  /** undefined: the keyspace has no rate limit. */
  readonly rateLimit: RateLimitStatus | undefined;
  /** Loads in flight, and how many may be. */
  readonly running: number;
  readonly maxConcurrent: number;
  /** Loads that wait for a place, and how many may. */
  readonly queued: number;
  readonly maxQueued: number;
  /** Until a load is given up. */
  readonly loadTimeoutMs: number;
  readonly counts: SourceCounts;
}

/** `closed` lets all loads pass, `open` none, `half-open` has let one through and waits for what it comes to. */
export type CircuitState = 'closed' | 'open' | 'half-open';

export interface BreakerStatus {
  readonly state: CircuitState;
  /** In a row; what opens the circuit is `failuresMax`. */
  readonly failures: number;
  readonly failuresMax: number;
  readonly resetMs: number;
  /** Of an open circuit: until one load is let through to try. 0: the next one is. undefined in other states. */
  readonly nextProbeInMs: number | undefined;
  /** Times it opened since start, failed probes included. */
  readonly opened: number;
}

export interface RateLimitStatus {
  /** In the bucket, 0 to `burst`. */
  readonly tokens: number;
  readonly perSecond: number;
  readonly burst: number;
  /** How long a load may wait for a token. */
  readonly waitMs: number;
  /** Loads that wait for one. */
  readonly waiting: number;
  /** Until there is one for a load that comes now; 0: there is. */
  readonly nextTokenInMs: number;
}

/**
 * Since start, a batch of keys being one load. Law: loads begun = answered + failed + cancelled + circuitOpen + rateLimited + overloaded, and those under
 * way.
 */
export interface SourceCounts {
  /** The source said what it has, or that it has nothing. */
  readonly answered: number;
  /** It threw, said something of no use, or took too long. */
  readonly failed: number;
  /** Nobody waited any more, or the source asked the cache for something that was refused there: nothing to blame it for. */
  readonly cancelled: number;
  /** Refused before the source was asked. */
  readonly circuitOpen: number;
  readonly rateLimited: number;
  readonly overloaded: number;
}
