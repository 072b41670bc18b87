import type { Look } from './columns.js';
import { headerLines, listLines } from './frame.js';
import { sceneOf } from './scene.js';
import type { Snapshot } from './snapshot.js';
import type { Line } from './text.js';
import type { Ui } from './ui.js';

/** One frame for paper: all lines of the list, none of them chosen, and no keys. */
export function printedLines(snapshot: Snapshot, ui: Ui, columns: number, look: Look): readonly Line[] {
  const scene = { ...sceneOf(snapshot, ui), chosen: -1 };
  return [...headerLines(snapshot, undefined, columns, look), [], ...listLines(snapshot, scene, ui, columns, look)];
}
