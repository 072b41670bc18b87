import type { Heard } from '../ports/peers.js';

/** Nodes of which it is remembered, those that wrote latest. Each run of a node counts as one, if it wrote. */
const nodesMax = 1024;

/** Writes of one node of which this one has not heard. */
export interface Missed {
  readonly id: string;
  readonly since: number;
  readonly to: number;
  /** As in `HeardFrom`. */
  readonly gone: true | undefined;
}

/**
 * Of which nodes' writes this node has heard: of each all up to a version. A version vector, so that two nodes that meet can
 * tell whether one of them may have missed anything; floors say how new the writes to a slot are, and not whose they were.
 */
export class HeardOf {
  readonly #versions = new Map<string, number>();
  readonly #max: number;
  #isWhole = true;

  constructor(max = nodesMax) {
    this.#max = max;
  }

  /** All writes of this node up to the version are known here. */
  note(id: string, version: number): void {
    if (version <= this.of(id)) return;
    this.#versions.delete(id);
    this.#versions.set(id, version);
    if (this.#versions.size <= this.#max) return;
    this.#versions.delete(this.#versions.keys().next().value!);
    this.#isWhole = false;
  }

  of(id: string): number {
    return this.#versions.get(id) ?? 0;
  }

  /** Nodes of which it is remembered. */
  get size(): number {
    return this.#versions.size;
  }

  /** As another node is told. */
  told(): Heard {
    return { versions: [...this.#versions], isWhole: this.#isWhole };
  }

  /**
   * What another node knows, and this one does not: by node, up to which version it has heard.
   * @param isCurrent this node hears of the writes by itself, or has
   */
  missing({ versions }: Heard, isCurrent: (id: string, version: number) => boolean): Heard['versions'] {
    return versions.filter(([id, version]) => version > this.of(id) && !isCurrent(id, version));
  }

  /** What another node knows was taken in, and some of it is of nodes that nobody can name any more. */
  tookPart(): void {
    this.#isWhole = false;
  }
}
