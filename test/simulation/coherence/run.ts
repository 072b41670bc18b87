import { allGuards, type Guards } from '../../../src/coherence/guards.js';
import { leaseMs } from '../../../src/coherence/leases.js';
import { handoffMs } from '../../../src/engine/topology.js';
import type { History } from '../../support/history/history.js';
import { judge } from '../../support/history/judge.js';
import type { CheckOptions } from '../../support/history/options.js';
import { type HistoryRecord, type ReadRecord, seqOf, type WriteRecord } from '../../support/history/records.js';
import { areApart, lengthened, type Split } from '../../support/history/split.js';
import { strangersIn } from '../../support/history/strangers.js';
import { textOf, type Violation } from '../../support/history/violations.js';
import { seeded } from '../../support/seeded.js';
import type { Plot } from './acts.js';
import { Clients, callTimeoutMs } from './clients.js';
import { isLagging } from './keys.js';
import type { Scenario } from './scenario.js';
import { scenarios } from './scenarios.js';
import { ks, World } from './world.js';

export interface Outcome {
  readonly scenario: string;
  readonly seed: string;
  readonly violations: readonly Violation[];
  /** What is wrong beside what clients saw: calls overdue, members that do not agree, timers left. */
  readonly problems: readonly string[];
  readonly operations: number;
  readonly records: readonly HistoryRecord[];
}

interface Window {
  readonly fromMs: number;
  toMs: number;
  readonly sides: readonly (readonly string[])[] | undefined;
}

/** Sides of a split agree five seconds after it (G5). */
const agreeAfterMs = 5000;
/** A write in the socket of a frozen node, or of one that was cut off. */
const usuallyLateMs = 20_000;
const quietMs = 6000;
/** Of a call's time, kept for its answer to travel. */
const answerMs = 300;

export const scenarioNamed = (name: string): Scenario => {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (found === undefined)
    throw new Error(`no scenario '${name}'; there are: ${scenarios.map((s) => s.name).join(', ')}`);
  return found;
};

/** One line that makes a run again. */
export const againOf = ({ scenario, seed }: Pick<Outcome, 'scenario' | 'seed'>): string =>
  `npm run simulate -- --scenario ${scenario} --seed ${seed} --trace`;

/** How to make a run again, and all that is wrong with it. */
export const storyOf = (outcome: Outcome): string =>
  [`again: ${againOf(outcome)}`, ...outcome.problems, ...outcome.violations.map(textOf)].join('\n');

/** One run: the same scenario, seed and guards give the same run. */
export async function runOnce(scenario: Scenario, seed: string, guards: Guards = allGuards): Promise<Outcome> {
  const random = seeded(`${scenario.name}/${seed}`);
  const world = new World({
    seed: random.seed,
    guards,
    nodes: random.between(3, 5),
    replicas: 1,
    keyspace: { readTimeout: 4000 },
    skewMs: random.pick([0, 20, 200]),
    latencyMs: random.pick([2, 10, 40]),
    sourceMs: random.pick([5, 60, 400]),
    sourceFails: 0,
    maxInflight: 10_000,
    ...scenario.world?.(random.fork('world')),
  });
  const windows: Window[] = [];
  const { clock } = world;
  const plot: Plot = {
    world,
    random: random.fork('plot'),
    after: (ms) =>
      new Promise((resolve) => {
        clock.after(ms, resolve);
      }),
    begin: (sides) => {
      const window: Window = { fromMs: clock.nowMs(), toMs: Number.POSITIVE_INFINITY, sides };
      windows.push(window);
      return () => {
        window.toMs = clock.nowMs();
      };
    },
  };

  for (let i = 1; i <= world.options.nodes; i++) world.start(`n${i}`);
  world.startDetector();
  // One load is promised of a ring that stands still, and former owners are asked for a minute.
  const joining = plot.begin();
  await clock.advance(scenario.isSettled === true ? handoffMs + 5000 : 3000);
  joining();
  if (scenario.isSettled === true) windows.length = 0;
  const crowd = {
    keys: Array.from({ length: random.between(2, 6) }, (_, i) => `k${i}`),
    writersPerKey: 1,
    readers: 6,
    asksOwner: scenario.name === 'stable',
    operates: false,
    lagging: [],
    ballast: [],
    ...scenario.crowd?.(random.fork('crowd')),
  };
  const clients = new Clients(world, crowd);
  await clients.load();
  await clock.until(scenario.play(plot), 120_000);
  await clock.advance(500);
  await clients.end();
  await clock.advance(quietMs);
  await clients.readAll();

  const problems = [
    ...clients.overdue.map((what) => `${what} is overdue`),
    ...disagreements(world),
    ...differences(world),
  ];
  const stores = world.up().map(({ engine }) => ({ check: () => engine.check() }));
  const checks = { ...checksOf(world.history, windows, scenario), stores };
  const { violations } = judge(world.history, checks);
  await world.stop();
  if (clock.pending() > 0) problems.push(`${clock.pending()} timers are left`);
  for (const line of world.logged.filter((text) => /fault of ours|failed by/.test(text))) problems.push(line);
  const { reads, writes } = world.history;
  return {
    scenario: scenario.name,
    seed,
    violations,
    problems,
    operations: reads.length + writes.length,
    records: world.history.all(),
  };
}

/** A write that ends at its deadline names whom it could not wait for: their leases may last two seconds more. */
const hadTooLittleTime = (read: ReadRecord, { outcome, startMs, endMs }: WriteRecord): boolean =>
  outcome.is === 'ok' &&
  outcome.unreached.includes(read.node) &&
  endMs - startMs > callTimeoutMs - answerMs &&
  read.startMs < endMs + leaseMs;

/** What docs/coherence.md does not promise, and nothing more. */
function checksOf(
  history: History,
  windows: readonly Window[],
  { putsMayBeLost, ownersCrash, answersWithinMs, lateWriteMs = usuallyLateMs }: Scenario,
): CheckOptions {
  const splits = lengthened(
    windows.flatMap(({ fromMs, toMs, sides }): Split[] =>
      sides === undefined ? [] : [{ fromMs, toMs: toMs + agreeAfterMs, sides }],
    ),
  );
  const areStrangers = strangersIn(history);
  return {
    lateWriteMs,
    monotonicAcrossNodes: false,
    isLagging,
    answersWithinMs,
    ownersCrash,
    excuses: (read, write, seen) =>
      hadTooLittleTime(read, write) ||
      areStrangers(read, write) ||
      (isLagging(write.key) && putsMayBeLost?.(write) === true) ||
      splits.some((split) => areApart(split, read, write, seen)),
    // Around a suspicion or a change of the ring two nodes may load or write the same row; values never go back behind what
    // was acknowledged.
    excusesBack: (earlier, later, isOpen) =>
      windows.some(
        ({ fromMs, toMs, sides }) =>
          (sides !== undefined || isOpen || seqOf(later) >= seqOf(earlier)) &&
          earlier.endMs > fromMs &&
          earlier.endMs < toMs + agreeAfterMs,
      ),
    excusesLoad: (load) => windows.some(({ fromMs, toMs }) => load.startMs < toMs + handoffMs && load.endMs > fromMs),
  };
}

/** Settings that were changed at run time are the same everywhere in the end. */
function differences(world: World): readonly string[] {
  const settings = world.up().map(({ engine }) => {
    const { defaultTtlMs, negativeTtlMs } = engine.describeKeyspace(ks);
    return `${defaultTtlMs}/${negativeTtlMs}`;
  });
  return new Set(settings).size <= 1 ? [] : [`nodes have different settings: ${settings.join(', ')}`];
}

/** Who the nodes that are up think is there. */
function disagreements(world: World): readonly string[] {
  const names = world
    .up()
    .map(({ name }) => name)
    .sort();
  return world.up().flatMap(({ name, membership }) => {
    const seen = membership.members().filter(({ state, serving }) => state === 'alive' && serving);
    const list = seen
      .map((member) => member.name)
      .sort()
      .join();
    return list === names.join() ? [] : [`${name} sees ${list}, there are ${names.join()}`];
  });
}
