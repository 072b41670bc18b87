import type { FakeNetwork } from '../../support/fake-network.js';

/** From one address to another. */
export type Way = readonly [from: string, to: string];

/** Cuts that several causes make at once: a way is open again when the last of them has healed. */
export class Cuts {
  readonly #counts = new Map<string, number>();
  readonly #network: FakeNetwork;

  constructor(network: FakeNetwork) {
    this.#network = network;
  }

  /** Nothing passes these ways until what it gives back is called. */
  cut(ways: readonly Way[]): () => void {
    for (const way of ways) {
      this.#counts.set(way.join('>'), (this.#counts.get(way.join('>')) ?? 0) + 1);
      this.#network.cutOneWay(...way);
    }
    return () => this.#heal(ways);
  }

  #heal(ways: readonly Way[]): void {
    const open = ways.filter((way) => {
      const left = this.#counts.get(way.join('>'))! - 1;
      if (left > 0) this.#counts.set(way.join('>'), left);
      else this.#counts.delete(way.join('>'));
      return left === 0;
    });
    // All at once, as what waits on several ways then comes in the order in which it was sent.
    this.#network.healWays(open);
  }
}
