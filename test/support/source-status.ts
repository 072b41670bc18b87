import type { SourceStatus } from '../../src/ports/source-status.js';

/** Of a source whose circuit is open, for tests of those who carry and show it. */
export const sourceStatus: SourceStatus = {
  breaker: { state: 'open', failures: 5, failuresMax: 5, resetMs: 10_000, nextProbeInMs: 8_200, opened: 2 },
  rateLimit: { tokens: 0.5, perSecond: 100, burst: 20, waitMs: 100, waiting: 3, nextTokenInMs: 35 },
  running: 1,
  maxConcurrent: 64,
  queued: 2,
  maxQueued: 10_000,
  loadTimeoutMs: 4_750,
  counts: { answered: 7, failed: 6, cancelled: 5, circuitOpen: 4, rateLimited: 3, overloaded: 2 },
};
