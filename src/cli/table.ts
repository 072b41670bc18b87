import Table from 'cli-table3';
import type { Sink } from './terminal.js';

/** A column: its heading and how to read a cell of a row. Numbers align to the right. */
export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => string | number;
  /** Shortened with an ellipsis first when the terminal is too narrow; at most one column says so. */
  readonly flexible?: boolean;
}

const gapWidth = 2;
const narrowest = 8;

/**
 * A plain table: headings in capitals, columns two spaces apart, no lines, so that `awk` and eyes read it alike.
 * Fits the width of a terminal where one is; in a pipe nothing is shortened.
 */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  sink: Pick<Sink, 'isTerminal' | 'columns'>,
): string {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const widths = columns.map((column, index) =>
    Math.max(column.heading.length, ...cells.map((row) => String(row[index]).length)),
  );
  const spare = sink.columns - widths.reduce((sum, width) => sum + width + gapWidth, -gapWidth);
  const flexible = columns.findIndex((column) => column.flexible);
  if (sink.isTerminal && spare < 0 && flexible !== -1) {
    widths[flexible] = Math.max(narrowest, widths[flexible]! + spare);
  }
  const drawn = new Table({
    head: columns.map((column) => column.heading.toUpperCase()),
    colWidths: widths,
    colAligns: columns.map((_, index) =>
      cells.length > 0 && cells.every((row) => typeof row[index] === 'number') ? 'right' : 'left',
    ),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    chars: { ...Object.fromEntries(borders.map((name) => [name, ''])), middle: ' '.repeat(gapWidth) },
  });
  drawn.push(...cells.map((row) => [...row]));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

const borders = [
  ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
  ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
];

/** Two columns, names and values: for one thing with many properties. */
export const properties = (pairs: readonly (readonly [name: string, value: string | number])[]): string => {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
};
