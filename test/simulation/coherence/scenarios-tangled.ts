import {
  crash,
  cutApart,
  few,
  join,
  leave,
  leaveWithPause,
  oneWayCut,
  type Plot,
  pairCut,
  pause,
  sleep,
} from './acts.js';
import { ofOneSlot } from './keys.js';
import type { Scenario } from './scenario.js';

type Act = (plot: Plot) => Promise<void>;

const shortCut: Act = (plot) => cutApart(plot, plot.random.between(50, 1900), false);
const split: Act = (plot) => cutApart(plot, plot.random.between(2500, 9000), true);
/** Where one of three leaves meanwhile, the two that are left are apart: a split, if it takes long. */
const deaf: Act = (plot) => oneWayCut(plot, plot.random.between(50, plot.world.up().length < 4 ? 1900 : 6000));
const freeze: Act = (plot) => pause(plot, plot.random.between(100, 4000));

/** The second begins while the first is under way. At most one of the two is a cut: two may be a split that nobody excuses. */
const pairs: readonly (readonly [Act, Act])[] = [
  [join, join],
  [shortCut, crash],
  [leaveWithPause, freeze],
  [leaveWithPause, join],
  [split, join],
  [deaf, leave],
  [shortCut, join],
  [shortCut, leave],
  [join, leave],
  [join, crash],
  [join, freeze],
  [leave, leave],
  [crash, leave],
  [crash, freeze],
  [shortCut, freeze],
];

export const tangledScenarios: readonly Scenario[] = [
  {
    name: 'tangled',
    world: (random) => ({ nodes: random.between(4, 7), replicas: random.between(1, 2) }),
    crowd: (random) => (random.chance(0.3) ? { keys: ofOneSlot } : {}),
    play: async (plot) => {
      const { random } = plot;
      for (let i = few(random); i > 0; i--) {
        const [first, second] = random.pick(pairs);
        const begun = first(plot);
        await plot.after(random.below(1500));
        await Promise.all([begun, second(plot)]);
        await plot.after(random.below(2500));
      }
    },
  },
  {
    // An owner and its replica, or who owns a key and who will, are out of each other's reach as the ring changes.
    name: 'pair-cut',
    world: (random) => ({ nodes: random.between(4, 5), replicas: random.pick([1, 2, 2, 2]) }),
    crowd: () => ({ readers: 10 }),
    play: async (plot) => {
      const { random, world } = plot;
      for (let i = few(random); i > 0; i--) {
        const begun = pairCut(plot, random.between(1500, world.up().length < 4 ? 1900 : 6000));
        await plot.after(random.below(2500));
        await Promise.all([begun, random.pick([join, leave, join, leave, crash, freeze])(plot)]);
        await plot.after(random.below(2500));
      }
    },
  },
  {
    name: 'frozen-ring',
    world: (random) => ({ nodes: random.between(3, 5), replicas: 2 }),
    crowd: () => ({ readers: 10 }),
    play: async (plot) => {
      const { random } = plot;
      for (let i = few(random); i > 0; i--) {
        const begun = pause(plot, random.between(500, 3500));
        await plot.after(random.below(2000));
        await Promise.all([begun, random.pick([join, leave])(plot)]);
        await plot.after(random.below(2500));
      }
    },
  },
  {
    // Monotonic time stands still meanwhile, so that by it no lease has run out; the clock on the wall tells.
    name: 'sleep',
    lateWriteMs: 80_000,
    // Answers of the others arrive far apart, and there is much to ask meanwhile.
    world: (random) => ({
      nodes: random.between(3, 5),
      replicas: random.between(1, 2),
      latencyMs: random.pick([10, 40, 80]),
    }),
    crowd: () => ({ readers: 8 }),
    play: async (plot) => {
      const { random } = plot;
      const forMs = random.chance(0.03) ? 60_000 : random.pick([3000, 4000, 6000, 10_000]);
      await plot.after(random.below(1000));
      await sleep(plot, forMs + random.below(1000));
      await plot.after(random.below(2500));
    },
  },
];
