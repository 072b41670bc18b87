/** A set of the latest so many; the one that was added longest ago gives way. */
export class Latest<T> {
  readonly #all = new Set<T>();

  constructor(private readonly most: number) {}

  get size(): number {
    return this.#all.size;
  }

  add(value: T): void {
    this.#all.delete(value);
    this.#all.add(value);
    if (this.#all.size > this.most) this.#all.delete(this.#all.values().next().value!);
  }

  has(value: T): boolean {
    return this.#all.has(value);
  }
}
