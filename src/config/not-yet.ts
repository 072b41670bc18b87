import type { Path } from './problems.js';
import { quoted } from './problems.js';

/**
 * What the config file knows and this release does not do. Nothing here is silently ignored: a key whose absence would
 * leave data open, or change what answers mean, is refused; the others are checked, and a warning says that they do
 * nothing. A release that brings one of them deletes its row here.
 */
export interface NotYet {
  /** Keys from the top, `*` for any name; or a flag of `node start`. */
  readonly path: string;
  readonly is: 'refuse' | 'warn';
  /** Only these values; without it, any. */
  readonly when?: (value: unknown) => boolean;
  /** What to do instead. */
  readonly instead?: string;
}

export const notYet: readonly NotYet[] = [
  { path: 'timeouts.keepAlive', is: 'warn' },
  { path: '--workers', is: 'refuse', when: (value) => value !== 1, instead: 'use 1 or leave it out' },
];

export interface NotYetFinding {
  readonly path: Path;
  readonly is: NotYet['is'];
  readonly message: string;
}

const finding = (row: NotYet, path: Path, value: unknown): NotYetFinding | undefined => {
  if (value === undefined || (row.when !== undefined && !row.when(value))) return undefined;
  if (row.is === 'warn') return { path, is: 'warn', message: 'not in force in this release and has no effect' };
  const found = typeof value === 'string' ? `${quoted(value)} comes in a later release` : 'comes in a later release';
  return {
    path,
    is: 'refuse',
    message: `${found}, so it is refused rather than ignored; ${row.instead ?? 'leave it out'}`,
  };
};

/** Everything of the file that this release does not do. */
export function notYetInFile(root: unknown, rows: readonly NotYet[] = notYet): readonly NotYetFinding[] {
  return rows.flatMap((row) =>
    placesOf(root, row.path.split('.')).flatMap(({ path, value }) => finding(row, path, value) ?? []),
  );
}

/** `path` is a flag of its own (`--workers`), or the key of the file that a flag stands for. */
export const notYetInFlag = (
  path: string,
  value: unknown,
  rows: readonly NotYet[] = notYet,
): NotYetFinding | undefined => {
  const covering = rows.filter((row) => row.path === path || path.startsWith(`${row.path}.`));
  return covering.map((row) => finding(row, [path], value)).find((found) => found !== undefined);
};

function placesOf(
  value: unknown,
  steps: readonly string[],
  path: Path = [],
): readonly { path: Path; value: unknown }[] {
  const [step, ...rest] = steps;
  if (step === undefined) return [{ path, value }];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const names = step === '*' ? Object.keys(value) : Object.hasOwn(value, step) ? [step] : [];
  return names.flatMap((name) => placesOf((value as Record<string, unknown>)[name], rest, [...path, name]));
}
