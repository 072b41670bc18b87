import { ranges } from './ranges.js';
import { nearest } from './suggest.js';

export type Path = readonly (string | number)[];

/** One thing to mend, where to look for it, and what is allowed. Warnings have the same shape. */
export interface Problem {
  readonly file: string;
  /** Counted from 1, in lines and in UTF-16 units as editors do. */
  readonly line: number;
  readonly column: number;
  /** `keyspaces.cities.maxBytes`, `discovery.peers[1]`; '' for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A value of a flag that cannot stand. */
export interface FlagProblem {
  readonly flag: string;
  readonly message: string;
}

/** `file:line:column path: message` */
export const formatProblem = ({ file, line, column, path, message }: Problem): string =>
  `${file}:${line}:${column} ${path === '' ? '' : `${path}: `}${message}`;

export const formatFlagProblem = ({ flag, message }: FlagProblem): string => `${flag}: ${message}`;

export const pathText = (path: Path): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    if (!/^[\p{L}\p{N}_-]+$/u.test(part)) return `${text}[${quoted(part)}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');

/** A value as messages show it: short, on one line. */
export function show(value: unknown): string {
  if (value === null || value === '') return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? quoted(value) : String(value);
}

export const quoted = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);

/** Ends a message about an unknown word. */
export function suggestion(written: unknown, options: readonly string[]): string {
  const near = typeof written === 'string' ? nearest(written, options) : undefined;
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** By place in the file; beyond a hundred the rest is counted. */
export function sortedProblems(problems: readonly Problem[]): readonly Problem[] {
  const sorted = [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
  const kept = sorted.slice(0, ranges.problemsMax);
  const last = kept.at(-1);
  if (last === undefined || kept.length === sorted.length) return kept;
  return [...kept, { ...last, path: '', message: `and ${sorted.length - kept.length} more problems` }];
}
