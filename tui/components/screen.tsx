import { Box, Text } from 'ink';
import { memo, type ReactNode } from 'react';
import { type Frame, linesOf, type Size } from '../model/frame.js';
import type { Line } from '../model/text.js';
import type { Theme } from './theme.js';

/** One line. It is drawn again only when it changed. */
const LineText = memo(
  ({ line, theme }: { readonly line: Line; readonly theme: Theme }): ReactNode => (
    <Text wrap="truncate-end">
      {line.length === 0
        ? ' '
        : line.map(({ text, tone }, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a span has no identity but its place
            <Text key={index} {...theme[tone]}>
              {text}
            </Text>
          ))}
    </Text>
  ),
  (before, after) => before.theme === after.theme && sameLine(before.line, after.line),
);

const sameLine = (a: Line, b: Line): boolean =>
  a.length === b.length && a.every(({ text, tone }, index) => text === b[index]!.text && tone === b[index]!.tone);

/** A frame, cell by cell: what is in it was measured, so nothing wraps. */
export function Screen({
  frame,
  size,
  theme,
}: {
  readonly frame: Frame;
  readonly size: Size;
  readonly theme: Theme;
}): ReactNode {
  return (
    <Box flexDirection="column" width={size.columns} height={size.rows} overflow="hidden">
      <Lines lines={linesOf(frame)} theme={theme} />
    </Box>
  );
}

export function Lines({ lines, theme }: { readonly lines: readonly Line[]; readonly theme: Theme }): ReactNode {
  return (
    <Box flexDirection="column">
      {lines.map((line, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines are places on the screen
        <LineText key={index} line={line} theme={theme} />
      ))}
    </Box>
  );
}
