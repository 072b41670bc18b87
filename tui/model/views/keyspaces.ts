import { barCell, blank, heading, properties } from '../cells.js';
import type { Column } from '../columns.js';
import { duration, percent, rate, size, whole } from '../format.js';
import type { KeyspaceRow } from '../keyspace-rows.js';
import { simpleTable } from '../simple-table.js';
import { clean, type Line, span } from '../text.js';
import { hitRatio, servedRatio } from '../track.js';
import type { View } from '../view.js';

const fill = ({ usedBytes, maxBytes }: KeyspaceRow): number | undefined =>
  maxBytes === 0 ? undefined : usedBytes / maxBytes;
const served = ({ rates }: KeyspaceRow): number | undefined => (rates === undefined ? undefined : servedRatio(rates));

const columns = (): readonly Column<KeyspaceRow>[] => {
  const rateColumn = (
    id: string,
    title: string,
    rank: number,
    of: (rates: NonNullable<KeyspaceRow['rates']>) => number,
  ): Column<KeyspaceRow> => ({
    id,
    heading: title,
    align: 'right',
    width: title.length + 1,
    rank,
    cell: ({ rates }) => rate(rates && of(rates)),
    sort: ({ rates }) => rates && of(rates),
    greatestFirst: true,
  });
  return [
    {
      id: 'name',
      heading: 'KEYSPACE',
      width: 12,
      growsTo: ({ name }) => clean(name),
      rank: 0,
      cell: ({ name }) => span(clean(name), 'strong'),
      sort: ({ name }) => name,
    },
    {
      id: 'fill',
      heading: 'FILL',
      width: 12,
      growsTo: 24,
      rank: 1,
      cell: (row, width, look) => barCell(fill(row), width, look),
      sort: fill,
      greatestFirst: true,
    },
    {
      id: 'used',
      heading: 'USED',
      align: 'right',
      width: 9,
      rank: 6,
      cell: ({ usedBytes }) => size(usedBytes),
      sort: ({ usedBytes }) => usedBytes,
      greatestFirst: true,
    },
    rateColumn('requests', 'REQ/S', 0, ({ requests }) => requests),
    {
      id: 'hits',
      heading: 'HITS',
      align: 'right',
      width: 6,
      rank: 1,
      cell: (row) => percent(served(row)),
      sort: served,
      greatestFirst: true,
    },
    rateColumn('loads', 'LOADS/S', 2, ({ sourceLoads }) => sourceLoads),
    rateColumn('coalesced', 'JOINED/S', 5, ({ coalesced }) => coalesced),
    rateColumn('evictions', 'EVICT/S', 3, ({ evictions }) => evictions),
    {
      id: 'ttl',
      heading: 'TTL',
      align: 'right',
      width: 6,
      rank: 4,
      cell: ({ document }) => ttlText(document.default_ttl_ms),
      sort: ({ document }) => document.default_ttl_ms ?? Number.POSITIVE_INFINITY,
      greatestFirst: true,
    },
  ];
};

const ttlText = (ms: number | null): string => (ms === null ? 'never' : duration(ms));

function details(row: KeyspaceRow): readonly Line[] {
  const { document, rates } = row;
  return [
    ...(row.missingOn.length === 0
      ? []
      : [[span(` not on ${row.missingOn.map(clean).join(', ')} `, 'warning')], blank]),
    ...properties([
      [
        'used',
        `${size(row.usedBytes)} of ${size(row.maxBytes)} on ${row.nodes.length} nodes, ${size(document.max_bytes)} each`,
      ],
      ['entries', whole(row.entries)],
      ['default ttl', ttlText(document.default_ttl_ms)],
      ['negative ttl', document.negative_ttl_ms === null ? 'off' : duration(document.negative_ttl_ms)],
      ['time-outs', `read ${duration(document.read_timeout_ms)}, write ${duration(document.write_timeout_ms)}`],
      ['hot copies', `up to ${percent(document.hot_share)} of the memory`],
      ['eviction', clean(document.eviction)],
      ['warm keys', document.warm_keys.length === 0 ? undefined : document.warm_keys.map(clean).join(', ')],
      ['requests/s', rate(rates?.requests)],
      ['served without a load', percent(served(row))],
      ['source loads/s', `${rate(rates?.sourceLoads)}, ${rate(rates?.sourceErrors)} failed`],
      ['joined a load/s', rate(rates?.coalesced)],
      ['evicted/s', `${rate(rates?.evictions)}, ${rate(rates?.expirations)} expired`],
    ]),
    blank,
    heading('By node'),
    ...simpleTable(
      ['NODE', 'USED', 'ENTRIES', 'REQ/S', 'IN MEMORY', 'LOADS/S', 'EVICT/S'],
      row.nodes.map(({ node, document: { stats }, usedBytes, rates: own }) => [
        clean(node),
        size(usedBytes),
        whole(stats.entries),
        rate(own?.requests),
        percent(own && hitRatio(own)),
        rate(own?.sourceLoads),
        rate(own?.evictions),
      ]),
    ),
    blank,
    heading('Since start, all nodes'),
    ...simpleTable(
      ['COUNTER', 'TOTAL'],
      totals(row).map(([name, value]) => [clean(name).replaceAll('_', ' '), whole(value)]),
    ),
  ];
}

function totals({ nodes }: KeyspaceRow): readonly (readonly [string, number])[] {
  const sums = new Map<string, number>();
  for (const { document } of nodes) {
    for (const [name, value] of Object.entries(document.stats)) sums.set(name, (sums.get(name) ?? 0) + value);
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1));
}

export const keyspacesView: View<KeyspaceRow> = {
  name: 'keyspaces',
  title: 'Keyspaces',
  rows: ({ keyspaces }) => keyspaces,
  columns,
  sortedBy: 'name',
  words: ({ name }) => name,
  details: (row) => ({ title: clean(row.name), lines: details(row) }),
  empty: ({ dataAtMs }) => (dataAtMs === undefined ? 'no node has answered yet' : 'there are no keyspaces'),
  action: { key: 'C', help: 'clear the keyspace', of: ({ name }) => ({ do: 'clear-keyspace', keyspace: name }) },
};
