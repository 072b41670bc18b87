import { SimCluster } from './sim-cluster.js';

export interface Figures {
  readonly nodes: number;
  /** From the start of the last node until all know all. */
  readonly formedMs: number;
  /** In a quiet cluster: pings, acks and what little there is to gossip. */
  readonly packetsPerNodePerSecond: number;
  readonly exchangesPerNodePerMinute: number;
  /** From a crash until somebody suspects, declares it dead, and until all know. */
  readonly suspectedMs: number;
  readonly firstFoundMs: number;
  readonly allFoundMs: number;
  /** While the crash was found and told. */
  readonly packetsPerNodePerSecondAtCrash: number;
}

const quietMs = 60_000;
const limitMs = 300_000;

/**
 * What a cluster of this size costs and how fast it notices a crash, on a network that takes up to 2 ms.
 * Nodes start 20 ms apart and know three seeds.
 */
export function measure(nodes: number, seed: string): Figures {
  const cluster = new SimCluster({ seed, nodes, checkEvery: Number.POSITIVE_INFINITY });
  for (const node of cluster.nodes) {
    cluster.start(node);
    cluster.advance(20);
  }
  const formedMs = cluster.until(() => cluster.agreed(), limitMs) ?? Number.POSITIVE_INFINITY;
  cluster.advance(20_000);
  const quiet = counted(cluster, () => cluster.advance(quietMs));
  const victim = cluster.nodes.at(-1)!;
  cluster.crash(victim);
  cluster.told.length = 0;
  const crashMs = cluster.nowMs;
  const times = (is: 'suspect' | 'failed'): readonly number[] =>
    cluster.told.filter(({ event }) => event.is === is).map(({ atMs }) => atMs - crashMs);
  const crash = counted(cluster, () => cluster.until(() => times('failed').length >= nodes - 1, limitMs));
  const foundMs = times('failed');
  return {
    nodes,
    formedMs,
    packetsPerNodePerSecond: perSecond(quiet.packets / nodes, quiet.ms),
    exchangesPerNodePerMinute: 60 * perSecond(quiet.exchanges / nodes, quiet.ms),
    suspectedMs: Math.round(times('suspect')[0] ?? Number.POSITIVE_INFINITY),
    firstFoundMs: Math.round(foundMs[0] ?? Number.POSITIVE_INFINITY),
    allFoundMs: Math.round(foundMs.length >= nodes - 1 ? foundMs.at(-1)! : Number.POSITIVE_INFINITY),
    packetsPerNodePerSecondAtCrash: perSecond(crash.packets / nodes, crash.ms),
  };
}

const perSecond = (count: number, ms: number): number => Math.round((count / ms) * 100_000) / 100;

function counted(cluster: SimCluster, run: () => void) {
  const exchanges = (): number => cluster.up().reduce((sum, node) => sum + node.core!.counts().exchanges, 0);
  const before = { packets: cluster.network.packets, exchanges: exchanges(), ms: cluster.nowMs };
  run();
  return {
    packets: cluster.network.packets - before.packets,
    exchanges: exchanges() - before.exchanges,
    ms: cluster.nowMs - before.ms,
  };
}
