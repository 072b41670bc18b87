import { type ReadRecord, versionOf, type WriteRecord } from './records.js';

/** A long split: nodes of one side hear nothing of the others' writes until they have found each other again. */
export interface Split {
  readonly fromMs: number;
  /** When the sides have agreed. */
  readonly toMs: number;
  /** Names of the nodes of each side. */
  readonly sides: readonly (readonly string[])[];
}

/** In order of time. One that begins before the sides of the one before have agreed keeps these apart until it is over itself. */
export function lengthened(splits: readonly Split[]): readonly Split[] {
  return splits.map((split, i) => {
    const last = splits
      .slice(i + 1)
      .reduce((one, next) => (next.fromMs <= one.toMs && next.toMs > one.toMs ? next : one), split);
    return { ...split, toMs: last.toMs };
  });
}

/**
 * The read need not know of the write: it was made, by whoever was asked or by the key's owner, on another side; or it gave way to
 * one of another side, which was `seen`, as that has the higher version.
 */
export function areApart(split: Split, read: ReadRecord, write: WriteRecord, seen: WriteRecord | undefined): boolean {
  if (seen !== undefined && isOverruled(split, write, seen)) return true;
  if (write.endMs < split.fromMs || read.startMs > split.toMs) return false;
  return madeBy(write).some((name) => sideOf(split, name) !== sideOf(split, read.node));
}

/** Of two writes on two sides the one with the higher version stays, by clocks that may differ. */
function isOverruled(split: Split, write: WriteRecord, by: WriteRecord): boolean {
  const isMeanwhile = ({ startMs, endMs }: WriteRecord): boolean => endMs >= split.fromMs && startMs <= split.toMs;
  const areSides = madeBy(write).some((name) =>
    madeBy(by).some((other) => sideOf(split, name) !== sideOf(split, other)),
  );
  return isMeanwhile(write) && isMeanwhile(by) && areSides && versionOf(by) > versionOf(write);
}

const sideOf = ({ sides }: Split, name: string): number => sides.findIndex((side) => side.includes(name));

/** Whoever was asked, and the key's owner. */
const madeBy = ({ node, outcome }: WriteRecord): readonly string[] => [
  node,
  (outcome.is === 'ok' && outcome.by) || node,
];
