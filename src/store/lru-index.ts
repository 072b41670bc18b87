import { LRUCache } from 'lru-cache';
import type { Entry, EvictionIndex, EvictionIndexFactory } from './entry.js';

/**
 * Gives up what was not used for longest; on `lru-cache`.
 *
 * The bytes are counted by the store, so that the budget can change at run time, which `maxSize` cannot. `lru-cache`
 * refuses to run without any bound, and `max` would set memory aside for that many entries at once: hence a `maxSize` out
 * of reach. Letting it count too costs next to nothing (`get` 30 against 26 ns, `set` with an eviction the same).
 */
class LruIndex<E extends Entry> implements EvictionIndex<E> {
  readonly #cache = new LRUCache<string, E>({
    maxSize: Number.MAX_SAFE_INTEGER,
    sizeCalculation: (entry) => entry.bytes,
  });

  get size(): number {
    return this.#cache.size;
  }

  get(key: string): E | undefined {
    return this.#cache.get(key);
  }

  peek(key: string): E | undefined {
    return this.#cache.peek(key);
  }

  set(key: string, entry: E): void {
    this.#cache.set(key, entry);
  }

  delete(key: string): void {
    // Deleting the last entry makes lru-cache wipe lists as long as they ever were; popping it does not.
    if (this.#cache.size > 1) this.#cache.delete(key);
    else if (this.#cache.has(key)) this.#cache.pop();
  }

  evict(): E | undefined {
    return this.#cache.pop();
  }

  clear(): void {
    this.#cache.clear();
  }

  forEach(visit: (entry: E) => void): void {
    this.#cache.forEach(visit);
  }
}

export const lruIndex: EvictionIndexFactory = <E extends Entry>() => new LruIndex<E>();
