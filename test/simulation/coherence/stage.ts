import { allGuards } from '../../../src/coherence/guards.js';
import { Slots } from '../../../src/coherence/slots.js';
import { xxh3Hasher } from '../../../src/platform/hasher.js';
import type { CallOptions, WriteResult } from '../../../src/ports/cache.js';
import { Ring } from '../../../src/ring/ring.js';
import { ks, type SimNode, virtualNodes, World, type WorldOptions } from './world.js';

const slots = new Slots();
export const slotOf = (key: string): number => slots.slotOf(xxh3Hasher.hash(key));

export const numbered = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `b${i}`);

const ringOf = (nodes: number) =>
  Ring.of(
    Array.from({ length: nodes }, (_, i) => ({ id: '', name: `n${i + 1}`, weight: 1 })),
    { virtualNodes, hasher: xxh3Hasher },
  );
const rings = Array.from({ length: 8 }, (_, nodes) => ringOf(nodes));

/** A key's owner and its first replica among so many nodes, 7 at most: the ring follows from their names. */
export const keepersOf = (key: string, nodes: number): readonly string[] =>
  rings[nodes]!.ownersOfHash(xxh3Hasher.hash(key), 2).map(({ name }) => name);

/** What an interleaving is made of: a world whose nodes have been together for a while, and what its clients do. */
export class Stage {
  private constructor(readonly world: World) {}

  /** Nodes that have been together for more than a minute: nobody is asked for what was before. */
  static async of(options: Partial<WorldOptions> = {}): Promise<Stage> {
    const world = new World({
      seed: 'interleavings',
      guards: allGuards,
      nodes: 4,
      replicas: 2,
      keyspace: { maxBytes: '64MiB', readTimeout: 4000 },
      skewMs: 0,
      latencyMs: 2,
      sourceMs: 5,
      sourceFails: 0,
      maxInflight: 10_000,
      ...options,
    });
    for (let i = 1; i <= world.options.nodes; i++) world.start(`n${i}`);
    world.startDetector();
    await world.clock.advance(70_000);
    return new Stage(world);
  }

  node(number: number): SimNode {
    return this.world.node(`n${number}`);
  }

  advance(ms: number): Promise<void> {
    return this.world.clock.advance(ms);
  }

  until<T>(promise: Promise<T>): Promise<T> {
    return this.world.clock.until(promise);
  }

  async untilUp(...nodes: readonly SimNode[]): Promise<void> {
    while (nodes.some(({ state }) => state === 'starting')) await this.advance(5);
  }

  put(node: SimNode, key: string, text = 'put', options: CallOptions = { timeoutMs: 5000 }): Promise<WriteResult> {
    return node.engine.put(ks, { key, value: Buffer.from(text) }, options);
  }

  /** All at once; throws where a node did not confirm one. */
  async putAll(node: SimNode, keys: readonly string[], text = 'put'): Promise<void> {
    const written = await this.until(Promise.all(keys.map((key) => this.put(node, key, text))));
    const unreached = new Set(written.flatMap((one) => one.unreached));
    if (unreached.size > 0) throw new Error(`${[...unreached].join()} did not confirm`);
  }

  async textAt(node: SimNode, key: string, minVersion = 0): Promise<string> {
    const found = await this.until(node.engine.lookup(ks, key, { minVersion }));
    return found.found ? Buffer.from(found.value).toString() : 'missing';
  }

  /** How many of these keys, read thirty at a time, are not what was put. */
  async lostAt(node: SimNode, keys: readonly string[], text = 'put'): Promise<number> {
    let lost = 0;
    for (let at = 0; at < keys.length; at += 30) {
      const reads = keys.slice(at, at + 30).map((key) => node.engine.lookup(ks, key));
      const found = await this.until(Promise.all(reads));
      lost += found.filter((read) => !read.found || Buffer.from(read.value).toString() !== text).length;
    }
    return lost;
  }

  /** Neither reaches the other; gives back what ends it. */
  cutPair(a: SimNode, b: SimNode): () => void {
    return this.world.cuts.cut([
      [a.address, b.address],
      [b.address, a.address],
    ]);
  }

  cutWay(from: SimNode, to: SimNode): () => void {
    return this.world.cuts.cut([[from.address, to.address]]);
  }

  reset(a: SimNode, b: SimNode): void {
    this.world.network.hangUp(a.address, b.address);
  }

  stop(): Promise<void> {
    return this.world.stop();
  }
}
