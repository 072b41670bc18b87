import { properties } from '../cells.js';
import type { Column } from '../columns.js';
import type { EventRow } from '../event-rows.js';
import { clean, type Line, span } from '../text.js';
import type { View } from '../view.js';

/** The time of day as it is told, in UTC: clocks of several machines side by side. */
const timeOf = ({ document }: EventRow): string => /T(\d\d:\d\d:\d\d)/.exec(document.time)?.[1] ?? clean(document.time);

/** By what it is called, and by the state that it tells of. */
function toneOf({ type, state = '', to = '' }: EventRow['document']): 'good' | 'warn' | 'bad' {
  const words = `${type} ${state} ${to}`;
  if (/failed|dead|open(ed)?\b|gap/.test(words) && !/half/.test(words)) return 'bad';
  return /left|drain|half|suspect/.test(words) ? 'warn' : 'good';
}

const signs = { good: 'good', warn: 'half', bad: 'bad' } as const;

const columns = (): readonly Column<EventRow>[] => [
  {
    id: 'time',
    heading: 'TIME',
    width: 9,
    rank: 0,
    cell: (row) => span(timeOf(row), 'dim'),
    sort: ({ id }) => Number(id),
    greatestFirst: true,
  },
  {
    id: 'type',
    heading: 'EVENT',
    width: 19,
    rank: 0,
    cell: ({ document }, _width, { glyphs }) => [
      span(`${glyphs[signs[toneOf(document)]]} `, toneOf(document)),
      span(clean(document.type)),
    ],
    sort: ({ document }) => document.type,
  },
  {
    id: 'subject',
    heading: 'OF',
    width: 12,
    growsTo: ({ subject }) => clean(subject),
    rank: 0,
    cell: ({ subject }) => span(clean(subject), 'strong'),
    sort: ({ subject }) => subject,
  },
  {
    id: 'teller',
    heading: 'TOLD BY',
    width: 12,
    rank: 2,
    cell: ({ document }) => clean(document.told_by),
    sort: ({ document }) => document.told_by,
  },
  { id: 'text', heading: 'DETAILS', width: 12, growsTo: 200, rank: 1, cell: ({ text }) => span(clean(text), 'dim') },
];

const details = ({ document }: EventRow): readonly Line[] =>
  properties(
    Object.entries(document).map(([name, value]) => [
      clean(name).replaceAll('_', ' '),
      clean(typeof value === 'string' ? value : (JSON.stringify(value) ?? '')),
    ]),
  );

export const eventsView: View<EventRow> = {
  name: 'events',
  title: 'Events',
  rows: ({ events }) => events,
  columns,
  sortedBy: 'time',
  words: ({ document, text }) => `${document.type} ${document.node ?? ''} ${document.keyspace ?? ''} ${text}`,
  details: (row) => ({ title: clean(row.document.type), lines: details(row) }),
  empty: ({ feed }) => (feed.teller === '' ? 'no node tells its events yet' : 'nothing has happened yet'),
};
