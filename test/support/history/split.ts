import type { ReadRecord, WriteRecord } from './records.js';

/** A long split: nodes of one side hear nothing of the others' writes until they have found each other again. */
export interface Split {
  readonly fromMs: number;
  /** When the sides have agreed. */
  readonly toMs: number;
  /** Names of the nodes of each side. */
  readonly sides: readonly (readonly string[])[];
}

/** The read need not know of the write: it was made, by whoever was asked or by the key's owner, on another side. */
export function areApart(
  { fromMs, toMs, sides }: Split,
  read: ReadRecord,
  { node, outcome, endMs }: WriteRecord,
): boolean {
  if (endMs < fromMs || read.startMs > toMs) return false;
  const sideOf = (name: string): number => sides.findIndex((side) => side.includes(name));
  const by = (outcome.is === 'ok' && outcome.by) || node;
  return [node, by].some((name) => sideOf(name) !== sideOf(read.node));
}
