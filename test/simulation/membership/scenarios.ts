import { swimConfig } from '../../../src/membership/swim/config.js';
import { type Seeded, seeded } from '../../support/seeded.js';
import { SimCluster, type SimNode, type Told } from './sim-cluster.js';
import type { Weather } from './sim-network.js';

/** What a run came to; the figures are printed with a failure. */
export interface Outcome {
  readonly cluster: SimCluster;
  readonly figures: string;
  /** What must not have happened, in words; empty when all is well. */
  readonly faults: readonly string[];
}

function drawWeather(random: Seeded, lossMax: number): Weather {
  return {
    // Half of the runs have all of it.
    loss: Math.min(1, 2 * random.next()) * lossMax,
    duplicate: random.next() * 0.05,
    delayMs: [0.2, random.pick([2, 20, 100])],
    refusal: random.pick([0, 1]),
  };
}

/** Lets each of the nodes do something at random times, once in `everyMs` on average, until `endMs`. */
function disturb(cluster: SimCluster, random: Seeded, everyMs: number, endMs: number, act: () => void): void {
  const next = (): void => {
    const waitMs = -Math.log(1 - random.next()) * everyMs;
    if (cluster.nowMs + waitMs > endMs) return;
    cluster.queue.after(waitMs, () => {
      act();
      next();
    });
  };
  next();
}

/** Verdicts of death on members that answered probes at the time. */
const wronged = ({ told }: SimCluster): readonly Told[] =>
  told.filter(({ event, answers }) => event.is === 'failed' && answers);

const nameIn = ({ event }: Told): string => ('member' in event ? event.member.name : '');

/**
 * SAFETY. Up to 10 % of packets are lost; they are late, doubled and out of order; clocks differ by 2 %; now and then a
 * node stands still for up to 2 s. Nobody who answers probes may be declared dead, ever; one real crash must be found
 * all the same.
 */
export function safety(seed: string, nodes: number, forMs = 60_000): Outcome {
  const config = swimConfig('lan', { tcpPings: seeded(seed).fork('config').chance(0.5) });
  const cluster = new SimCluster({ seed, nodes, config, drift: 0.02 });
  const random = cluster.random.fork('scenario');
  cluster.network.weather = drawWeather(random, 0.1);
  const stillMs = random.pick([0, 500, 2000]);
  cluster.startAll();
  const endMs = cluster.nowMs + forMs;
  const pause = (): void => cluster.pause(random.pick(cluster.nodes), random.next() * stillMs);
  if (stillMs > 0) disturb(cluster, random, 6000, endMs, pause);
  cluster.advance(forMs);
  const victim = cluster.nodes.at(-1)!;
  cluster.crash(victim);
  const found = (): boolean => cluster.up().every((node) => ['dead', 'unknown'].includes(stateAt(node, victim)));
  const foundMs = cluster.until(found, 60_000);
  const faults = wronged(cluster).map(
    (told) => `${told.by} declared ${nameIn(told)} dead at ${told.atMs.toFixed(0)} ms`,
  );
  if (foundMs === undefined) faults.push(`the crash of ${victim.name} was not found within 60 s`);
  cluster.check();
  const { loss, delayMs } = cluster.network.weather;
  const figures = `loss ${loss.toFixed(3)}, delay to ${delayMs[1]} ms, pauses to ${stillMs} ms, crash found in ${foundMs} ms`;
  return { cluster, figures, faults };
}

const stateAt = (node: SimNode, of: SimNode): string => node.core!.member(of.name)?.state ?? 'unknown';

/** One fault at random, of all kinds there are. */
function breakSomething(cluster: SimCluster, random: Seeded): void {
  const { network, nodes } = cluster;
  const node = random.pick(nodes);
  const others = nodes.filter((other) => other !== node);
  switch (random.below(7)) {
    case 0:
      if (node.core !== undefined) cluster.crash(node);
      break;
    case 1:
    case 2:
      if (node.core === undefined) cluster.start(node);
      break;
    case 3:
      cluster.pause(node, random.pick([300, 3000, 15_000, 40_000]));
      break;
    case 4:
      network.cut(node.name, random.pick(others).name);
      break;
    case 5:
      for (const other of others) network.cut(other.name, node.name);
      break;
    case 6:
      if (random.chance(0.5)) network.heal();
      else splitInTwo(cluster, random);
      break;
  }
}

export function splitInTwo(cluster: SimCluster, random: Seeded): void {
  const side = new Map(cluster.nodes.map((node) => [node.name, random.chance(0.5)]));
  for (const a of cluster.nodes) {
    for (const b of cluster.nodes) if (side.get(a.name) !== side.get(b.name)) cluster.network.cut(a.name, b.name);
  }
}

/**
 * LIVENESS. A minute or more of everything at once: heavy loss, cuts of one way and of halves, crashes and second lives,
 * nodes that stand still for long. Then all is healed and everybody runs, and all have to agree on that within a bound.
 */
export function liveness(seed: string, nodes: number, boundMs: number): Outcome {
  const cluster = new SimCluster({ seed, nodes, drift: 0.02 });
  const random = cluster.random.fork('scenario');
  cluster.network.weather = drawWeather(random, 0.3);
  cluster.startAll();
  const forMs = random.pick([60_000, 120_000]);
  disturb(cluster, random, random.pick([1000, 4000]), cluster.nowMs + forMs, () => breakSomething(cluster, random));
  cluster.advance(forMs);
  cluster.network.heal();
  cluster.network.weather = { ...cluster.network.weather, loss: 0.01 };
  for (const node of cluster.nodes) {
    if (node.core === undefined) cluster.start(node);
    else cluster.wakeUp(node);
  }
  const healedMs = cluster.until(() => cluster.agreed(), boundMs);
  cluster.check();
  const faults = healedMs === undefined ? [`no agreement ${boundMs} ms after healing: ${cluster.disagreement()}`] : [];
  return { cluster, figures: `agreed ${healedMs} ms after healing`, faults };
}

/**
 * SELF-LAG. One node is blocked again and again, for up to 20 s, while all others are well; what reaches it meanwhile
 * waits in its sockets. The others may take it for dead. It may accuse nobody: on a network that loses nothing it
 * doesn't even suspect, and on a lossy one it declares nobody dead.
 */
export function slowObserver(seed: string, nodes: number, loss: number): Outcome {
  const cluster = new SimCluster({ seed, nodes, config: swimConfig('lan', { tcpPings: false }) });
  const random = cluster.random.fork('scenario');
  cluster.network.weather = { loss, duplicate: 0, delayMs: [0.2, 20], refusal: 0 };
  cluster.startAll();
  cluster.advance(5000);
  const slow = random.pick(cluster.nodes);
  for (let i = 0; i < 8; i++) {
    const blockedMs = random.pick([600, 2000, 5000, 20_000]);
    cluster.pause(slow, blockedMs);
    cluster.advance(blockedMs + 500 + random.below(3000));
  }
  const verdicts = loss === 0 ? ['failed', 'suspect'] : ['failed'];
  const faults = cluster.told
    .filter((told) => told.by === slow.name && verdicts.includes(told.event.is))
    .map((told) => `${told.by} took ${nameIn(told)} as ${told.event.is} at ${told.atMs.toFixed(0)} ms`);
  cluster.check();
  const { lags, lagMs } = slow.core!.counts();
  return { cluster, figures: `${lags} lags of ${lagMs.toFixed(0)} ms in all`, faults };
}
