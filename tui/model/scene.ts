import { chosenIndex, filtered, sorted } from './list.js';
import type { Snapshot } from './snapshot.js';
import type { Ui } from './ui.js';
import { type AnyRow, type AnyView, viewOf } from './views.js';

/** The list in view as the person has ordered it. */
export interface Scene {
  readonly view: AnyView;
  readonly rows: readonly AnyRow[];
  /** Before the filter. */
  readonly total: number;
  /** -1: no rows. */
  readonly chosen: number;
}

export function sceneOf(snapshot: Snapshot, ui: Ui): Scene {
  const view = viewOf(ui.view);
  const { filter, sort, chosen } = ui.lists[ui.view];
  const all = view.rows(snapshot);
  const rows = sorted(filtered(all, filter, view.words), view.columns([]), sort);
  return {
    view,
    rows,
    total: all.length,
    chosen: chosenIndex(
      rows.map(({ id }) => id),
      chosen,
    ),
  };
}

/** The row that details or an action are about: looked up by id in all rows, whatever the filter hides. */
export const rowById = (snapshot: Snapshot, view: AnyView, id: string): AnyRow | undefined =>
  view.rows(snapshot).find((row) => row.id === id);
