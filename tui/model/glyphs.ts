/** Signs beyond letters. The plain set is for terminals that are told to speak no UTF-8. */
export interface Glyphs {
  readonly chosen: string;
  readonly good: string;
  readonly half: string;
  readonly bad: string;
  readonly gone: string;
  readonly full: string;
  readonly rest: string;
  /** Parts of a cell, from an eighth to seven; empty where there are none. */
  readonly parts: readonly string[];
  /** From little to much. */
  readonly spark: readonly string[];
  readonly rule: string;
  readonly up: string;
  readonly down: string;
  readonly dot: string;
  readonly enter: string;
}

export const unicode: Glyphs = {
  chosen: '›',
  good: '●',
  half: '◐',
  bad: '▲',
  gone: '○',
  full: '█',
  rest: '·',
  parts: ['▏', '▎', '▍', '▌', '▋', '▊', '▉'],
  spark: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
  rule: '─',
  up: '↑',
  down: '↓',
  dot: '·',
  enter: '⏎',
};

export const ascii: Glyphs = {
  chosen: '>',
  good: '*',
  half: '~',
  bad: '!',
  gone: 'o',
  full: '#',
  rest: '.',
  parts: [],
  spark: ['_', '.', '-', '=', '+', '*', '#'],
  rule: '-',
  up: '^',
  down: 'v',
  dot: '|',
  enter: 'enter',
};

/** Plain signs only where the locale says so: in containers it is often unset, and the terminal outside knows UTF-8. */
export function glyphsFor(env: Readonly<Record<string, string | undefined>>): Glyphs {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '');
  if (env.TERM === 'linux') return ascii;
  return locale === undefined || /utf-?8/i.test(locale) ? unicode : ascii;
}
