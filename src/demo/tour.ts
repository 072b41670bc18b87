import { connect } from '../client/client.js';
import type { Clock } from '../ports/clock.js';
import type { RunningNode } from './node-process.js';

/** One read of the tour: who was asked for what, and where the answer came from. */
export interface TourStep {
  readonly asked: string;
  readonly key: string;
  readonly outcome: string;
  /** Node whose memory or source answered. */
  readonly node: string;
  readonly tookMs: number;
  /** What was found, in a few words. */
  readonly found: string;
}

/** Keys, and the places of the nodes that are asked for them, counted from 0 and taken round. */
const reads: readonly (readonly [key: string, asked: readonly number[]])[] = [
  ['paris', [0, 1, 2, 0]],
  ['sao-paulo', [1, 2]],
  ['xanadu', [2, 0]],
];

/** Reads a few keys through different nodes, one after the other, so that each sees what those before it left behind. */
export async function takeTour(
  nodes: readonly RunningNode[],
  keyspace: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly TourStep[]> {
  const clients = nodes.map((node) => connect({ addresses: [node.grpc] }));
  try {
    // The first call of each opens its connection; the tour shows what a read takes without that.
    await Promise.all(clients.map((client) => client.status({ signal })));
    const steps: TourStep[] = [];
    for (const [key, asked] of reads) {
      for (const place of asked) {
        const index = place % nodes.length;
        const startedMs = clock.nowMs();
        const lookup = await clients[index]!.lookup(keyspace, key, { signal });
        const tookMs = clock.nowMs() - startedMs;
        const found = lookup.found ? summaryOf(lookup.value) : 'not found';
        steps.push({ asked: nodes[index]!.node, key, outcome: lookup.outcome, node: lookup.node, tookMs, found });
      }
    }
    return steps;
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

function summaryOf(value: Uint8Array): string {
  const { name, country, population } = JSON.parse(new TextDecoder().decode(value));
  return `${name} (${country}), ${Number(population).toLocaleString('en')} people`;
}
