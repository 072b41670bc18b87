import { getHeapStatistics } from 'node:v8';
import type { Clock } from '../ports/clock.js';
import type { ProcessGauges } from '../ports/insight.js';
import { EventLoopLag } from './event-loop-lag.js';

export interface StoppableGauges extends ProcessGauges {
  stop(): void;
}

/** Watches the event loop of this process until it is stopped. */
export function processGauges(clock: Clock): StoppableGauges {
  const lag = new EventLoopLag(clock);
  lag.start();
  return {
    memory() {
      const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
      const { heap_size_limit: heapLimitBytes } = getHeapStatistics();
      return { rssBytes: rss, heapUsedBytes: heapUsed, heapLimitBytes, arrayBuffersBytes: arrayBuffers };
    },
    eventLoopLag: () => lag.summary(),
    stop: () => lag.stop(),
  };
}
