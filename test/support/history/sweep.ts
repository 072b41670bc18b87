/*
 * Most checkers ask the same of each read: what is the highest that had ended before it began? One pass over all begins
 * and ends in order of their steps answers that for all reads, n log n for the sort.
 */

interface Stepped {
  readonly startStep: number;
  readonly endStep: number;
}

/**
 * Calls `judge` for each of `later` with that of `earlier` which has the highest `rank` among those that ended before the
 * later one began. A rank that is not a number is no rank; nothing is called where nothing has ended.
 */
export function againstHighestBefore<A extends Stepped, B extends Stepped>(
  earlier: readonly A[],
  later: readonly B[],
  rank: (record: A) => number,
  judge: (later: B, highest: A) => void,
): void {
  const ended = earlier.filter((record) => !Number.isNaN(rank(record))).sort((a, b) => a.endStep - b.endStep);
  const begun = [...later].sort((a, b) => a.startStep - b.startStep);
  let next = 0;
  let highest: A | undefined;
  for (const record of begun) {
    for (; next < ended.length && ended[next]!.endStep < record.startStep; next++) {
      if (highest === undefined || rank(ended[next]!) > rank(highest)) highest = ended[next]!;
    }
    if (highest !== undefined) judge(record, highest);
  }
}
