import type { SourceDocument } from '../../src/ports/admin.js';
import type { Look } from './columns.js';
import { age, barText, percentShort } from './format.js';
import type { Glyphs } from './glyphs.js';
import type { NodeRow, NodeState } from './node-rows.js';
import { type Line, pad, type Span, span, type Tone } from './text.js';

/** Cells that more than one view draws. */

const nodeSigns: Readonly<Record<NodeState, readonly [keyof Glyphs & ('good' | 'half' | 'bad' | 'gone'), Tone]>> = {
  alive: ['good', 'good'],
  starting: ['half', 'warn'],
  draining: ['half', 'warn'],
  suspect: ['half', 'warn'],
  unreachable: ['bad', 'bad'],
  dead: ['bad', 'bad'],
  left: ['gone', 'dim'],
};

/** A sign, in colour, and the word: each says it alone. */
export function nodeState(state: NodeState, { glyphs }: Look): Line {
  const [sign, tone] = nodeSigns[state];
  return [span(`${glyphs[sign]} `, tone), span(state, state === 'left' ? 'dim' : 'plain')];
}

const breakerSigns: Readonly<Record<SourceDocument['state'], readonly ['good' | 'half' | 'bad' | 'gone', Tone]>> = {
  closed: ['good', 'good'],
  'half-open': ['half', 'warn'],
  open: ['bad', 'bad'],
  off: ['gone', 'dim'],
};

export function breakerState(state: SourceDocument['state'], suffix: string, { glyphs }: Look): Line {
  const [sign, tone] = breakerSigns[state];
  const word = state === 'off' ? 'no breaker' : state;
  return [span(`${glyphs[sign]} `, tone), span(word + suffix, state === 'off' ? 'dim' : 'plain')];
}

/** A bar, then the number it stands for, right-aligned in `textWidth` cells. */
export function barCell(
  share: number | undefined,
  width: number,
  look: Look,
  text = percentShort(share),
  textWidth = 4,
): Line {
  const { filled, rest } = barText(share, Math.max(1, width - textWidth - 1), look.glyphs);
  return [span(filled, 'accent'), span(rest, 'dim'), span(` ${pad(text, textWidth, 'right')}`)];
}

/** Ages below this are no news. */
const freshMs = 3_000;

/** How old the data of a node is. */
export function dataAge(
  { latest, failure, admin }: Pick<NodeRow, 'latest' | 'failure' | 'admin'>,
  { nowMs }: Look,
): Span {
  if (latest === undefined) return span(admin === 'off' ? 'off' : failure === undefined ? '' : 'never', 'dim');
  const ageMs = nowMs - latest.atMs;
  if (failure !== undefined) return span(age(ageMs), 'warning');
  return span(ageMs < freshMs ? 'now' : age(ageMs), 'dim');
}

/** `name  value` lines of a details page. Pairs without a value are left out. */
export function properties(
  pairs: readonly (readonly [name: string, value: string | Span | Line | undefined])[],
): readonly Line[] {
  const shown = pairs.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]): Line => {
    const spans = typeof value === 'string' ? [span(value)] : 'text' in value! ? [value] : (value as Line);
    return [span(pad(name, width + 2), 'dim'), ...spans];
  });
}

export const heading = (text: string): Line => [span(text, 'strong')];
export const blank: Line = [];
