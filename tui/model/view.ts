import type { Action } from './actions.js';
import type { Column, Look } from './columns.js';
import type { Snapshot } from './snapshot.js';
import type { Line } from './text.js';

export const viewNames = ['nodes', 'keyspaces', 'hotkeys', 'sources', 'events'] as const;
export type ViewName = (typeof viewNames)[number];

/** One list of the dashboard. */
export interface View<Row extends { readonly id: string }> {
  readonly name: ViewName;
  readonly title: string;
  readonly rows: (snapshot: Snapshot) => readonly Row[];
  /** Some depend on all rows: bars of a common scale. */
  readonly columns: (rows: readonly Row[]) => readonly Column<Row>[];
  /** The column that rows are ordered by at first. */
  readonly sortedBy: string;
  /** What `/` looks through. */
  readonly words: (row: Row) => string;
  readonly details: (row: Row, look: Look) => Details;
  /** Why there are no rows. */
  readonly empty: (snapshot: Snapshot) => string;
  /** What can be done to a row where writes are allowed. */
  readonly action?: { readonly key: string; readonly help: string; readonly of: (row: Row) => Action };
}

export interface Details {
  readonly title: string;
  readonly lines: readonly Line[];
}
