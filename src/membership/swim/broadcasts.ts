import { assert } from '../../base/assert.js';
import type { Alive, Dead, NodeName, Suspect } from '../messages.js';

/**
 * News that spreads: it is about one member, and newer news about that member replaces it. Accusations by different members
 * stand beside each other: each brings a suspicion nearer to its end, and of members that accuse at once, as they do after a
 * crash, none must silence another's. (memberlist keeps one; those who hear it can't tell the difference.)
 */
export type News = Alive | Suspect | Dead;

interface Item {
  readonly news: News;
  readonly bytes: number;
  readonly number: number;
  readonly transmits: number;
}

/** Fewest transmits first, then the longest (it fits least often), then the newest. */
const before = (a: Item, b: Item): boolean =>
  a.transmits !== b.transmits
    ? a.transmits < b.transmits
    : a.bytes !== b.bytes
      ? a.bytes > b.bytes
      : a.number > b.number;

/** A compound counts its parts in one byte. */
export const partsMax = 255;
/** Each part of a compound is preceded by its length. */
export const partOverheadBytes = 2;

/** How often each member passes a piece of news on. A transmit is one packet to one member. */
export const transmitLimit = (retransmitMult: number, knownCount: number): number =>
  retransmitMult * Math.ceil(Math.log10(knownCount + 1));

export interface BroadcastOptions {
  /** News waiting; beyond it the last in order, the one most often sent, is dropped and counted. */
  readonly max: number;
  /** News longer than this never fits a packet; it is refused and counted. */
  readonly bytesMax: number;
  /** Encoded length of a message, its type byte included. */
  readonly sizeOf: (news: News) => number;
}

const stand = (old: News, news: News): boolean =>
  old.is === 'suspect' && news.is === 'suspect' && old.incarnation === news.incarnation && old.from !== news.from;

/**
 * What this member still has to pass on. The whole queue is one sorted array: a member has at most one item, or one for each
 * accuser that counts, so it is rarely long, and taking a packet's worth is one walk through it (what did not fit once fits no more as the packet fills).
 */
export class Broadcasts {
  readonly #options: BroadcastOptions;
  #sorted: Item[] = [];
  readonly #byNode = new Map<NodeName, readonly Item[]>();
  #number = 0;
  #dropped = 0;

  constructor(options: BroadcastOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sorted.length;
  }

  /** News given up because the queue was full or no packet could hold it. */
  get dropped(): number {
    return this.#dropped;
  }

  has(news: News): boolean {
    return this.#about(news.node).some((item) => item.news === news);
  }

  hasAbout(node: NodeName): boolean {
    return this.#byNode.has(node);
  }

  /** Replaces older news about the same member. */
  queue(news: News): void {
    const bytes = this.#options.sizeOf(news);
    if (bytes > this.#options.bytesMax) {
      this.#dropped++;
      return;
    }
    for (const old of this.#about(news.node)) if (!stand(old.news, news)) this.#remove(old);
    this.#insert({ news, bytes, number: this.#number++, transmits: 0 });
    if (this.#sorted.length > this.#options.max) {
      this.#remove(this.#sorted.at(-1)!);
      this.#dropped++;
    }
    assert(this.#sorted.length <= this.#options.max);
  }

  /** Nothing about this member is passed on any more. */
  forget(node: NodeName): void {
    for (const item of this.#about(node)) this.#remove(item);
  }

  /**
   * The news for one packet, each with its framing within `budgetBytes`. What was sent `limit` times leaves the queue.
   * @param parts how many parts there is room for in the packet
   */
  take(budgetBytes: number, limit: number, parts = partsMax): readonly News[] {
    let freeBytes = budgetBytes;
    const taken: Item[] = [];
    const rest: Item[] = [];
    for (const item of this.#sorted) {
      if (taken.length < parts && item.bytes + partOverheadBytes <= freeBytes) {
        freeBytes -= item.bytes + partOverheadBytes;
        taken.push(item);
      } else rest.push(item);
    }
    if (taken.length === 0) return [];
    this.#sorted = rest;
    for (const item of taken) {
      this.#unfile(item);
      if (item.transmits + 1 < limit) this.#insert({ ...item, transmits: item.transmits + 1 });
    }
    return taken.map((item) => item.news);
  }

  /** Recomputes the slow way what is kept on the side. For tests. */
  check(): void {
    const { max, bytesMax } = this.#options;
    const filed = [...this.#byNode.values()].flat();
    assert(this.#sorted.length === filed.length && this.#sorted.length <= max, 'every item is filed');
    for (const [node, items] of this.#byNode) {
      assert(items.length > 0, `${node} is filed while there is news`);
      const others = (item: Item): readonly Item[] => items.filter((other) => other !== item);
      assert(
        items.every((item) => others(item).every((other) => stand(other.news, item.news))),
        `of ${node} there is one piece of news, or one for each accuser`,
      );
    }
    for (const [at, item] of this.#sorted.entries()) {
      assert(this.#about(item.news.node).includes(item), `${item.news.node} is filed under its name`);
      assert(item.bytes <= bytesMax, `${item.bytes} bytes fit a packet`);
      assert(at === 0 || before(this.#sorted[at - 1]!, item), `position ${at} is in order`);
    }
  }

  /** Where the item stands, or would stand, by bisection. */
  #position(item: Item): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(this.#sorted[middle]!, item)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #about(node: NodeName): readonly Item[] {
    return this.#byNode.get(node) ?? [];
  }

  #unfile(item: Item): void {
    const rest = this.#about(item.news.node).filter((other) => other !== item);
    if (rest.length === 0) this.#byNode.delete(item.news.node);
    else this.#byNode.set(item.news.node, rest);
  }

  #insert(item: Item): void {
    this.#byNode.set(item.news.node, [...this.#about(item.news.node), item]);
    this.#sorted.splice(this.#position(item), 0, item);
  }

  #remove(item: Item): void {
    this.#unfile(item);
    const [removed] = this.#sorted.splice(this.#position(item), 1);
    assert(removed === item, 'the item removed is the one meant');
  }
}
