import { type Client, connect } from '../client/client.js';
import type { Clock } from '../ports/clock.js';
import type { RunningNode } from './node-process.js';

const everyMs = 1_000;
const timeoutMs = 2_000;

/** What a node's counters are told as, in this order. */
const told: readonly (readonly [counter: string, text: string])[] = [
  ['cache_hits', 'from memory'],
  ['peer_loads', 'from another node'],
  ['local_loads', 'from SQLite'],
];

export interface ActivityDeps {
  readonly clock: Clock;
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal;
  /** Awaited once all nodes are watched: whatever is read from then on is told. */
  readonly begun: () => Promise<void>;
}

/**
 * Tells, about once a second and only where something happened, how many reads each node answered and from where:
 * `demo-2: 3 gets, 2 from memory, 1 from SQLite`. Reads that one node does for another count on both.
 * Ends when `signal` aborts. A node that cannot be asked is left out.
 */
export async function watchActivity(
  nodes: () => readonly RunningNode[],
  keyspace: string,
  { clock, tell, signal, begun }: ActivityDeps,
): Promise<void> {
  const watched = nodes().map((node) => ({
    node,
    client: connect({ addresses: [node.grpc], timeoutMs }),
    last: undefined as Counts | undefined,
  }));
  try {
    for (const entry of watched) entry.last = await countsOf(entry.client, keyspace, signal);
    await begun();
    while (!(await paused(clock, signal))) {
      for (const entry of watched) {
        if (!nodes().includes(entry.node)) continue;
        const counts = await countsOf(entry.client, keyspace, signal);
        if (counts === undefined) continue;
        const line = entry.last && changeLine(entry.last, counts);
        if (line !== undefined) tell(`${entry.node.node}: ${line}`);
        entry.last = counts;
      }
    }
  } finally {
    await Promise.all(watched.map(({ client }) => client.close()));
  }
}

type Counts = Readonly<Record<string, number>>;

async function countsOf(client: Client, keyspace: string, signal: AbortSignal): Promise<Counts | undefined> {
  try {
    return (await client.keyspace(keyspace, { signal })).stats;
  } catch {
    return undefined;
  }
}

/** undefined where nothing was asked meanwhile. */
export function changeLine(before: Counts, after: Counts): string | undefined {
  const grown = (counter: string): number => (after[counter] ?? 0) - (before[counter] ?? 0);
  const gets = grown('gets');
  if (gets <= 0) return undefined;
  const parts = told.flatMap(([counter, text]) => (grown(counter) > 0 ? [`${grown(counter)} ${text}`] : []));
  return [`${gets} ${gets === 1 ? 'get' : 'gets'}`, ...parts].join(', ');
}

/** True when the pause was ended by the signal. */
function paused(clock: Clock, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(true);
  return new Promise((resolve) => {
    const onAbort = (): void => {
      cancel();
      resolve(true);
    };
    const cancel = clock.after(everyMs, () => {
      signal.removeEventListener('abort', onAbort);
      resolve(false);
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
