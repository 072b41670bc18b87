import type { Glyphs } from './glyphs.js';
import { type Align, type Line, pad, type Span, span, type Tone, widthOf } from './text.js';

/** What a cell may depend on beside its row. */
export interface Look {
  readonly glyphs: Glyphs;
  /** By the clock that samples were taken with. */
  readonly nowMs: number;
}

export type SortValue = number | string | undefined;

/** A column of a table of rows. */
export interface Column<Row> {
  readonly id: string;
  readonly heading: string;
  readonly align?: Align;
  /** Cells that it takes at least; with room for the arrow of the order beside the heading. */
  readonly width: number;
  /** It takes what others leave, up to this many cells: a number, or what its longest text needs. */
  readonly growsTo?: number | ((row: Row) => string);
  /** Columns of the highest rank go first where the screen is narrow; 0 stays. */
  readonly rank: number;
  readonly cell: (row: Row, width: number, look: Look) => string | Span | Line;
  /** What rows are ordered by; undefined sorts last. Without it nobody can sort by this column. */
  readonly sort?: (row: Row) => SortValue;
  /** The first order is the one with the greatest at the top. */
  readonly greatestFirst?: boolean;
}

export interface PlacedColumn<Row> {
  readonly column: Column<Row>;
  readonly width: number;
}

export const gapWidth = 2;
/** Left of the first column: where the sign of the chosen row stands. */
export const marginWidth = 2;

/** The columns that have room in `width` cells, and how much each gets. */
export function placeColumns<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): readonly PlacedColumn<Row>[] {
  const kept = [...columns];
  const taken = (): number => kept.reduce((sum, column) => sum + column.width + gapWidth, marginWidth - gapWidth);
  while (taken() > width && kept.some(({ rank }) => rank > 0)) {
    const highest = Math.max(...kept.map(({ rank }) => rank));
    kept.splice(
      kept.findLastIndex(({ rank }) => rank === highest),
      1,
    );
  }
  let spare = width - taken();
  return kept.map((column) => {
    const extra = Math.min(Math.max(0, spare), Math.max(0, wanted(column, rows) - column.width));
    spare -= extra;
    // Where not even the last column fits, it is cut rather than wrapped.
    const cut = kept.length === 1 ? Math.min(column.width, width - marginWidth) : column.width;
    return { column, width: Math.max(1, cut + extra) };
  });
}

function wanted<Row>({ growsTo, width }: Column<Row>, rows: readonly Row[]): number {
  if (growsTo === undefined) return width;
  if (typeof growsTo === 'number') return growsTo;
  return rows.reduce((most, row) => Math.max(most, widthOf(growsTo(row))), width);
}

/** One row of the table, without the margin. */
export function rowLine<Row>(row: Row, placed: readonly PlacedColumn<Row>[], look: Look): Line {
  return placed.flatMap(({ column, width }, index) => [
    ...(index === 0 ? [] : [span(' '.repeat(gapWidth))]),
    ...cellSpans(column, row, width, look),
  ]);
}

function cellSpans<Row>(column: Column<Row>, row: Row, width: number, look: Look): Line {
  const cell = column.cell(row, width, look);
  const spans: Line = typeof cell === 'string' ? [span(cell)] : 'text' in cell ? [cell] : cell;
  const [only] = spans;
  if (spans.length === 1 && only !== undefined) return [span(pad(only.text, width, column.align), only.tone)];
  const used = spans.reduce((sum, { text }) => sum + widthOf(text), 0);
  if (used >= width) return [span(pad(spans.map(({ text }) => text).join(''), width), only?.tone ?? 'plain')];
  const gap = span(' '.repeat(width - used));
  return column.align === 'right' ? [gap, ...spans] : [...spans, gap];
}

/** Headings, the one that the rows are ordered by with an arrow. */
export function headingLine<Row>(
  placed: readonly PlacedColumn<Row>[],
  sort: { readonly column: string; readonly descending: boolean },
  glyphs: Glyphs,
): Line {
  return placed.flatMap(({ column, width }, index) => {
    const isSorted = column.id === sort.column;
    const arrow = isSorted ? (sort.descending ? glyphs.down : glyphs.up) : '';
    const text = column.align === 'right' ? arrow + column.heading : column.heading + arrow;
    const tone: Tone = isSorted ? 'strong' : 'dim';
    return [...(index === 0 ? [] : [span(' '.repeat(gapWidth))]), span(pad(text, width, column.align), tone)];
  });
}
