import { formatDuration } from '../base/units.js';
import { attribution } from './cities.js';
import type { RunningNode } from './node-process.js';
import type { TourStep } from './tour.js';

/** What a table of this demo is drawn with: rows, and for each column a heading and how to read its cell. */
export type DrawTable = <Row>(
  rows: readonly Row[],
  columns: readonly {
    readonly heading: string;
    readonly cell: (row: Row) => string | number;
    readonly flexible?: boolean;
  }[],
) => string;

export interface DemoFacts {
  readonly keyspace: string;
  readonly cities: number;
  readonly nodes: readonly RunningNode[];
  readonly tour: readonly TourStep[];
}

const meanings: Readonly<Record<string, string>> = {
  load: 'loaded from SQLite',
  hit: 'memory of the owner',
  hot: 'a copy at hand',
  stale: 'an expired entry',
  negative: 'no such city',
};

/** The whole of what the demo says once it serves. */
export function welcome(facts: DemoFacts, table: DrawTable): string {
  const { keyspace, cities, nodes, tour } = facts;
  const cluster = table(nodes, [
    { heading: 'node', cell: (row) => row.node },
    { heading: 'grpc', cell: (row) => row.grpc },
    { heading: 'pid', cell: (row) => row.pid },
  ]);
  const steps = table(tour, [
    { heading: 'asked', cell: (row) => row.asked },
    { heading: 'key', cell: (row) => row.key },
    { heading: 'outcome', cell: (row) => row.outcome },
    { heading: 'answered by', cell: (row) => row.node },
    { heading: 'from', cell: (row) => meanings[row.outcome] ?? '' },
    { heading: 'took', cell: (row) => formatDuration(row.tookMs) },
    { heading: 'value', cell: (row) => row.found, flexible: true },
  ]);
  return `
${nodes.length} ${nodes.length === 1 ? 'node serves' : 'nodes serve'} ${cities.toLocaleString('en')} cities as keyspace ${keyspace}, out of one SQLite database.
Data: ${attribution}.

${cluster}

A few reads through different nodes. Each key is loaded once for the whole cluster:

${steps}

Try it from another terminal:

${commands(keyspace, nodes)
  .map((line) => `  ${line}`)
  .join('\n')}

What the nodes do is told below. Ctrl-C stops them and removes their files.
`;
}

/** Commands that can be pasted as they are; each goes to another node where there are several. */
export function commands(keyspace: string, nodes: readonly RunningNode[]): readonly string[] {
  const addr = (place: number): string => `--addr ${nodes[place % nodes.length]!.grpc}`;
  return [
    `npx distcache get ${keyspace} paris ${addr(0)}`,
    `npx distcache get ${keyspace} tokyo --meta ${addr(1)}`,
    `npx distcache put ${keyspace} xanadu '{"name":"Xanadu"}' --ttl 1m ${addr(2)}`,
    `npx distcache get ${keyspace} xanadu ${addr(0)}`,
    `npx distcache delete ${keyspace} xanadu ${addr(1)}`,
    `npx distcache peers ${addr(0)}`,
    `npx distcache keyspace show ${keyspace} ${addr(0)}`,
    ...nodes
      .slice(0, 1)
      .flatMap(({ admin }) => (admin === 'off' ? [] : [`npx distcache dash --admin http://${admin}`])),
  ];
}
