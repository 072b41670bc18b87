import { gapWidth } from './columns.js';
import { type Line, pad, span, widthOf } from './text.js';

/** A small table within a details page: as wide as it must be, the first column to the left, the others to the right. */
export function simpleTable(head: readonly string[], rows: readonly (readonly string[])[]): readonly Line[] {
  const widths = head.map((title, column) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  const lineOf = (cells: readonly string[]): string =>
    cells.map((text, column) => pad(text, widths[column]!, column === 0 ? 'left' : 'right')).join(' '.repeat(gapWidth));
  return [[span(lineOf(head), 'dim')], ...rows.map((row): Line => [span(lineOf(row))])];
}
