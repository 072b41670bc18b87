import { blank } from './cells.js';
import { bindings } from './keys.js';
import { type Line, pad, span } from './text.js';
import type { Ui } from './ui.js';

/** The table of keys as people read it. */
export function helpLines(ui: Ui): readonly Line[] {
  const width = Math.max(...bindings.map(({ label }) => label.length)) + 2;
  return [
    ...bindings.map(({ label, help }): Line => [span(pad(label, width), 'strong'), span(help)]),
    blank,
    [
      span(
        ui.allowWrites
          ? 'Writes are allowed, each after a question.'
          : 'Read-only. Start with --allow-writes to change things.',
        'dim',
      ),
    ],
    [span('req/s  what callers ask of a node; reads that nodes ask of each other are not counted', 'dim')],
    [span('hits   nodes: reads that the memory of the node answered', 'dim')],
    [span('       header, keyspaces: reads that took no load from a data source', 'dim')],
    [span('lag    how late the event loop was, p99', 'dim')],
  ];
}
