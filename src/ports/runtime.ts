/** The process that a node runs in, as it is now; times and utilization since start. */
export interface RuntimeReading {
  readonly residentBytes: number;
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
  readonly heapSpaces: readonly { readonly name: string; readonly usedBytes: number; readonly sizeBytes: number }[];
  /** How late the event loop was, over the last ten seconds or so. */
  readonly lag: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  /** Part of the time in which the event loop had something to do, since it was last asked. */
  readonly utilization: number;
}
