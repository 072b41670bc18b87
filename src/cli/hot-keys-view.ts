import { hotKeyspaceDocument } from '../admin/documents.js';
import type { ClusterHotKeys } from '../client/warmth-calls.js';
import type { HotKeyDocument, HotKeyspaceDocument } from '../ports/admin.js';
import { oneLine } from './failure.js';
import { table } from './table.js';
import type { Sink } from './terminal.js';

export interface HotKeysJson {
  readonly keyspaces: readonly HotKeyspaceDocument[];
  readonly unreached: readonly string[];
}

export const hotKeysJson = ({ keyspaces, unreached }: ClusterHotKeys): HotKeysJson => ({
  keyspaces: keyspaces.map(hotKeyspaceDocument),
  unreached,
});

/** One table over all keyspaces, the hottest keys of each first. */
export function hotKeysText({ keyspaces }: HotKeysJson, width: Pick<Sink, 'isTerminal' | 'columns'>): string {
  const rows = keyspaces.flatMap(({ name, keys }) =>
    keys.map((key): HotKeyDocument & { space: string } => ({ ...key, space: name })),
  );
  if (rows.length === 0) return 'no key was asked for lately';
  return table(
    rows,
    [
      { heading: 'keyspace', cell: ({ space }) => space },
      { heading: 'key', cell: ({ key }) => oneLine(key), flexible: true },
      { heading: 'hits', cell: ({ hits }) => hits },
      { heading: 'share', cell: ({ share }) => `${(share * 100).toFixed(1)}%` },
      { heading: 'per second', cell: ({ hits_per_second: rate }) => Number(rate.toPrecision(3)) },
      { heading: 'owner', cell: ({ owner }) => owner },
    ],
    width,
  );
}
