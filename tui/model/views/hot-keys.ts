import { barCell, blank, heading, properties } from '../cells.js';
import type { Column } from '../columns.js';
import { percent, rate } from '../format.js';
import type { HotKeyRow } from '../hot-key-rows.js';
import { simpleTable } from '../simple-table.js';
import { clean, type Line, span } from '../text.js';
import type { View } from '../view.js';

const columns = (rows: readonly HotKeyRow[]): readonly Column<HotKeyRow>[] => {
  const most = Math.max(0, ...rows.map(({ perSecond }) => perSecond));
  return [
    {
      id: 'key',
      heading: 'KEY',
      width: 16,
      growsTo: ({ key }) => clean(key),
      rank: 0,
      cell: ({ key }) => span(clean(key), 'strong'),
      sort: ({ key }) => key,
    },
    {
      id: 'keyspace',
      heading: 'KEYSPACE',
      width: 12,
      rank: 1,
      cell: ({ keyspace }) => clean(keyspace),
      sort: ({ keyspace }) => keyspace,
    },
    {
      id: 'rate',
      heading: 'READS/S',
      width: 14,
      growsTo: 34,
      rank: 0,
      cell: ({ perSecond }, width, look) => barCell(most === 0 ? 0 : perSecond / most, width, look, rate(perSecond), 5),
      sort: ({ perSecond }) => perSecond,
      greatestFirst: true,
    },
    {
      id: 'share',
      heading: 'SHARE',
      align: 'right',
      width: 6,
      rank: 3,
      cell: ({ share }) => percent(share),
      sort: ({ share }) => share,
      greatestFirst: true,
    },
    {
      id: 'owner',
      heading: 'OWNER',
      width: 10,
      growsTo: ({ owner }) => clean(owner),
      rank: 2,
      cell: ({ owner }) => clean(owner),
      sort: ({ owner }) => owner,
    },
  ];
};

const details = (row: HotKeyRow): readonly Line[] => [
  ...properties([
    ['key', clean(row.key)],
    ['keyspace', clean(row.keyspace)],
    ['owner', clean(row.owner)],
    ['reads/s', rate(row.perSecond)],
    ['share', `${percent(row.share)} of all reads of the keyspace`],
  ]),
  blank,
  heading('Where it is asked for'),
  ...simpleTable(
    ['NODE', 'READS/S'],
    row.nodes.map(({ node, perSecond }) => [clean(node), rate(perSecond)]),
  ),
];

export const hotKeysView: View<HotKeyRow> = {
  name: 'hotkeys',
  title: 'Hot keys',
  rows: ({ hotKeys }) => hotKeys,
  columns,
  sortedBy: 'rate',
  words: ({ key, keyspace, owner }) => `${key} ${keyspace} ${owner}`,
  details: (row) => ({ title: clean(row.key), lines: details(row) }),
  empty: ({ dataAtMs }) => (dataAtMs === undefined ? 'no node has answered yet' : 'nobody has read anything lately'),
  action: { key: 'X', help: 'delete the key', of: ({ keyspace, key }) => ({ do: 'delete-key', keyspace, key }) },
};
