import { getHeapSpaceStatistics } from 'node:v8';
import type { ProcessGauges } from '../ports/insight.js';
import type { RuntimeReading } from '../ports/runtime.js';

/** Reads this process; `gauges` watch its event loop. */
export function runtimeReader(gauges: Pick<ProcessGauges, 'eventLoopLag'>): () => RuntimeReading {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    const { user, system } = process.cpuUsage();
    return {
      residentBytes: process.memoryUsage.rss(),
      cpuUserMs: user / 1000,
      cpuSystemMs: system / 1000,
      heapSpaces: getHeapSpaceStatistics().map(({ space_name, space_used_size, space_size }) => ({
        name: space_name,
        usedBytes: space_used_size,
        sizeBytes: space_size,
      })),
      lag: gauges.eventLoopLag(),
      // No time has passed where two ask at once.
      utilization: Number.isFinite(utilization) ? utilization : 0,
    };
  };
}
