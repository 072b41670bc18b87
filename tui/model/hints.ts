import { bindings } from './keys.js';
import { type Line, lineWidth, span } from './text.js';
import type { Ui } from './ui.js';
import { viewOf } from './views.js';

/** The most needed keys of the moment; where there is no room for all, the least needed are left out. */
export function hintLine(ui: Ui, width: number): Line {
  const { is } = ui.mode;
  const { action } = viewOf(ui.view);
  const hints = bindings
    .filter(({ hint, modes }) => hint !== undefined && modes.includes(is))
    .map(({ label, hint }) => ({ key: label, text: hint!.text, need: hint!.need }));
  if (is !== 'list') hints.unshift({ key: 'esc', text: 'back', need: 1 });
  if (action !== undefined && ui.allowWrites && is !== 'help')
    hints.push({ key: action.key, text: action.help, need: 3 });
  for (;;) {
    const line = hints.flatMap(
      ({ key, text }, index): Line => [span(`${index === 0 ? '' : '   '}${key}`, 'strong'), span(` ${text}`, 'dim')],
    );
    if (lineWidth(line) <= width || hints.length === 0) return line;
    const least = Math.max(...hints.map(({ need }) => need));
    hints.splice(
      hints.findLastIndex(({ need }) => need === least),
      1,
    );
  }
}
