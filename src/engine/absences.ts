/** Of nodes that may come back; of more than this it is not remembered whose keys others have had. */
const rememberedMax = 1024;

/** Both have told each other all floors. */
interface Exchange {
  isTold: boolean;
  isHeard: boolean;
}

interface Absence extends Exchange {
  /** It has come on the ring while its link stood: all that it was told before that is on its way. */
  readonly isArrival: boolean;
}

const isDone = ({ isTold, isHeard }: Exchange): boolean => isTold && isHeard;

/**
 * Nodes that were off this one's ring while both owned keys, by the id of their run: taken off, or met as they did. Meanwhile
 * others may have written its keys, and it theirs. Until both have told each other all floors since it is on the ring, a floor
 * above an entry may be that of a write to that very key; else it is another key of the same slot.
 */
export class Absences {
  readonly #absent = new Map<string, Absence>();
  /** Over the links that stand. */
  readonly #linked = new Map<string, Exchange>();
  readonly #caughtUp: (id: string, done: () => void) => void;
  #hasForgotten = false;

  /** @param caughtUp calls `done` once the peer has applied all writes that it was told of by now; never where it does not */
  constructor(caughtUp: (id: string, done: () => void) => void) {
    this.#caughtUp = caughtUp;
  }

  get size(): number {
    return this.#absent.size;
  }

  linkUp(id: string): void {
    this.#linked.set(id, { isTold: false, isHeard: false });
  }

  linkLost(id: string): void {
    this.#linked.delete(id);
  }

  /**
   * It has come on the ring on which this node is. Who joins has been told all over its link, and hears of all from then on; but
   * what was written here before the arrival was known may still be on its way.
   */
  arrived(id: string): void {
    // Back again: what was missed meanwhile is not on its way.
    if (this.#absent.get(id)?.isArrival === false) return;
    this.#add(id, true);
    this.#catchUp(id);
  }

  /** It is off the ring, and may come back. */
  began(id: string): void {
    this.#add(id, false);
  }

  /** Of one on the ring: it cannot have written keys of this node, nor this one its keys, without the other's knowing. */
  isSteady(id: string): boolean {
    return !this.#hasForgotten && !this.#absent.has(id);
  }

  /** All floors are on their way to it. What is given back is to be called when it has taken them. */
  telling(id: string, isOnRing: boolean): () => void {
    const exchanges = this.#exchanges(id, isOnRing);
    return () => {
      for (const exchange of exchanges) exchange.isTold = true;
      this.#settle(id);
    };
  }

  /** It has told all floors. */
  heard(id: string, isOnRing: boolean): void {
    for (const exchange of this.#exchanges(id, isOnRing)) exchange.isHeard = true;
    this.#settle(id);
  }

  #add(id: string, isArrival: boolean): void {
    this.#absent.delete(id);
    this.#absent.set(id, { isTold: false, isHeard: false, isArrival });
    if (this.#absent.size <= rememberedMax) return;
    this.#hasForgotten = true;
    this.#absent.delete(this.#absent.keys().next().value!);
  }

  #exchanges(id: string, isOnRing: boolean): readonly Exchange[] {
    return [this.#linked.get(id), isOnRing ? this.#absent.get(id) : undefined].filter((one) => one !== undefined);
  }

  #settle(id: string): void {
    const absence = this.#absent.get(id);
    if (absence === undefined) return;
    if (isDone(absence)) this.#absent.delete(id);
    else this.#catchUp(id);
  }

  #catchUp(id: string): void {
    const [absence, exchange] = [this.#absent.get(id), this.#linked.get(id)];
    if (absence?.isArrival !== true || exchange === undefined || !isDone(exchange)) return;
    this.#caughtUp(id, () => {
      // Over the same link, and it has not been off the ring once more.
      if (this.#absent.get(id) === absence && this.#linked.get(id) === exchange) this.#absent.delete(id);
    });
  }
}
