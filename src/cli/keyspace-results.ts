import { type KeyspaceResult, PartialFailure } from '../base/errors.js';
import { formatDuration, formatSize } from '../base/units.js';
import type { KeyspacePreview } from '../ports/keyspace-changes.js';
import { type SettingValue, type Tunable, tunables } from '../ports/keyspace-record.js';
import { settingName } from '../wire/keyspace-settings.js';
import { FailureWithData, oneLine } from './failure.js';
import { table } from './table.js';
import type { Sink } from './terminal.js';

/** What changes of keyspaces came to at each node, for people and scripts. */

const resultJson = ({ keyspace, nodes }: KeyspaceResult) => ({
  keyspace,
  nodes: nodes.map(({ node, outcome, error }) => ({ node, outcome, ...(error === undefined ? {} : { error }) })),
});

/** One document for one keyspace, a list for several. */
export const resultsJson = (results: readonly KeyspaceResult[]) =>
  results.length === 1 ? resultJson(results[0]!) : { keyspaces: results.map(resultJson) };

export function resultsText(results: readonly KeyspaceResult[], width: Pick<Sink, 'isTerminal' | 'columns'>): string {
  const rows = results.flatMap(({ keyspace, nodes }) => nodes.map((node) => ({ keyspace, ...node })));
  const columns = [
    { heading: 'node', cell: (row: (typeof rows)[number]) => oneLine(row.node) },
    { heading: 'outcome', cell: (row: (typeof rows)[number]) => row.outcome },
    {
      heading: 'reason',
      cell: ({ error }: (typeof rows)[number]) =>
        error === undefined ? '' : oneLine(`${error.code}: ${error.message}`),
      flexible: true,
    },
  ];
  const named = { heading: 'keyspace', cell: (row: (typeof rows)[number]) => oneLine(row.keyspace) };
  return table(rows, results.length === 1 ? columns : [named, ...columns], width);
}

/**
 * Prints what came of a change at every node, also where some failed; the failure then goes on, with the same document for
 * `--json`.
 */
export async function printResults(
  change: () => Promise<readonly KeyspaceResult[]>,
  print: (results: readonly KeyspaceResult[]) => Promise<void>,
  wantsJson: boolean,
): Promise<void> {
  try {
    await print(await change());
  } catch (error) {
    if (!(error instanceof PartialFailure) || error.results.length === 0) throw error;
    if (!wantsJson) await print(error.results);
    throw new FailureWithData(error, resultsJson(error.results));
  }
}

const isSize: ReadonlySet<Tunable> = new Set(['maxBytes']);
const isShare: ReadonlySet<Tunable> = new Set(['ttlJitter', 'hotShare']);
const isTime: ReadonlySet<Tunable> = new Set([
  'defaultTtl',
  'negativeTtl',
  'staleWhileRevalidate',
  'staleIfError',
  'readTimeout',
  'writeTimeout',
  'rateWait',
  'breakerReset',
]);

function settingText(tunable: Tunable, value: SettingValue): string {
  if (value === null) return 'none';
  if (typeof value !== 'number') return value.map(oneLine).join(', ');
  if (isSize.has(tunable)) return formatSize(value);
  if (isTime.has(tunable)) return formatDuration(value);
  if (isShare.has(tunable)) return `${Number((value * 100).toFixed(3))}%`;
  return tunable === 'rate' ? `${value}/s` : String(value);
}

/** What would be different, setting by setting. */
const differences = ({ before, after }: KeyspacePreview) =>
  tunables
    .filter((tunable) => JSON.stringify(before[tunable]) !== JSON.stringify(after[tunable]))
    .map((tunable) => ({ tunable, from: before[tunable], to: after[tunable] }));

export const previewJson = (preview: KeyspacePreview) => ({
  keyspace: preview.keyspace,
  dry_run: true,
  changes: differences(preview).map(({ tunable, from, to }) => ({ setting: settingName(tunable), from, to })),
});

export function previewText(preview: KeyspacePreview): string {
  const found = differences(preview);
  if (found.length === 0) return `keyspace ${oneLine(preview.keyspace)} is so already`;
  return found
    .map(
      ({ tunable, from, to }) =>
        `${settingName(tunable)}: ${settingText(tunable, from)} -> ${settingText(tunable, to)}`,
    )
    .join('\n');
}
