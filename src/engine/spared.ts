import type { Entry } from '../store/entry.js';
import type { LeaseKeeper } from './lease-keeper.js';
import { doubtful } from './topology.js';

/** No floor is above it. */
const never = Number.POSITIVE_INFINITY;
/** Of nodes that were linked and may be again. */
const unsureMax = 1024;

/** Who owns it, and how it came here; without, this node does. */
export type HeldEntry = Pick<Entry, 'version' | 'wasPut'> & Partial<Pick<Entry, 'owner' | 'wasPassed'>>;

/**
 * Nodes of whose writes this one has missed some, and has been told by others. What it put itself was spared, as they have owned
 * their keys, and it its own, all along, as far as it knows; they have yet to say so. Until then what it held while it was out of
 * touch is no answer to those who own it now: its floors are as high as theirs, and of that key it may have missed a write.
 */
export class Spared {
  readonly #leases: Pick<LeaseKeeper, 'owns'>;
  /** Since which version, by the writer's id. */
  readonly #unsure = new Map<string, number>();

  constructor({ leases }: { readonly leases: Pick<LeaseKeeper, 'owns'> }) {
    this.#leases = leases;
  }

  /** Writers that have not said yet. */
  get size(): number {
    return this.#unsure.size;
  }

  /** Writes by `writerId` after this version were told of by another node. */
  note(writerId: string, since: number): void {
    this.#unsure.set(writerId, Math.min(since, this.sinceOf(writerId) ?? never));
  }

  /** undefined: nothing was spared for it. */
  sinceOf(writerId: string): number | undefined {
    return this.#unsure.get(writerId);
  }

  /** It has told all that it knows. */
  settled(writerId: string): void {
    this.#unsure.delete(writerId);
  }

  /** Gives up those that may never say, and the earliest beyond a limit: since which version they have written. */
  giveUp(mayTell: (writerId: string) => boolean): number | undefined {
    const gone = [...this.#unsure].filter(([id], at) => !mayTell(id) || at < this.#unsure.size - unsureMax);
    if (gone.length === 0) return undefined;
    for (const [id] of gone) this.#unsure.delete(id);
    return Math.min(...gone.map(([, version]) => version));
  }

  /** Somebody who has yet to say may have written it since. */
  isUnsure(held: HeldEntry, floor: number): boolean {
    return this.floorOf(held, floor) < floor;
  }

  /** Up to which write to its slot, whose floor this is, it is known here that nothing has taken the entry's place. */
  floorOf({ version, wasPut, owner = '', wasPassed = false }: HeldEntry, floor: number): number {
    if (this.#unsure.size === 0 || !wasPut || version >= floor) return floor;
    const isInTouch = owner === '' ? this.#leases.owns() : owner !== doubtful && !wasPassed;
    return isInTouch ? floor : Math.min(floor, ...this.#unsure.values());
  }
}
