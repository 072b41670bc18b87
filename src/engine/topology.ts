import { assert } from '../base/assert.js';
import type { Hasher } from '../ports/hasher.js';
import type { Member, MemberState, Membership, NodeInfo } from '../ports/membership.js';
import { Ring } from '../ring/ring.js';

/** Where a key belongs now. */
export interface Place {
  readonly hash: number;
  readonly owner: NodeInfo;
  /** This node is the owner. */
  readonly mine: boolean;
}

/** A member under suspicion keeps its keys: it may only be busy, and moving them costs loads. */
const owns: Readonly<Record<MemberState, boolean>> = {
  alive: true,
  suspect: true,
  draining: false,
  dead: false,
  left: false,
};

/** The ring over the members that may own keys; replaced whole whenever they change. */
export class Topology {
  readonly #membership: Membership;
  readonly #hasher: Hasher;
  readonly #virtualNodes: number;
  readonly #selfId: () => string;
  #ring: Ring<Member>;

  constructor(membership: Membership, hasher: Hasher, virtualNodes: number, selfId: () => string) {
    this.#membership = membership;
    this.#hasher = hasher;
    this.#virtualNodes = virtualNodes;
    this.#selfId = selfId;
    this.#ring = this.#build([]);
  }

  /** Takes the members as they are now; true when ownership of any key may have changed. */
  refresh(): boolean {
    const ring = this.#build(this.#membership.members().filter((member) => owns[member.state]));
    const changed = ring.digest !== this.#ring.digest || !sameIds(ring.members, this.#ring.members);
    if (changed) this.#ring = ring;
    return changed;
  }

  place(key: string): Place {
    return this.placeOf(this.#hasher.hash(key));
  }

  /** As `place`, of a key's hash. */
  placeOf(hash: number): Place {
    const owner = this.#ring.ownerOfHash(hash);
    assert(owner !== undefined, 'the ring is empty although this node serves');
    return { hash, owner, mine: owner.id === this.#selfId() };
  }

  hash(key: string): number {
    return this.#hasher.hash(key);
  }

  /** Part of the key space each member owns, by name. */
  shares(): ReadonlyMap<string, number> {
    return this.#ring.shares();
  }

  get serving(): number {
    return this.#ring.members.length;
  }

  members(): readonly Member[] {
    return this.#membership.members();
  }

  #build(members: readonly Member[]): Ring<Member> {
    return Ring.of(members, { virtualNodes: this.#virtualNodes, hasher: this.#hasher });
  }
}

const sameIds = (a: readonly Member[], b: readonly Member[]): boolean =>
  a.length === b.length && a.every((member, index) => member.id === b[index]!.id);
