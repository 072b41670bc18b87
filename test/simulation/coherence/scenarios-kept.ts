import { handoffMs } from '../../../src/engine/topology.js';
import { crash, cutApart, few, join, leave, pairCut, pause, reset, restart } from './acts.js';
import { numbered, ofOneSlot, ofOwnSlots, ofTakenSlots } from './keys.js';
import type { Scenario } from './scenario.js';

const roomy = { maxBytes: '8MiB', readTimeout: 4000 };
/** Of what only the cache has: nothing of it may be lost, however nodes come and go. */
export const keptScenarios: readonly Scenario[] = [
  {
    // With one copy of each entry or two; a leaver has several batches to hand over while clients go on writing.
    name: 'lagging',
    world: (random) => ({ nodes: random.between(3, 5), replicas: random.between(1, 2), keyspace: roomy }),
    crowd: (random) => ({
      keys: ['k0', 'k1'],
      lagging: numbered('l', random.between(3, 6)),
      // All of them are more than nodes hand over in one batch of 128.
      ballast: ofOwnSlots.slice(0, random.chance(0.3) ? undefined : random.between(0, 60)),
      readers: 5,
    }),
    play: async (plot) => {
      for (let i = few(plot.random); i > 0; i--) {
        await plot.random.pick([join, leave])(plot);
        await plot.after(plot.random.below(2000));
      }
      // What nobody has asked for since must be there when former owners have let go of what moved.
      if (plot.random.chance(0.1)) await plot.after(handoffMs + 5000);
    },
  },
  {
    /*
     * One crash at a time, and time to make second copies before the next. A put that some node did not confirm may have had
     * one copy, where it was the replica's node.
     */
    name: 'lagging-crash',
    ownersCrash: true,
    putsMayBeLost: ({ outcome }) => outcome.is === 'ok' && outcome.unreached.length > 0,
    world: (random) => ({ nodes: random.between(3, 5), replicas: 2, keyspace: roomy }),
    crowd: (random) => ({
      keys: ['k0'],
      lagging: numbered('l', random.between(4, 8)),
      ballast: ofOwnSlots.slice(0, random.between(0, 60)),
      readers: 5,
    }),
    play: async (plot) => {
      const { random } = plot;
      for (let i = random.between(1, 2); i > 0; i--) {
        if (random.chance(0.5)) {
          await cutApart(plot, random.between(50, 3500), false);
          await plot.after(random.pick([0, 300, 1500, 4000]));
        }
        await crash(plot);
        await plot.after(random.between(7000, 10_000));
      }
    },
  },
  {
    // Several join or leave at once, so that keys move on before all have heard whose they were.
    name: 'lagging-many',
    world: (random) => ({
      nodes: random.between(2, 6),
      replicas: random.between(1, 2),
      keyspace: roomy,
      latencyMs: random.pick([2, 10, 40, 80]),
    }),
    crowd: (random) => ({
      keys: ['k0'],
      lagging: numbered('l', 5),
      ballast: ofOwnSlots.slice(0, random.between(20, 100)),
      readers: 5,
    }),
    play: async (plot) => {
      const { random } = plot;
      for (let i = few(random); i > 0; i--) {
        const begun: Promise<void>[] = [];
        for (let acts = random.between(2, 3); acts > 0; acts--) {
          begun.push(random.pick([join, join, leave])(plot));
          await plot.after(random.below(random.pick([20, 400, 1500])));
        }
        await Promise.all(begun);
        await plot.after(random.below(2000));
      }
    },
  },
  {
    /*
     * The ring stands still, and links do not: whoever misses writes of others to keys in the same slots loses nothing of what was
     * put on it.
     */
    name: 'lagging-links',
    world: (random) => ({
      nodes: random.between(3, 5),
      replicas: random.between(1, 2),
      keyspace: roomy,
      maxInflight: random.pick([6, 12, 10_000]),
    }),
    crowd: (random) => ({
      keys: ['k0', 'k1'],
      lagging: numbered('l', random.between(2, 6)),
      ballast: ofTakenSlots.slice(0, random.between(5, 40)),
      readers: 8,
    }),
    play: async (plot) => {
      const { random } = plot;
      for (let i = random.between(3, 8); i > 0; i--) {
        const act = random.pick([
          (): Promise<void> => reset(plot, random.between(50, 1200)),
          (): Promise<void> => pairCut(plot, random.between(50, 3500)),
          (): Promise<void> => pause(plot, random.between(50, 900)),
        ]);
        await act();
        await plot.after(random.below(800));
      }
    },
  },
  {
    name: 'rolling',
    world: (random) => ({ nodes: random.between(3, 4), replicas: random.between(1, 2), keyspace: roomy }),
    crowd: (random) => ({
      keys: ['k0', 'k1'],
      lagging: numbered('l', 4),
      ballast: ofOwnSlots.slice(0, random.between(20, 100)),
      readers: 5,
    }),
    play: async (plot) => {
      for (const name of [...plot.world.nodes.keys()]) await restart(plot, name);
    },
  },
  {
    // What is told of one of these keys floors and tokens say of all, among nodes that take long to hand over.
    name: 'one-slot-leave',
    world: (random) => ({
      nodes: random.between(3, 4),
      replicas: random.between(1, 2),
      keyspace: roomy,
      skewMs: 240,
    }),
    crowd: (random) => ({ keys: ofOneSlot, ballast: numbered('b', random.pick([300, 500, 900])), readers: 5 }),
    play: async (plot) => {
      const { random } = plot;
      for (let i = random.between(1, 2); i > 0; i--) {
        const [first, second] = random.shuffled([join, leave]) as [typeof join, typeof leave];
        await first(plot);
        await plot.after(random.below(1000));
        await second(plot);
      }
    },
  },
];
