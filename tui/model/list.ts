import type { Column, SortValue } from './columns.js';

/** What is kept of a list from one refresh to the next. */
export interface ListState {
  /** The row, and where it stood: another takes its place where it is gone. Undefined: whichever comes first. */
  readonly chosen: { readonly id: string; readonly index: number } | undefined;
  readonly filter: string;
  readonly sort: { readonly column: string; readonly descending: boolean };
}

interface Row {
  readonly id: string;
}

/** Rows that hold all words of the filter, in any order and either case. */
export function filtered<R extends Row>(rows: readonly R[], filter: string, words: (row: R) => string): readonly R[] {
  const wanted = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (wanted.length === 0) return rows;
  return rows.filter((row) => {
    const text = words(row).toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}

/** Equal rows keep the order of their ids, and rows without a value come last, whichever way the others go. */
export function sorted<R extends Row>(
  rows: readonly R[],
  columns: readonly Column<R>[],
  { column, descending }: ListState['sort'],
): readonly R[] {
  const sort = columns.find(({ id }) => id === column)?.sort;
  if (sort === undefined) return rows;
  const keyed = rows.map((row) => ({ row, value: sort(row) }));
  const sign = descending ? -1 : 1;
  keyed.sort((a, b) => {
    if (a.value === undefined || b.value === undefined) {
      return Number(a.value === undefined) - Number(b.value === undefined) || byId(a.row, b.row);
    }
    return sign * compare(a.value, b.value) || byId(a.row, b.row);
  });
  return keyed.map(({ row }) => row);
}

const byId = (a: Row, b: Row): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

function compare(a: NonNullable<SortValue>, b: NonNullable<SortValue>): number {
  if (typeof a === 'number' && typeof b === 'number') return a === b ? 0 : a - b;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Where the chosen row stands now; -1 where there are no rows. */
export function chosenIndex(ids: readonly string[], chosen: ListState['chosen']): number {
  if (chosen === undefined) return ids.length === 0 ? -1 : 0;
  const found = ids.indexOf(chosen.id);
  return found >= 0 ? found : Math.min(chosen.index, ids.length - 1);
}

/** The first row to show of `count`, so that `index` is in sight, in the middle where there is more on both sides. */
export const firstShown = (index: number, height: number, count: number): number =>
  Math.max(0, Math.min(index - Math.floor(height / 2), count - height));

/** The next column that can be sorted by, in its first order. */
export function nextSort<R>(columns: readonly Column<R>[], { column }: ListState['sort']): ListState['sort'] {
  const sortable = columns.filter(({ sort }) => sort !== undefined);
  const at = sortable.findIndex(({ id }) => id === column);
  const next = sortable[(at + 1) % sortable.length]!;
  return { column: next.id, descending: next.greatestFirst === true };
}
