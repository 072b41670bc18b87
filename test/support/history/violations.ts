import { type HistoryRecord, lineOf } from './records.js';

export type CheckerName = 'C1' | 'C2' | 'C3' | 'C4' | 'C5' | 'C6' | 'C7' | 'C8' | 'C9' | 'C10' | 'G3' | 'G6' | 'G7';

/** A broken promise with what shows it. */
export interface Violation {
  readonly checker: CheckerName;
  readonly what: string;
  readonly records: readonly HistoryRecord[];
}

export const violation = (checker: CheckerName, what: string, ...records: readonly HistoryRecord[]): Violation => ({
  checker,
  what,
  records,
});

export const textOf = ({ checker, what, records }: Violation): string =>
  [`${checker}: ${what}`, ...records.map((record) => `    ${lineOf(record)}`)].join('\n');

/** At most `most` in full, and how many more there are. */
export function textOfAll(violations: readonly Violation[], most = 20): string {
  const more = violations.length - most;
  return [...violations.slice(0, most).map(textOf), ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

export function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
