import { barCell, blank, dataAge, heading, nodeState, properties } from '../cells.js';
import type { Column, Look } from '../columns.js';
import { age, duration, millis, none, percent, rate, size, sparkline, whole } from '../format.js';
import type { NodeRow } from '../node-rows.js';
import { simpleTable } from '../simple-table.js';
import { clean, type Line, span } from '../text.js';
import { hitRatio } from '../track.js';
import type { View } from '../view.js';

const memoryShare = ({ latest }: NodeRow): number | undefined => {
  const memory = latest?.node.memory;
  return memory === undefined || memory.cache_max_bytes === 0 ? undefined : memory.cache_bytes / memory.cache_max_bytes;
};

/** Figures of a node that answers no more are those of then: dim. */
const figure = (row: NodeRow, text: string) => span(text, row.failure === undefined ? 'plain' : 'dim');

const columns = (rows: readonly NodeRow[]): readonly Column<NodeRow>[] => {
  const most = Math.max(0, ...rows.flatMap(({ history }) => history.map((value) => value ?? 0)));
  const ratio = ({ rates }: NodeRow): number | undefined => (rates === undefined ? undefined : hitRatio(rates));
  return [
    {
      id: 'name',
      heading: 'NAME',
      width: 12,
      growsTo: ({ name }) => clean(name),
      rank: 0,
      cell: ({ name }) => span(clean(name), 'strong'),
      sort: ({ name }) => name,
    },
    {
      id: 'state',
      heading: 'STATE',
      width: 13,
      rank: 0,
      cell: ({ state }, _width, look) => nodeState(state, look),
      sort: ({ state }) => state,
    },
    {
      id: 'share',
      heading: 'SHARE',
      align: 'right',
      width: 6,
      rank: 4,
      cell: (row) => figure(row, row.share === 0 ? none : percent(row.share)),
      sort: ({ share }) => share,
      greatestFirst: true,
    },
    {
      id: 'requests',
      heading: 'REQ/S',
      align: 'right',
      width: 6,
      rank: 0,
      cell: (row) => figure(row, rate(row.rates?.requests)),
      sort: ({ rates }) => rates?.requests,
      greatestFirst: true,
    },
    {
      id: 'hits',
      heading: 'HITS',
      align: 'right',
      width: 6,
      rank: 1,
      cell: (row) => figure(row, percent(ratio(row))),
      sort: ratio,
      greatestFirst: true,
    },
    {
      id: 'p99',
      heading: 'P99',
      align: 'right',
      width: 6,
      rank: 2,
      cell: (row) => figure(row, millis(row.latest?.node.latencies.reads.p99_ms)),
      sort: ({ latest }) => latest?.node.latencies.reads.p99_ms ?? undefined,
      greatestFirst: true,
    },
    {
      id: 'memory',
      heading: 'MEMORY',
      width: 11,
      rank: 3,
      cell: (row, width, look) =>
        memoryShare(row) === undefined ? span(none, 'dim') : barCell(memoryShare(row), width, look),
      sort: memoryShare,
      greatestFirst: true,
    },
    {
      id: 'lag',
      heading: 'LAG',
      align: 'right',
      width: 6,
      rank: 5,
      cell: (row) => figure(row, millis(row.latest?.node.event_loop.lag_p99_ms)),
      sort: ({ latest }) => latest?.node.event_loop.lag_p99_ms,
      greatestFirst: true,
    },
    {
      id: 'data',
      heading: 'DATA',
      align: 'right',
      width: 5,
      rank: 1,
      cell: (row, _width, look) => dataAge(row, look),
    },
    {
      id: 'trend',
      heading: 'TREND',
      width: 8,
      growsTo: 60,
      rank: 6,
      cell: ({ history }, width, { glyphs }) => span(sparkline(history, most, width, glyphs), 'accent'),
    },
  ];
};

function details(row: NodeRow, look: Look): readonly Line[] {
  const { latest, rates, failure } = row;
  const node = latest?.node;
  const trouble =
    failure === undefined
      ? []
      : [
          [span(` no answer for ${age(look.nowMs - failure.sinceMs)}: ${clean(failure.message)} `, 'warning')],
          [
            span(
              latest === undefined ? 'It never answered.' : `What follows is ${age(look.nowMs - latest.atMs)} old.`,
              'dim',
            ),
          ],
          blank,
        ];
  const latencies = Object.entries(node?.latencies ?? {});
  return [
    ...trouble,
    ...properties([
      ['state', nodeState(row.state, look)],
      ['ready', node === undefined ? undefined : node.ready ? 'yes' : 'no'],
      ['ring share', percent(row.share)],
      ['ring version', node?.ring_version],
      ['release', row.version],
      ['uptime', node === undefined ? undefined : duration(Math.floor(node.uptime_ms / 1000) * 1000)],
      ['grpc', clean(row.grpc)],
      ['admin', clean(row.admin)],
      ['gossip', node === undefined ? undefined : clean(node.gossip)],
      ['incarnation', node === undefined ? undefined : String(node.incarnation)],
      ['requests/s', rate(rates?.requests)],
      ['hit ratio', percent(rates === undefined ? undefined : hitRatio(rates))],
      ['source loads/s', rate(rates?.sourceLoads)],
      ['under way', node === undefined ? undefined : whole(node.inflight)],
    ]),
    ...(node === undefined
      ? []
      : [
          blank,
          heading('Memory'),
          ...properties([
            ['entries', `${size(node.memory.cache_bytes)} of ${size(node.memory.cache_max_bytes)}`],
            ['process', size(node.memory.rss_bytes)],
            ['heap', `${size(node.memory.heap_used_bytes)} of ${size(node.memory.heap_limit_bytes)}`],
            ['buffers', size(node.memory.array_buffers_bytes)],
          ]),
          blank,
          heading('Latency, of the last minute or so'),
          ...simpleTable(
            ['', 'P50', 'P99', 'MAX', 'SINCE START'],
            latencies.map(([name, { p50_ms, p99_ms, max_ms, count: n }]) => [
              name.replaceAll('_', ' '),
              millis(p50_ms),
              millis(p99_ms),
              millis(max_ms),
              whole(n),
            ]),
          ),
          [],
          ...properties([
            [
              'event loop',
              `p50 ${millis(node.event_loop.lag_p50_ms)}, p99 ${millis(node.event_loop.lag_p99_ms)}, max ${millis(node.event_loop.lag_max_ms)} late`,
            ],
          ]),
        ]),
    blank,
    heading('As others see it'),
    ...(row.views.length === 0
      ? [[span('nobody knows it', 'dim')]]
      : properties(row.views.map(({ by, state }) => [clean(by), nodeState(state, look)]))),
  ];
}

export const nodesView: View<NodeRow> = {
  name: 'nodes',
  title: 'Nodes',
  rows: ({ nodes }) => nodes,
  columns,
  sortedBy: 'name',
  words: ({ name, state, grpc, version }) => `${name} ${state} ${grpc} ${version}`,
  details: (row, look) => ({ title: clean(row.name), lines: details(row, look) }),
  empty: () => 'no node has answered yet',
  action: { key: 'D', help: 'drain the node', of: ({ name }) => ({ do: 'drain-node', node: name }) },
};
