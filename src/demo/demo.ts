import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aborted, DistcacheError } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import type { Random } from '../ports/random.js';
import { watchActivity } from './activity.js';
import { largestCities, writeCityDatabase } from './city-database.js';
import { keyspace, LocalCluster } from './cluster.js';
import type { Launcher, RunningNode } from './node-process.js';
import { readAsPeopleDo } from './readers.js';
import type { StopSignals } from './stop-signals.js';
import { type DrawTable, welcome } from './text.js';
import { takeTour } from './tour.js';

export const nodesMax = 9;

export interface DemoOptions {
  /** 1 to nodesMax. */
  readonly nodeCount: number;
  /** One JSON line when it serves instead of text, and no events. */
  readonly json: boolean;
}

/** Keys that are read while the cluster is watched. */
const watchedKeys = 2_000;

export interface DemoDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly launcher: Launcher;
  readonly signals: Pick<StopSignals, 'stop' | 'force'>;
  /** What was asked for, to stdout. A failure ends the demo. */
  print(text: string): Promise<void>;
  /** Progress and events, to stderr. */
  note(line: string): Promise<void>;
  readonly table: DrawTable;
  /** Shows the cluster for as long as somebody looks at it, instead of text and events; meanwhile it is read from. */
  readonly watch?: ((nodes: readonly RunningNode[]) => Promise<void>) | undefined;
}

/** As `demo --json` prints it. */
export const readyLine = (nodes: readonly RunningNode[]): string =>
  `${JSON.stringify({ ready: true, keyspace, nodes: nodes.map(({ node, grpc, admin, pid }) => ({ node, grpc, admin, pid })) })}\n`;

/**
 * A cluster on this machine that serves cities of the world, for as long as it is wanted. Resolves when it was asked to
 * stop, rejects when it could not start, lost its last node, or was not allowed to end in peace; in every case no
 * process and no file is left. The nodes are ended, the folder is removed, also where this throws.
 */
export async function runDemo(options: DemoOptions, deps: DemoDeps): Promise<void> {
  const { stop, force } = deps.signals;
  const folder = await mkdtemp(join(tmpdir(), 'distcache-demo-'));
  // Events have nowhere to go once stderr is closed, and nobody waits for them.
  let isWatched = false;
  const tell = (line: string): void => {
    // The screen belongs to whoever draws on it.
    if (!isWatched) void deps.note(line).catch(() => {});
  };
  const watch = deps.watch;
  const watched = async (nodes: readonly RunningNode[]): Promise<void> => {
    isWatched = true;
    await watch?.(nodes).finally(() => {
      isWatched = false;
    });
  };
  const cluster = new LocalCluster(folder, join(folder, 'cities.db'), deps.launcher, deps.clock, {
    onLog: (node, line) => tell(`${node}: ${line}`),
    onLoss: (node, how, left) => tell(`${node} ${how}${left === 0 ? '' : '; the others go on'}`),
  });
  const over = new AbortController();
  try {
    const told = { ...deps, watch: watch && watched };
    await Promise.race([serve(cluster, folder, options, told, tell, over.signal), asked(stop)]);
  } finally {
    over.abort();
    if (!options.json && stop.aborted) tell('stopping');
    await cluster.stop(force);
    // A file that was just being written may turn up while the folder is emptied.
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  if (force.aborted) throw aborted('the demo');
}

async function serve(
  cluster: LocalCluster,
  folder: string,
  options: DemoOptions,
  deps: DemoDeps,
  tell: (line: string) => void,
  over: AbortSignal,
): Promise<void> {
  tell('writing cities into a SQLite database');
  await turn(deps.clock);
  const cities = writeCityDatabase(join(folder, 'cities.db'));
  for (let n = 1; n <= options.nodeCount && !over.aborted; n++) {
    tell(`starting node ${n} of ${options.nodeCount}`);
    await cluster.add(`demo-${n}`);
  }
  if (over.aborted) return;
  const nodes = [...cluster.running];
  if (deps.watch !== undefined) {
    const keys = largestCities(join(folder, 'cities.db'), watchedKeys);
    const reading = readAsPeopleDo(nodes, keyspace, keys, { clock: deps.clock, random: deps.random, signal: over });
    return Promise.race([deps.watch(nodes), reading]);
  }
  await Promise.race([
    options.json ? announced(nodes, deps) : shown(cluster, cities, deps, tell, over),
    cluster.allGone,
  ]);
  if (over.aborted) return;
  throw new DistcacheError(
    'PEER_UNREACHABLE',
    'all nodes of the demo have ended by themselves; see above, then start it again',
  );
}

/** Says once that it serves. */
async function announced(nodes: readonly RunningNode[], { print }: DemoDeps): Promise<never> {
  await print(readyLine(nodes));
  return new Promise(() => {});
}

/** Reads a few keys, says what came of it and what may be typed, and tells what is read from then on. */
async function shown(
  cluster: LocalCluster,
  cities: number,
  { clock, print, table }: DemoDeps,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const nodes = [...cluster.running];
  const tour = await takeTour(nodes, keyspace, clock, signal);
  const begun = (): Promise<void> => print(welcome({ keyspace, cities, nodes, tour }, table));
  await watchActivity(() => cluster.running, keyspace, { clock, tell, signal, begun });
}

/** Lets waiting signals and writes through before the event loop is held. */
const turn = (clock: Clock): Promise<void> => new Promise((resolve) => clock.soon(resolve));

function asked(stop: AbortSignal): Promise<void> {
  if (stop.aborted) return Promise.resolve();
  return new Promise((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }));
}
