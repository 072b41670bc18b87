import type { TextProps } from 'ink';
import type { Tone } from '../model/text.js';

export type Style = Pick<TextProps, 'color' | 'backgroundColor' | 'bold' | 'dimColor' | 'inverse'>;
export type Theme = Readonly<Record<Tone, Style>>;

/**
 * The sixteen colours that terminals let their users choose, and no others, so that what is shown suits their ground.
 * Text that has to be read stands in the ground's own colour, or on a ground that is set with it.
 */
export const colours: Theme = {
  plain: {},
  dim: { dimColor: true },
  strong: { bold: true },
  accent: { color: 'cyan' },
  good: { color: 'green' },
  warn: { color: 'yellow' },
  bad: { color: 'red' },
  chosen: { inverse: true },
  warning: { color: 'black', backgroundColor: 'yellow' },
  alarm: { color: 'white', backgroundColor: 'red', bold: true },
};

/** For NO_COLOR: weight and reversal alone. */
export const colourless: Theme = {
  ...colours,
  accent: {},
  good: {},
  warn: {},
  bad: {},
  warning: { inverse: true },
  alarm: { inverse: true, bold: true },
};
