import { assert } from '../base/assert.js';
import { entryBytes } from './bytes.js';
import type { EvictionIndex, RemovalReason, StoredEntry } from './entry.js';

/** One of the two parts of a store's budget: its entries, what they take, and what they may take. */
export class Part {
  bytes = 0;
  limitBytes = 0;
  readonly index: EvictionIndex<StoredEntry>;
  readonly #evicted: (part: Part, entry: StoredEntry, reason: RemovalReason) => void;

  /** @param evicted told of an entry that has left the index, and accounts it */
  constructor(
    index: EvictionIndex<StoredEntry>,
    evicted: (part: Part, entry: StoredEntry, reason: RemovalReason) => void,
  ) {
    this.index = index;
    this.#evicted = evicted;
  }

  /** Evicts until the bytes are within the limit. */
  fit(reason: RemovalReason): void {
    while (this.bytes > this.limitBytes) this.#evictOne(reason);
  }

  /** Lowers the limit, at most to what is left after so many evictions. Returns how many more there may be. */
  shrinkTowards(limitBytes: number, evictedMax: number): number {
    if (this.limitBytes <= limitBytes) return evictedMax;
    let left = evictedMax;
    for (; this.bytes > limitBytes && left > 0; left--) this.#evictOne('shrunk');
    this.limitBytes = Math.max(limitBytes, this.bytes);
    return left;
  }

  /** All entries, or those that are `wanted`, the ones most worth keeping first: a list that stays while they change. */
  entries(wanted: (entry: StoredEntry) => boolean = () => true): StoredEntry[] {
    const entries: StoredEntry[] = [];
    this.index.forEach((entry) => {
      if (wanted(entry)) entries.push(entry);
    });
    return entries;
  }

  /** Recounts the slow way, throws where it differs from the totals, and gives the entries. For tests. */
  recounted(): readonly StoredEntry[] {
    const { index, bytes, limitBytes } = this;
    const entries = this.entries();
    let found = 0;
    for (const entry of entries) {
      found += entryBytes(entry.key, entry.value?.byteLength ?? 0, entry.tags);
      assert(index.peek(entry.key) === entry, `${JSON.stringify(entry.key)} is not found`);
    }
    assert(entries.length === index.size, `the index counts ${index.size} entries, found ${entries.length}`);
    assert(found === bytes, `accounted ${bytes} bytes, found ${found}`);
    assert(bytes <= limitBytes, `${bytes} bytes exceed the limit of ${limitBytes}`);
    return entries;
  }

  #evictOne(reason: RemovalReason): void {
    const victim = this.index.evict();
    assert(victim !== undefined, `the policy gives up nothing, with ${this.bytes} of ${this.limitBytes} bytes stored`);
    this.#evicted(this, victim, reason);
  }
}
