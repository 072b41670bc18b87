import { totalsOf } from '../admin/documents.js';
import { formatDuration, formatSize } from '../base/units.js';
import type { Client } from '../client/client.js';
import { unreachedOf } from '../client/everywhere.js';
import type { CallOptions, KeyspaceStatus } from '../ports/cache.js';
import { table } from './table.js';
import type { Sink } from './terminal.js';

type Stats = Readonly<Record<string, number>>;

export interface StatsJson {
  readonly time: string;
  readonly keyspaces: readonly {
    readonly name: string;
    /** Sums over the nodes; percentiles, which do not add up, are left out. */
    readonly totals: Stats;
    readonly nodes: readonly { readonly node: string; readonly stats: Stats }[];
  }[];
  readonly unreached: readonly string[];
}

/** Asks every node. Rejects with the first node's error where none answers. */
export async function statsOf(
  client: Pick<Client, 'eachNode'>,
  keyspace: string | undefined,
  call: CallOptions,
  now: () => string,
): Promise<StatsJson> {
  const answers = await client.eachNode<readonly KeyspaceStatus[]>(
    async (node) => (keyspace === undefined ? node.keyspaces(call) : [await node.keyspace(keyspace, call)]),
    call,
  );
  const [failed] = answers.flatMap((answer) => (answer.is === 'failed' ? [answer.error] : []));
  if (failed !== undefined && answers.every(({ is }) => is === 'failed')) throw failed;
  const spaces = new Map<string, { readonly node: string; readonly stats: Stats }[]>();
  for (const answer of answers) {
    if (answer.is === 'failed') continue;
    for (const { name, stats } of answer.answer) {
      const nodes = spaces.get(name) ?? [];
      nodes.push({ node: answer.node, stats });
      spaces.set(name, nodes);
    }
  }
  return {
    time: now(),
    keyspaces: [...spaces].map(([name, nodes]) => ({ name, totals: totalsOf(nodes), nodes })),
    unreached: unreachedOf(answers),
  };
}

interface Row {
  readonly keyspace: string;
  readonly node: string;
  readonly stats: Stats;
}

const share = ({ gets = 0, cache_hits: hits = 0 }: Stats): string =>
  gets === 0 ? '-' : `${((100 * hits) / gets).toFixed(1)}%`;
const errors = ({ local_load_errs: own = 0, peer_errors: peers = 0 }: Stats): number => own + peers;
const bytes = ({ main_cache_bytes: own = 0, hot_cache_bytes: copies = 0 }: Stats): string => formatSize(own + copies);
const took = (ms: number | undefined): string => (ms === undefined ? '-' : formatDuration(ms));

/** A row for each keyspace and node, and one for the sum where there are several nodes. */
export function statsText({ keyspaces }: StatsJson, width: Pick<Sink, 'isTerminal' | 'columns'>): string {
  const rows = keyspaces.flatMap(({ name, totals, nodes }): Row[] => [
    ...nodes.map(({ node, stats }) => ({ keyspace: name, node, stats })),
    ...(nodes.length > 1 ? [{ keyspace: name, node: 'all', stats: totals }] : []),
  ]);
  if (rows.length === 0) return 'there is no keyspace';
  return table(
    rows,
    [
      { heading: 'keyspace', cell: ({ keyspace }) => keyspace, flexible: true },
      { heading: 'node', cell: ({ node }) => node },
      { heading: 'gets', cell: ({ stats }) => stats.gets ?? 0 },
      { heading: 'hits', cell: ({ stats }) => share(stats) },
      { heading: 'loads', cell: ({ stats }) => stats.local_loads ?? 0 },
      { heading: 'coalesced', cell: ({ stats }) => stats.loads_coalesced ?? 0 },
      { heading: 'errors', cell: ({ stats }) => errors(stats) },
      { heading: 'puts', cell: ({ stats }) => stats.puts ?? 0 },
      { heading: 'entries', cell: ({ stats }) => stats.entries ?? 0 },
      { heading: 'bytes', cell: ({ stats }) => bytes(stats) },
      { heading: 'evicted', cell: ({ stats }) => stats.removals_evicted ?? stats.evictions ?? 0 },
      { heading: 'expired', cell: ({ stats }) => stats.removals_expired ?? stats.expirations ?? 0 },
      { heading: 'read p50', cell: ({ stats }) => took(stats.read_p50_ms) },
      { heading: 'p99', cell: ({ stats }) => took(stats.read_p99_ms) },
      { heading: 'load p99', cell: ({ stats }) => took(stats.load_p99_ms) },
      { heading: 'write p99', cell: ({ stats }) => took(stats.write_p99_ms) },
    ],
    width,
  );
}
