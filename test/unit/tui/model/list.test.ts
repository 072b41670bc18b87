import { expect } from 'chai';
import type { Column } from '../../../../tui/model/columns.js';
import { placeColumns } from '../../../../tui/model/columns.js';
import { chosenIndex, filtered, firstShown, nextSort, sorted } from '../../../../tui/model/list.js';

interface Row {
  readonly id: string;
  readonly n: number | undefined;
}

const column = (id: string, rank = 0, width = 5): Column<Row> => ({ id, heading: id, width, rank, cell: () => id });
const columns: readonly Column<Row>[] = [
  { ...column('id'), sort: ({ id }) => id },
  { ...column('n', 1), sort: ({ n }) => n, greatestFirst: true },
  column('unsorted', 2),
];
const rows: readonly Row[] = [
  { id: 'b', n: 2 },
  { id: 'c', n: undefined },
  { id: 'a', n: 2 },
  { id: 'd', n: 7 },
];
const ids = (found: readonly Row[]): string => found.map(({ id }) => id).join('');

describe('lists of the dashboard', () => {
  it('orders by a column either way; equals by id, and unknown ones last', () => {
    expect(ids(sorted(rows, columns, { column: 'n', descending: true }))).to.equal('dabc');
    expect(ids(sorted(rows, columns, { column: 'n', descending: false }))).to.equal('abdc');
    expect(ids(sorted(rows, columns, { column: 'id', descending: true }))).to.equal('dcba');
    expect(ids(sorted(rows, columns, { column: 'unsorted', descending: true }))).to.equal('bcad');
  });

  it('goes through the columns that can be ordered by', () => {
    expect(nextSort(columns, { column: 'id', descending: true })).to.deep.equal({ column: 'n', descending: true });
    expect(nextSort(columns, { column: 'n', descending: true })).to.deep.equal({ column: 'id', descending: false });
  });

  it('keeps rows that hold all words, in either case', () => {
    const words = ({ id }: Row): string => `Name-${id} alive`;
    expect(ids(filtered(rows, 'ALIVE name-a', words))).to.equal('a');
    expect(ids(filtered(rows, '  ', words))).to.equal('bcad');
    expect(ids(filtered(rows, '.*', words))).to.equal('');
  });

  it('finds the chosen row where it stands now, and its place when it is gone', () => {
    expect(chosenIndex(['a', 'b', 'c'], { id: 'c', index: 0 })).to.equal(2);
    expect(chosenIndex(['a', 'b', 'c'], { id: 'x', index: 1 })).to.equal(1);
    expect(chosenIndex(['a'], { id: 'x', index: 5 })).to.equal(0);
    expect(chosenIndex(['a'], undefined)).to.equal(0);
    expect(chosenIndex([], { id: 'x', index: 5 })).to.equal(-1);
  });

  it('keeps the chosen row in sight, and shows no more emptiness than it must', () => {
    for (let count = 0; count < 30; count++) {
      for (let index = 0; index < count; index++) {
        const first = firstShown(index, 7, count);
        expect(first, `${index} of ${count}`).to.be.within(0, Math.max(0, count - 7));
        expect(index - first, `${index} of ${count}`).to.be.within(0, 6);
      }
    }
  });

  it('leaves out the least needed columns where the screen is narrow', () => {
    const placed = (width: number): string =>
      placeColumns(columns, rows, width)
        .map(({ column: { id } }) => id)
        .join(' ');
    expect(placed(21)).to.equal('id n unsorted');
    expect(placed(20)).to.equal('id n');
    expect(placed(13)).to.equal('id');
    expect(placeColumns(columns, rows, 4)[0]!.width).to.equal(2);
  });

  it('gives what is left to columns that can use it', () => {
    const growing = [
      { ...column('id'), growsTo: ({ id }: Row) => id.repeat(9) },
      { ...column('n'), growsTo: 60 },
    ];
    const placed = placeColumns(growing, rows, 100);
    expect(placed.map(({ width }) => width)).to.deep.equal([9, 60]);
    expect(placeColumns(growing, rows, 30).map(({ width }) => width)).to.deep.equal([9, 17]);
  });
});
