import { barCell, blank, breakerState, heading, properties } from '../cells.js';
import type { Column, Look } from '../columns.js';
import { duration, none, rate, whole } from '../format.js';
import { simpleTable } from '../simple-table.js';
import { breakerGravity, type SourceOnNode, type SourceRow } from '../source-rows.js';
import { clean, type Line, span } from '../text.js';
import type { View } from '../view.js';

const onSome = ({ inState, nodes, state }: SourceRow): string =>
  state === 'off' || inState === nodes.length ? '' : ` ${inState}/${nodes.length}`;

const level = ({ bucket }: SourceRow): number | undefined =>
  bucket === null ? undefined : bucket.level / bucket.burst;

/** In whole seconds: a countdown that jumps about tells less. */
const probe = (ms: number | null): string => (ms === null ? none : duration(Math.ceil(ms / 1000) * 1000));

const failures = ({ failures: n, failuresToOpen }: SourceRow): string =>
  failuresToOpen === null ? none : `${n}/${failuresToOpen}`;

const columns = (): readonly Column<SourceRow>[] => [
  {
    id: 'keyspace',
    heading: 'SOURCE OF',
    width: 12,
    growsTo: ({ keyspace }) => clean(keyspace),
    rank: 0,
    cell: ({ keyspace }) => span(clean(keyspace), 'strong'),
    sort: ({ keyspace }) => keyspace,
  },
  {
    id: 'breaker',
    heading: 'BREAKER',
    width: 15,
    rank: 0,
    cell: (row, _width, look) => breakerState(row.state, onSome(row), look),
    sort: ({ state }) => breakerGravity.indexOf(state),
    greatestFirst: true,
  },
  {
    id: 'failures',
    heading: 'FAILURES',
    align: 'right',
    width: 9,
    rank: 1,
    cell: failures,
    sort: ({ failures: n }) => n,
    greatestFirst: true,
  },
  {
    id: 'probe',
    heading: 'PROBE IN',
    align: 'right',
    width: 9,
    rank: 2,
    cell: ({ nextProbeMs }) => probe(nextProbeMs),
    sort: ({ nextProbeMs }) => nextProbeMs ?? undefined,
  },
  {
    id: 'bucket',
    heading: 'BUCKET',
    width: 12,
    growsTo: 20,
    rank: 4,
    cell: (row, width, look) => (row.bucket === null ? span('no limit', 'dim') : barCell(level(row), width, look)),
    sort: level,
  },
  {
    id: 'flight',
    heading: 'IN FLIGHT',
    align: 'right',
    width: 10,
    rank: 3,
    cell: ({ inFlight, queued }) => (queued > 0 ? `${whole(inFlight)} +${whole(queued)}` : whole(inFlight)),
    sort: ({ inFlight }) => inFlight,
    greatestFirst: true,
  },
  {
    id: 'loads',
    heading: 'LOADS/S',
    align: 'right',
    width: 8,
    rank: 5,
    cell: ({ loadsPerSecond }) => rate(loadsPerSecond),
    sort: ({ loadsPerSecond }) => loadsPerSecond,
    greatestFirst: true,
  },
  {
    id: 'errors',
    heading: 'FAILED/S',
    align: 'right',
    width: 9,
    rank: 6,
    cell: ({ errorsPerSecond }) => rate(errorsPerSecond),
    sort: ({ errorsPerSecond }) => errorsPerSecond,
    greatestFirst: true,
  },
];

const bucketText = (bucket: SourceOnNode['document']['bucket']): string =>
  bucket === null ? none : `${whole(Math.floor(bucket.level))}/${whole(bucket.burst)}`;

function details(row: SourceRow, look: Look): readonly Line[] {
  const limit = row.bucket?.rate_per_second;
  return [
    ...properties([
      ['breaker', breakerState(row.state, onSome(row), look)],
      ['opened', `${whole(row.opened)} times since start`],
      ['failures in a row', failures(row)],
      ['next probe in', probe(row.nextProbeMs)],
      [
        'rate limit',
        limit === undefined ? 'none' : `${rate(limit)}/s on each node, bursts of ${whole(row.bucket?.burst)}`,
      ],
      ['loads/s', `${rate(row.loadsPerSecond)}, ${rate(row.errorsPerSecond)} of them failed`],
    ]),
    blank,
    heading('By node'),
    ...simpleTable(
      ['NODE', 'BREAKER', 'FAILURES', 'PROBE IN', 'BUCKET', 'IN FLIGHT', 'QUEUED', 'LOADS', 'FAILED'],
      row.nodes.map(({ node, document }) => [
        clean(node),
        document.state,
        document.failures_to_open === null ? none : `${document.failures}/${document.failures_to_open}`,
        probe(document.next_probe_ms),
        bucketText(document.bucket),
        `${whole(document.in_flight)}/${whole(document.in_flight_max)}`,
        `${whole(document.queued)}/${whole(document.queued_max)}`,
        whole(document.loads),
        whole(document.load_errors),
      ]),
    ),
  ];
}

export const sourcesView: View<SourceRow> = {
  name: 'sources',
  title: 'Sources',
  rows: ({ sources }) => sources,
  columns,
  sortedBy: 'breaker',
  words: ({ keyspace, state }) => `${keyspace} ${state}`,
  details: (row, look) => ({ title: clean(row.keyspace), lines: details(row, look) }),
  empty: ({ dataAtMs }) => (dataAtMs === undefined ? 'no node has answered yet' : 'there are no data sources'),
  action: {
    key: 'B',
    help: 'close the breaker',
    of: ({ keyspace, nodes }) => {
      const shut = nodes.filter(({ document }) => document.state === 'open' || document.state === 'half-open');
      return { do: 'reset-breaker', keyspace, nodes: (shut.length > 0 ? shut : nodes).map(({ node }) => node) };
    },
  },
};
