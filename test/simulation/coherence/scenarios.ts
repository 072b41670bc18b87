import { crash, cutApart, few, join, leave, oneOf, oneWayCut, type Plot, pause, reset } from './acts.js';
import { ofOneSlot } from './keys.js';
import type { Scenario } from './scenario.js';
import { keptScenarios } from './scenarios-kept.js';
import { tangledScenarios } from './scenarios-tangled.js';

/** A lease of two seconds, and latency and attempts beside it. */
const promptMs = 3000;

const usual: readonly Scenario[] = [
  { name: 'stable', isSettled: true, answersWithinMs: promptMs, play: (plot) => plot.after(5000) },
  {
    name: 'join',
    answersWithinMs: promptMs,
    play: async (plot) => {
      for (let i = few(plot.random); i > 0; i--) await join(plot);
      await plot.after(1000);
    },
  },
  {
    name: 'leave',
    world: (random) => ({ nodes: random.between(3, 6) }),
    play: async (plot) => {
      await leave(plot);
      await join(plot);
      await leave(plot);
    },
  },
  {
    name: 'pause',
    play: async (plot) => {
      for (let i = few(plot.random); i > 0; i--) {
        await pause(plot, plot.random.pick([300, 900, 1500, 2200, 2800, 3500, 6000, 9000]) + plot.random.below(400));
        await plot.after(plot.random.below(2500));
      }
    },
  },
  {
    name: 'stall',
    play: async (plot) => {
      for (let i = 0; i < 6; i++) {
        await pause(plot, plot.random.between(20, 700));
        await plot.after(plot.random.below(500));
      }
    },
  },
  {
    name: 'crash',
    play: async (plot) => {
      await crash(plot);
      await plot.after(plot.random.below(2000));
      await crash(plot);
    },
  },
  {
    name: 'cut',
    play: async (plot) => {
      for (let i = few(plot.random); i > 0; i--) {
        await cutApart(plot, plot.random.between(50, 1900), false);
        await plot.after(plot.random.below(2500));
      }
    },
  },
  {
    name: 'one-way',
    play: async (plot) => {
      for (let i = few(plot.random); i > 0; i--) {
        await oneWayCut(plot, plot.random.between(50, 6000));
        await plot.after(plot.random.below(2500));
      }
    },
  },
  {
    name: 'resets',
    answersWithinMs: promptMs,
    play: async (plot) => {
      for (let i = plot.random.between(5, 15); i > 0; i--) await reset(plot, plot.random.between(50, 1200));
      await plot.after(1000);
    },
  },
  {
    // So few calls at a time that invalidations are refused, and found to be missing later.
    name: 'overload',
    world: (random) => ({ maxInflight: random.between(4, 8) }),
    crowd: () => ({ readers: 12, writersPerKey: 1 }),
    play: (plot) => plot.after(5000),
  },
  {
    // A row that was read before a write is still on its way when the write has long been answered.
    name: 'slow-source',
    world: () => ({ sourceMs: 4000, keyspace: { readTimeout: 4500 } }),
    play: async (plot) => {
      for (let i = few(plot.random); i > 0; i--) {
        await oneWayCut(plot, plot.random.between(1500, 6000));
        await plot.after(plot.random.below(1500));
      }
    },
  },
  {
    // Those who owned a key before are asked for it, and may not have heard of what was written to it since.
    name: 'crowded-join',
    world: (random) => ({ maxInflight: random.between(3, 6) }),
    crowd: () => ({ readers: 12, writersPerKey: 1 }),
    play: async (plot) => {
      for (let i = few(plot.random); i > 0; i--) {
        await join(plot);
        await plot.after(plot.random.below(1500));
      }
    },
  },
  {
    name: 'split',
    // Of puts on both sides the one with the higher version stays: the later one as far as clocks agree.
    world: () => ({ skewMs: 0 }),
    play: async (plot) => {
      await cutApart(plot, plot.random.between(2500, 12_000), true);
      await plot.after(2000);
    },
  },
  {
    name: 'replicas',
    world: () => ({ replicas: 2 }),
    play: async (plot) => {
      await crash(plot);
      await join(plot);
      await leave(plot);
    },
  },
  {
    name: 'writers',
    crowd: () => ({ writersPerKey: 3 }),
    play: async (plot) => {
      await join(plot);
      await pause(plot, plot.random.between(100, 4000));
    },
  },
  {
    name: 'small',
    world: (random) => ({
      keyspace: {
        maxBytes: random.pick([1024, 1500, 3000]),
        defaultTtl: random.pick([200, 1000, 3000]),
        hotShare: 0.5,
      },
    }),
    play: async (plot) => {
      await join(plot);
      await plot.after(3000);
    },
  },
  {
    // Entries that have expired are answered with, at once or as the source fails, while nodes come, go and lose touch.
    name: 'stale',
    world: (random) => ({
      replicas: random.pick([1, 1, 2]),
      sourceFails: random.pick([0.2, 0.5, 0.9]),
      keyspace: {
        defaultTtl: random.pick([50, 300, 1000]),
        staleWhileRevalidate: random.pick([0, 200, 2000]),
        staleIfError: random.pick([500, 4000]),
      },
    }),
    play: async (plot) => {
      for (let i = few(plot.random); i > 0; i--) {
        const act = plot.random.pick([
          join,
          leave,
          crash,
          (p: Plot) => pause(p, p.random.between(100, 5000)),
          (p: Plot) => cutApart(p, p.random.between(50, 1900), false),
          (p: Plot) => oneWayCut(p, p.random.between(50, 4000)),
        ]);
        await act(plot);
        await plot.after(plot.random.below(2500));
      }
      plot.world.mendSource();
    },
  },
  {
    name: 'clocks',
    isSettled: true,
    world: () => ({ skewMs: 240 }),
    play: async (plot) => {
      for (let i = 0; i < 4; i++) {
        const node = oneOf(plot);
        node.clock.skewMs += plot.random.between(-400, 400);
        await plot.after(plot.random.between(200, 1500));
      }
      await join(plot);
    },
  },
  {
    // Of keyspaces that operators clear and change meanwhile.
    name: 'clear',
    world: (random) => ({ replicas: random.between(1, 2) }),
    crowd: () => ({ operates: true }),
    play: async (plot) => {
      await plot.after(3000);
      await join(plot);
      await plot.after(2000);
      await leave(plot);
      await plot.after(1000);
    },
  },
  {
    name: 'clear-troubled',
    crowd: () => ({ operates: true }),
    play: async (plot) => {
      for (let i = 0; i < 4; i++) {
        const act = plot.random.pick([
          join,
          crash,
          (p: Plot) => pause(p, p.random.between(100, 5000)),
          (p: Plot) => cutApart(p, p.random.between(50, 1900), false),
          (p: Plot) => oneWayCut(p, p.random.between(50, 6000)),
        ]);
        await act(plot);
        await plot.after(plot.random.below(2000));
      }
    },
  },
  {
    // Of two that take themselves for the owner, the one whose clock is behind writes what the other has just loaded.
    name: 'skewed-replicas',
    world: () => ({ replicas: 2, skewMs: 240 }),
    crowd: () => ({ readers: 10, writersPerKey: 1 }),
    play: async (plot) => {
      await join(plot);
      await leave(plot);
      await join(plot);
    },
  },
  {
    // Long enough that those who hold replicas take the keys over, too short for anybody to be declared dead.
    name: 'cut-replicas',
    world: (random) => ({ nodes: random.between(3, 6), replicas: 2 }),
    play: async (plot) => {
      for (let i = few(plot.random); i > 0; i--) {
        await cutApart(plot, plot.random.between(1000, 3800), false);
        // Two that follow each other at once are one long one.
        await plot.after(plot.random.between(1000, 3000));
      }
    },
  },
  {
    // The floor and token of each key are those of all.
    name: 'one-slot',
    crowd: () => ({ keys: ofOneSlot }),
    play: async (plot) => {
      for (let i = 0; i < 4; i++) {
        const act = plot.random.pick([
          join,
          (p: Plot) => cutApart(p, p.random.between(50, 1900), false),
          (p: Plot) => oneWayCut(p, p.random.between(50, 6000)),
        ]);
        await act(plot);
        await plot.after(plot.random.below(2000));
      }
    },
  },
  {
    name: 'one-slot-clear',
    world: (random) => ({ replicas: random.between(1, 2) }),
    crowd: () => ({ keys: ofOneSlot, operates: true }),
    play: async (plot) => {
      for (let i = 0; i < 3; i++) {
        const act = plot.random.pick([join, (p: Plot) => oneWayCut(p, p.random.between(50, 6000))]);
        await act(plot);
        await plot.after(plot.random.below(2000));
      }
    },
  },
  {
    name: 'mixed',
    world: (random) => ({ nodes: random.between(4, 6) }),
    play: async (plot) => {
      for (let i = 0; i < 3; i++) {
        const act = plot.random.pick([
          join,
          leave,
          crash,
          (p: Plot) => pause(p, p.random.between(100, 5000)),
          (p: Plot) => cutApart(p, p.random.between(50, 1900), false),
        ]);
        await act(plot);
        await plot.after(plot.random.below(3000));
      }
    },
  },
];

export const scenarios: readonly Scenario[] = [...usual, ...keptScenarios, ...tangledScenarios];
