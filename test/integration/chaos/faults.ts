import type { Seeded } from '../../support/seeded.js';
import { pause } from '../../support/until.js';
import type { ChaosCluster } from './chaos-cluster.js';
import type { Cuts } from './cuts.js';

export const faultNames = ['crash', 'freeze', 'drain', 'add', 'short cut', 'long split'] as const;
export type FaultName = (typeof faultNames)[number];

export interface Fault {
  readonly name: FaultName;
  readonly what: string;
  /** Begins it, and ends it again; the members may still have to find each other. */
  run(): Promise<void>;
  /** Of a long split: the sides, which may know nothing of each other's writes. */
  readonly sides: readonly (readonly string[])[] | undefined;
  /** Copies of each entry with which no acknowledged put may be lost by it; Infinity: it may be in any case. */
  readonly safeCopies: number;
}

export interface FaultContext {
  readonly cluster: ChaosCluster;
  readonly cuts: Cuts | undefined;
  /** Names of nodes that may be started beside those that run. */
  readonly spares: readonly string[];
  readonly random: Seeded;
  problem(what: string): void;
}

/** One fault at a time, drawn when it begins; undefined where it can't be made here. */
export function makeFault(name: FaultName, context: FaultContext): Fault | undefined {
  const { cluster, cuts, random } = context;
  const up = cluster.up().map((place) => place.name);
  const victim = random.pick(up);
  switch (name) {
    case 'crash': {
      const downMs = random.between(500, 8_000);
      const run = async (): Promise<void> => {
        await cluster.kill(victim);
        await pause(downMs);
        await cluster.start(victim);
      };
      return { name, what: `SIGKILL of ${victim}, back after ${downMs} ms`, run, sides: undefined, safeCopies: 2 };
    }
    case 'freeze': {
      const frozenMs = random.between(500, 10_000);
      const run = async (): Promise<void> => {
        cluster.freeze(victim);
        await pause(frozenMs);
        cluster.wake(victim);
      };
      return { name, what: `SIGSTOP of ${victim} for ${frozenMs} ms`, run, sides: undefined, safeCopies: 2 };
    }
    case 'drain': {
      const downMs = random.between(0, 3_000);
      const run = async (): Promise<void> => {
        await drainWell(victim, context);
        await pause(downMs);
        await cluster.start(victim);
      };
      return { name, what: `SIGTERM of ${victim}, back after ${downMs} ms`, run, sides: undefined, safeCopies: 1 };
    }
    case 'add': {
      const spare = context.spares.find((other) => !up.includes(other));
      if (spare !== undefined) {
        return { name, what: `${spare} joins`, run: () => cluster.start(spare), sides: undefined, safeCopies: 1 };
      }
      const leaver = random.pick(context.spares);
      return {
        name,
        what: `${leaver} leaves for good`,
        run: () => drainWell(leaver, context),
        sides: undefined,
        safeCopies: 1,
      };
    }
    case 'short cut': {
      if (cuts === undefined) return undefined;
      const others = up.filter((other) => other !== victim);
      const cutMs = random.between(300, 2_000);
      return {
        name,
        what: `${victim} cut off for ${cutMs} ms`,
        run: () => cutFor(cuts, [victim], others, cutMs),
        sides: undefined,
        safeCopies: 1,
      };
    }
    case 'long split': {
      if (cuts === undefined) return undefined;
      const mixed = random.shuffled(up);
      const at = random.between(1, Math.floor(mixed.length / 2));
      const sides = [mixed.slice(0, at), mixed.slice(at)] as const;
      const cutMs = random.between(12_000, 18_000);
      const what = `${sides.map((side) => side.join('+')).join(' | ')} apart for ${cutMs} ms`;
      return { name, what, run: () => cutFor(cuts, ...sides, cutMs), sides, safeCopies: Number.POSITIVE_INFINITY };
    }
  }
}

async function drainWell(name: string, { cluster, problem }: FaultContext): Promise<void> {
  const exit = await cluster.drain(name);
  if (exit !== 0) problem(`${name} was told to stop and ended with ${exit}`);
}

async function cutFor(cuts: Cuts, side: readonly string[], other: readonly string[], cutMs: number): Promise<void> {
  try {
    await cuts.cut(side, other);
    await pause(cutMs);
  } finally {
    await cuts.heal();
  }
}

/** Every kind once, then any, in an order of the seed. */
export function* faultOrder(random: Seeded): Generator<FaultName, never> {
  for (;;) yield* random.shuffled(faultNames);
}
