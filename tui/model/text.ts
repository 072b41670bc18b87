import stringWidth from 'string-width';

/** How a piece of text looks. Colour never says anything that the text beside it does not. */
export type Tone =
  | 'plain'
  | 'dim'
  | 'strong'
  /** Bars, sparklines. */
  | 'accent'
  | 'good'
  | 'warn'
  | 'bad'
  /** On a ground of its own, readable on dark and light screens alike. */
  | 'chosen'
  | 'warning'
  | 'alarm';

export interface Span {
  readonly text: string;
  readonly tone: Tone;
}

/** One line of the screen. */
export type Line = readonly Span[];

export const span = (text: string, tone: Tone = 'plain'): Span => ({ text, tone });

/**
 * What would drive the terminal, break the line, or turn the order of what stands beside it (U+202E and its like): keys
 * and names come from anybody.
 */
const unprintable = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
const loneSurrogate = /[\ud800-\udfff]/gu;

/** Characters of a text that are looked at: no line is longer, and a key may be of any length. */
const charsMax = 1_000;

/** The text as it may be shown: what cannot be printed stands as `\u001b`. */
export function clean(text: string): string {
  const shown = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
  return shown
    .replace(unprintable, (char) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`)
    .replace(loneSurrogate, '\ufffd');
}

const isAscii = (text: string): boolean => /^[\u0020-\u007e]*$/.test(text);

/** Cells that the text takes on the screen. */
export const widthOf = (text: string): number => (isAscii(text) ? text.length : stringWidth(text));

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** As much of the text as fits, with an ellipsis where something is left out. */
export function shorten(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width <= 0) return '';
  let kept = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const cells = widthOf(segment);
    if (used + cells > width - 1) break;
    kept += segment;
    used += cells;
  }
  return `${kept}…`;
}

/** The end of the text, which is what somebody who types wants to see. */
export function shortenStart(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const segments = [...graphemes.segment(text)].map(({ segment }) => segment);
  let kept = '';
  for (const segment of segments.reverse()) {
    if (widthOf(segment) + widthOf(kept) > width - 1) break;
    kept = segment + kept;
  }
  return width <= 0 ? '' : `…${kept}`;
}

export type Align = 'left' | 'right';

/** Exactly `width` cells. */
export function pad(text: string, width: number, align: Align = 'left'): string {
  const shown = shorten(text, width);
  const gap = ' '.repeat(Math.max(0, width - widthOf(shown)));
  return align === 'left' ? shown + gap : gap + shown;
}

export const lineWidth = (line: Line): number => line.reduce((sum, { text }) => sum + widthOf(text), 0);

/** The line cut to `width` cells; the span that crosses the edge is shortened. */
export function cutLine(line: Line, width: number): Line {
  const kept: Span[] = [];
  let left = width;
  for (const { text, tone } of line) {
    if (left <= 0) break;
    const shown = shorten(text, left);
    kept.push({ text: shown, tone });
    left -= widthOf(shown);
    if (shown !== text) break;
  }
  return kept;
}

/** Spans at both ends of a line; what stands left gives way. */
export function spread(left: Line, right: Line, width: number): Line {
  const end = cutLine(right, width);
  const room = width - lineWidth(end);
  const start = cutLine(left, Math.max(0, room - (end.length === 0 ? 0 : 1)));
  return [...start, span(' '.repeat(Math.max(0, room - lineWidth(start)))), ...end];
}

/** All of it on one ground, over the whole width: a bar. */
export const bar = (line: Line, width: number, tone: Tone): Line => [
  span(pad(line.map(({ text }) => text).join(''), width), tone),
];

export const plainText = (line: Line): string => line.map(({ text }) => text).join('');
