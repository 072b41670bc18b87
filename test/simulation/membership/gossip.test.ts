import { expect } from 'chai';
import { MembershipPool, type PoolNode } from '../../support/membership-pool.js';
import type { Seeded } from '../../support/seeded.js';

/**
 * Whole memberships, discovery and links included, under seeded loss, cuts, kills, restarts and suspensions. What the core
 * alone promises is held by swim.test.ts; here it is what the engine sees of it.
 */

/** Longest rejoin and push/pull interval, a suspicion, and some: after it all agree. */
const healedMs = 180_000;

const file = 'test/simulation/membership/gossip.test.ts';

/** The change law: joined and gone alternate for each name, and nothing is updated that is gone. */
function followed(node: PoolNode): { readonly problems: string[] } {
  const alive = new Map<string, string>();
  const problems: string[] = [];
  node.membership.onChange(({ is, member }) => {
    const known = alive.get(member.name);
    if (is === 'joined') {
      if (known !== undefined) problems.push(`${member.name} joined twice`);
      alive.set(member.name, member.id);
    } else if (is === 'updated') {
      if (known !== member.id && member.name !== node.self.name) problems.push(`${member.name} updated while ${known}`);
    } else if (is === 'refuted') {
      if (member.id !== node.self.id) problems.push(`${member.name} refuted, which only the node itself does`);
    } else {
      if (known !== member.id) problems.push(`${member.name} ${is}, but was ${known}`);
      alive.delete(member.name);
    }
    const listed = node.membership.members().filter(({ name }) => name === member.name);
    if (listed.length !== 1 || listed[0]!.state !== member.state || listed[0]!.id !== member.id) {
      problems.push(`${is} ${member.name}: listed otherwise`);
    }
  });
  return { problems };
}

class Story {
  readonly pool: MembershipPool;
  readonly random: Seeded;
  readonly names: readonly string[];
  readonly #laws: { readonly problems: string[] }[] = [];

  constructor(seed: string) {
    this.pool = new MembershipPool(seed);
    this.random = this.pool.random.fork('story');
    this.names = Array.from({ length: Number.parseInt(seed, 10) }, (_, i) => `n${i}`);
  }

  get nodes(): readonly PoolNode[] {
    return [...this.pool.nodes.values()].filter(({ isRunning }) => isRunning);
  }

  /** Everybody knows some of the others, the first one always among them. */
  begin(name: string): Promise<unknown> {
    const some = this.random.shuffled(this.names).slice(0, 2);
    const node = this.pool.node(name, { seeds: ['n0', 'n1', ...some].map((seed) => this.pool.gossipOf(seed)) });
    node.discovery.findAgainMs = 30_000;
    this.#laws.push(followed(node));
    return node.start().catch(() => {});
  }

  async beginAll(): Promise<void> {
    await this.pool.clock.until(Promise.all(this.names.map((name) => this.begin(name))));
    await this.pool.clock.advance(30_000);
  }

  /** One seeded blow. */
  async blow(): Promise<void> {
    const { pool, random } = this;
    const victim = random.pick(this.nodes);
    const host = (node: PoolNode): string => pool.hostOf(node.self.name);
    switch (random.below(6)) {
      case 0:
        if (this.nodes.length <= 2) return;
        pool.kill(victim);
        return;
      case 1:
        victim.clock.pause();
        await pool.clock.advance(random.between(100, 40_000));
        victim.clock.resume();
        return;
      case 2:
        pool.net.loss = random.next() * 0.3;
        return;
      case 3: {
        const left = new Set(this.nodes.filter(() => random.chance(0.5)));
        for (const a of left) for (const b of this.nodes) if (!left.has(b)) pool.net.cut(host(a), host(b));
        return;
      }
      case 4:
        pool.net.cutOneWay(host(victim), host(random.pick(this.nodes)));
        return;
      default: {
        const gone = this.names.find((name) => !pool.nodes.get(name)!.isRunning);
        if (gone !== undefined) void this.begin(gone);
      }
    }
  }

  heal(): void {
    this.pool.net.loss = 0;
    this.pool.net.healAll();
  }

  problems(): readonly string[] {
    const found = this.#laws.flatMap(({ problems }) => problems);
    for (const node of this.nodes) {
      const { core_faults: faults = 0 } = node.membership.counts();
      if (faults > 0) found.push(`${node.self.name}: ${faults} faults of the core`);
    }
    return found;
  }

  async end(): Promise<void> {
    await this.pool.stop();
    for (const node of this.pool.nodes.values()) expect(node.open, `${node.self.name} has nothing open`).to.equal(0);
  }
}

/** What everybody should list of the living. */
const truth = (story: Story): readonly string[] =>
  story.nodes.map(({ self }) => `${self.name} ${self.id} serving`).sort();
const living = (node: PoolNode): readonly string[] =>
  node.membership
    .members()
    .filter(({ state }) => state !== 'dead' && state !== 'left')
    .map(({ name, id, serving }) => `${name} ${id} ${serving ? 'serving' : 'not serving'}`)
    .sort();

async function broken(story: Story): Promise<readonly string[]> {
  await story.beginAll();
  for (let blows = story.random.between(3, 8); blows > 0; blows--) {
    await story.blow();
    await story.pool.clock.advance(story.random.between(100, 60_000));
  }
  story.heal();
  await story.pool.clock.advance(healedMs);
  const expected = truth(story);
  const found = [...story.problems()];
  for (const node of story.nodes) {
    const seen = living(node);
    if (seen.join() !== expected.join()) found.push(`${node.self.name} sees ${seen.join()}, not ${expected.join()}`);
    const linked = node.peers.linked().length;
    if (linked < expected.length - 1) found.push(`${node.self.name} has ${linked} links`);
  }
  await story.end();
  return found;
}

/** On a bad network and with all alive, nobody is ever found dead. */
async function bad(story: Story): Promise<readonly string[]> {
  await story.beginAll();
  story.pool.net.loss = 0.1;
  story.pool.net.duplicate = 0.1;
  story.pool.net.latencyMs = [0.2, 100];
  await story.pool.clock.advance(120_000);
  const found = [...story.problems()];
  for (const node of story.nodes) {
    const dead = node.heard.filter((line) => line.startsWith('failed') || line.startsWith('left'));
    if (dead.length > 0) found.push(`${node.self.name} heard ${dead.join(', ')}`);
    if (living(node).join() !== truth(story).join()) found.push(`${node.self.name} sees ${living(node).join()}`);
  }
  await story.end();
  return found;
}

const runs = (counts: readonly number[], each: number): readonly string[] =>
  counts.flatMap((nodes) => Array.from({ length: each }, (_, i) => `${nodes}n-${i}`));

async function holds(run: (story: Story) => Promise<readonly string[]>, seeds: readonly string[]): Promise<void> {
  const { SEED } = process.env;
  const failed: string[] = [];
  for (const seed of SEED === undefined ? seeds : [SEED]) {
    const problems = await run(new Story(seed));
    if (problems.length > 0) failed.push(`SEED=${seed} npx mocha ${file}\n  ${problems.slice(0, 5).join('\n  ')}`);
  }
  expect(failed.length, `\n${failed.join('\n')}`).to.equal(0);
}

describe('memberships under a seeded network', () => {
  it('all agree after healing, whatever happened before, and tell each change once', () =>
    holds(broken, runs([3, 5, 8], 12))).timeout(240_000);

  it('twenty of them do', () => holds(broken, runs([20], 1))).timeout(240_000);

  it('none is found dead on a network that loses every tenth packet', () => holds(bad, runs([5, 10], 4))).timeout(
    240_000,
  );
});
