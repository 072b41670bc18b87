import { expect } from 'chai';
import { properties, table } from '../../../src/cli/table.js';

const rows = [
  { name: 'a', count: 5, where: '127.0.0.1:3320' },
  { name: 'longer', count: 1234, where: '[::1]:3320' },
];
const columns = [
  { heading: 'name', cell: (row: (typeof rows)[number]) => row.name },
  { heading: 'count', cell: (row: (typeof rows)[number]) => row.count },
  { heading: 'where', cell: (row: (typeof rows)[number]) => row.where, flexible: true },
];

describe('cli: tables', () => {
  it('set columns two spaces apart, numbers to the right, without trailing blanks', () => {
    expect(table(rows, columns, { isTerminal: false, columns: 80 }).split('\n')).to.deep.equal([
      'NAME    COUNT  WHERE',
      'a           5  127.0.0.1:3320',
      'longer   1234  [::1]:3320',
    ]);
  });

  it('shorten the flexible column on a narrow terminal, and nothing in a pipe', () => {
    const narrow = table(rows, columns, { isTerminal: true, columns: 25 }).split('\n');
    expect(narrow[1]).to.match(/^a {11}5 {2}127\.0\.0\.1…$/);
    expect(Math.max(...narrow.map((line) => line.length))).to.be.at.most(25);
    expect(table(rows, columns, { isTerminal: false, columns: 25 })).to.contain('127.0.0.1:3320');
  });

  it('without rows are their headings', () => {
    expect(table([], columns, { isTerminal: false, columns: 80 })).to.equal('NAME  COUNT  WHERE');
  });

  it('of properties align their values', () => {
    expect(
      properties([
        ['a', 1],
        ['long name', 'x'],
      ]),
    ).to.equal('a          1\nlong name  x');
  });
});
