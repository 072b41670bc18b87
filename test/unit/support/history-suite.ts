import { expect } from 'chai';
import { judge } from '../../support/history/judge.js';
import type { CheckOptions } from '../../support/history/options.js';
import { Tale } from '../../support/history/tale.js';
import { textOf } from '../../support/history/violations.js';

export type Row = readonly [
  what: string,
  tell: (tale: Tale) => unknown,
  fires: readonly string[],
  options?: CheckOptions,
];

/** Names of the checkers that fire, each once. */
function fired([, tell, , options]: Row): readonly string[] {
  const tale = new Tale();
  tell(tale);
  const { violations } = judge(tale.history, options);
  for (const found of violations) expect(textOf(found)).to.match(/^(C\d+|G\d): \S.*\n {4}\[/);
  return [...new Set(violations.map(({ checker }) => checker))];
}

/** Each row is a test: what is told, and the checkers that fire then. */
export function suite(name: string, rows: readonly Row[]): void {
  describe(name, () => {
    for (const row of rows) it(row[0], () => expect(fired(row)).to.deep.equal(row[2]));
  });
}
