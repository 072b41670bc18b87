/** A map of the latest so many; the key that was set longest ago gives way. */
export class Latest<K, V> {
  readonly #all = new Map<K, V>();

  constructor(private readonly most: number) {}

  get size(): number {
    return this.#all.size;
  }

  set(key: K, value: V): void {
    this.#all.delete(key);
    this.#all.set(key, value);
    if (this.#all.size > this.most) this.#all.delete(this.#all.keys().next().value!);
  }

  get(key: K): V | undefined {
    return this.#all.get(key);
  }

  delete(key: K): void {
    this.#all.delete(key);
  }

  clear(): void {
    this.#all.clear();
  }

  /** The longest ago set first. What has been passed may be deleted meanwhile. */
  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.#all[Symbol.iterator]();
  }
}
