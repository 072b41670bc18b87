import { assert } from '../../base/assert.js';

/**
 * Addresses heard of, each with the node that told it and the round in which it was last heard. Holds at most `max`: at
 * the limit one that was not heard in this round makes room, and without such a one the new address is left out.
 */
export class HeardAddresses {
  readonly #max: number;
  /** In the order in which they were last heard, the longest ago first. */
  readonly #heard = new Map<string, { readonly name: string; readonly round: number }>();

  constructor(max: number) {
    this.#max = max;
  }

  /** `changed`: the list is another one now. `full`: left out. */
  hear(address: string, name: string, round: number): 'changed' | 'same' | 'full' {
    const isNew = !this.#heard.delete(address);
    if (this.#heard.size >= this.#max) {
      const [oldest, last] = this.#heard.entries().next().value!;
      if (last.round >= round) return 'full';
      this.#heard.delete(oldest);
    }
    this.#heard.set(address, { name, round });
    assert(this.#heard.size <= this.#max);
    return isNew ? 'changed' : 'same';
  }

  /** True when it was known, and told by that very node: a late farewell does not strike out who took over the address. */
  forget(address: string, name: string): boolean {
    return this.#heard.get(address)?.name === name && this.#heard.delete(address);
  }

  /** Leaves those heard in this round or later. True when there were others. */
  keepSince(round: number): boolean {
    const before = this.#heard.size;
    for (const [address, { round: last }] of this.#heard) if (last < round) this.#heard.delete(address);
    return this.#heard.size < before;
  }

  /** Those heard in this round or later. */
  since(round: number): readonly string[] {
    return [...this.#heard].filter(([, { round: last }]) => last >= round).map(([address]) => address);
  }

  get size(): number {
    return this.#heard.size;
  }

  all(): readonly string[] {
    return [...this.#heard.keys()];
  }
}
