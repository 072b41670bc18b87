import type { Seeded } from '../../support/seeded.js';
import type { Way } from './cuts.js';
import type { SimNode, World } from './world.js';

/** What can happen in a scenario. `begin` tells of time that is out of the ordinary; what it gives back ends it. */
export interface Plot {
  readonly world: World;
  readonly random: Seeded;
  begin(sides?: readonly (readonly string[])[]): () => void;
  after(ms: number): Promise<void>;
}

export const oneOf = (plot: Plot): SimNode => plot.random.pick(plot.world.up());

const names = (nodes: readonly SimNode[]): string[] => nodes.map(({ name }) => name);

const bothWays = (left: readonly string[], right: readonly string[]): readonly Way[] =>
  left.flatMap((a) =>
    right.flatMap((b): readonly Way[] => [
      [a, b],
      [b, a],
    ]),
  );

/** Who starts meanwhile does so on one of the sides. Where nobody is there, it is a cluster of its own: a split, however short. */
export async function cutApart(plot: Plot, forMs: number, isLong: boolean): Promise<void> {
  const { world, random } = plot;
  const all = random.shuffled(world.up());
  const size = random.between(1, Math.max(1, all.length - 1));
  const sides = [names(all.slice(0, size)), names(all.slice(size))] as const;
  const ends = [plot.begin(isLong ? sides : undefined)];
  const addressesOf = (side: readonly string[]): readonly string[] => side.map((name) => world.node(name).address);
  const healing = [world.cuts.cut(bothWays(addressesOf(sides[0]), addressesOf(sides[1])))];
  const divide = ({ name, address }: SimNode): void => {
    const own = sides.find((side) => side.includes(name));
    const at = own === undefined ? random.below(2) : sides.indexOf(own);
    const isAlone = sides[at]!.every((other) => other === name || world.node(other).state === 'gone');
    if (isAlone) ends.push(plot.begin(sides));
    if (own !== undefined) return;
    healing.push(world.cuts.cut(bothWays([address], addressesOf(sides[1 - at]!))));
    sides[at]!.push(name);
  };
  world.starting.add(divide);
  await plot.after(forMs);
  world.starting.delete(divide);
  for (const end of [...healing, ...ends]) end();
}

/** Two nodes are out of each other's reach, and in touch with all others. */
export async function pairCut(plot: Plot, forMs: number): Promise<void> {
  const { world, random } = plot;
  const [a, b] = random.shuffled(world.up());
  if (a === undefined || b === undefined) return;
  const end = plot.begin();
  const heal = world.cuts.cut(bothWays([a.address], [b.address]));
  await plot.after(forMs);
  heal();
  end();
}

/** The link of two nodes breaks, and is made anew. */
export async function reset(plot: Plot, forMs: number): Promise<void> {
  const { world, random } = plot;
  const [a, b] = random.shuffled(world.up());
  if (a === undefined || b === undefined) return;
  const end = plot.begin();
  world.network.hangUp(a.address, b.address);
  await plot.after(forMs);
  end();
}

export async function pause(plot: Plot, forMs: number): Promise<void> {
  const node = oneOf(plot);
  const end = plot.begin();
  plot.world.pause(node);
  await plot.after(forMs);
  plot.world.resume(node);
  end();
}

/**
 * The machine of one node sleeps. When it wakes some of its links are found broken, with what was on its way, and some of
 * the others are in reach a moment later only.
 */
export async function sleep(plot: Plot, forMs: number): Promise<void> {
  const { world, random } = plot;
  const node = oneOf(plot);
  const end = plot.begin();
  world.pause(node);
  await plot.after(forMs);
  const late: string[] = [];
  for (const { address } of world.up()) {
    const fate = random.next();
    if (fate < 0.25) world.network.hangUp(node.address, address);
    else if (fate < 0.6) late.push(address);
  }
  const heal = world.cuts.cut(bothWays([node.address], late));
  world.resume(node, forMs);
  await plot.after(random.between(100, 1500));
  heal();
  end();
}

/** One leaves, and its process stands still at some moment of that. */
export async function leaveWithPause(plot: Plot): Promise<void> {
  const { world, random } = plot;
  if (world.up().length < 3) return;
  const node = oneOf(plot);
  const end = plot.begin();
  world.leave(node);
  await plot.after(random.below(300));
  world.pause(node);
  await plot.after(random.between(100, 4000));
  world.resume(node);
  await plot.after(random.between(500, 3000));
  end();
}

export async function crash(plot: Plot): Promise<void> {
  const { world, random } = plot;
  const node = oneOf(plot);
  const end = plot.begin();
  world.crash(node, random.chance(0.5));
  await plot.after(random.between(500, 7000));
  world.start(node.name);
  await plot.after(1000);
  end();
}

export async function join(plot: Plot): Promise<void> {
  const end = plot.begin();
  plot.world.start(`n${plot.world.nodes.size + 1}`);
  await plot.after(plot.random.between(500, 2500));
  end();
}

export async function leave(plot: Plot): Promise<void> {
  if (plot.world.up().length < 3) return;
  const end = plot.begin();
  plot.world.leave(oneOf(plot));
  await plot.after(plot.random.between(500, 4000));
  end();
}

/** One leaves in its time and comes back, as in a rolling update. */
export async function restart(plot: Plot, name: string): Promise<void> {
  const { world, random } = plot;
  const node = world.node(name);
  const end = plot.begin();
  world.leave(node);
  while (node.state !== 'gone') await plot.after(50);
  await plot.after(random.between(50, 1000));
  const next = world.start(name);
  while (next.state === 'starting') await plot.after(50);
  await plot.after(random.below(1500));
  end();
}

export async function oneWayCut(plot: Plot, forMs: number): Promise<void> {
  const { world, random } = plot;
  const [a, b] = random.shuffled(world.up());
  if (a === undefined || b === undefined) return;
  const end = plot.begin();
  const heal = world.cuts.cut([[a.address, b.address]]);
  await plot.after(forMs);
  heal();
  end();
}

export const few = (random: Seeded): number => random.between(1, 3);
