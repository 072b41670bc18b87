import type { SourceLimits } from '../source/guarded-source.js';
import type { EngineLimits, ResolvedKeyspace } from './options.js';

/** Part of a read's time, and at most so much, that a load leaves for what is answered when it has failed. */
const answerShare = 0.1;
const answerMaxMs = 250;

/** What of a keyspace's options holds for its data source. */
export function sourceLimits(options: ResolvedKeyspace, { maxValueBytes }: EngineLimits): SourceLimits {
  const { maxConcurrentLoads, maxQueuedLoads, readTimeoutMs, rate, breaker, batch } = options;
  return {
    maxConcurrent: maxConcurrentLoads,
    maxQueued: maxQueuedLoads,
    maxValueBytes,
    loadTimeoutMs: readTimeoutMs - Math.min(answerMaxMs, readTimeoutMs * answerShare),
    rate,
    breaker,
    batch,
  };
}
