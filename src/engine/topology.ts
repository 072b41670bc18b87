import type { Hasher } from '../ports/hasher.js';
import type { Member, MemberState, Membership, NodeInfo } from '../ports/membership.js';
import type { PeerNetwork } from '../ports/peers.js';
import { Ring } from '../ring/ring.js';

/** Where a key belongs now. */
export interface Place {
  readonly hash: number;
  readonly owner: NodeInfo;
  /** This node is the owner. */
  readonly mine: boolean;
}

const standing: Readonly<Record<MemberState, boolean>> = {
  alive: true,
  suspect: true,
  draining: false,
  dead: false,
  left: false,
};

/**
 * A member under suspicion keeps its keys while our link to it stands: it may only be busy, and moving them costs loads.
 * Both together, no answer to anybody's probe and no link, are what a crash looks like from the first second on, several
 * before the suspicion has run its time.
 */
const owns = ({ id, state, serving }: Member, linked: ReadonlySet<string>): boolean =>
  serving && standing[state] && (state !== 'suspect' || linked.has(id));

/**
 * The ring over the members that may own keys; replaced whole when they have changed and it is asked. A hundred members
 * that are met at once then cost one ring, where a ring for each would block this node for seconds.
 */
export class Topology {
  readonly #membership: Membership;
  readonly #peers: Pick<PeerNetwork, 'linked'>;
  readonly #hasher: Hasher;
  readonly #virtualNodes: number;
  readonly #self: () => NodeInfo;
  readonly #moved: () => void;
  #ring: Ring<Member>;
  /** Those it was made of. */
  #owners: readonly Member[] = [];
  #isStale = false;

  /** @param moved told after each change of the ring, before anybody is told of an owner by it */
  constructor(
    membership: Membership,
    peers: Pick<PeerNetwork, 'linked'>,
    hasher: Hasher,
    virtualNodes: number,
    self: () => NodeInfo,
    moved: () => void = () => {},
  ) {
    this.#membership = membership;
    this.#peers = peers;
    this.#hasher = hasher;
    this.#virtualNodes = virtualNodes;
    this.#self = self;
    this.#moved = moved;
    this.#ring = this.#build([]);
  }

  /** Members or links have changed: they are looked at before the ring is next asked, or when `settle` says so. */
  changed(): void {
    this.#isStale = true;
  }

  /** Takes members and links as they are now, if they have changed. */
  settle(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    if (this.#take()) this.#moved();
  }

  place(key: string): Place {
    return this.placeOf(this.#hasher.hash(key));
  }

  /** As `place`, of a key's hash. */
  placeOf(hash: number): Place {
    const self = this.#self();
    // Nobody serves while the last node drains: what is still under way there is its own.
    const owner = this.#current().ownerOfHash(hash) ?? self;
    return { hash, owner, mine: owner.id === self.id };
  }

  hash(key: string): number {
    return this.#hasher.hash(key);
  }

  /** Part of the key space each member owns, by name. */
  shares(): ReadonlyMap<string, number> {
    return this.#current().shares();
  }

  get serving(): number {
    return this.#current().members.length;
  }

  members(): readonly Member[] {
    return this.#membership.members();
  }

  #current(): Ring<Member> {
    this.settle();
    return this.#ring;
  }

  /** True when ownership of any key may have changed. */
  #take(): boolean {
    const linked = new Set(this.#peers.linked().map(({ id }) => id));
    const owners = this.#membership.members().filter((member) => owns(member, linked));
    if (sameOwners(owners, this.#owners)) return false;
    this.#owners = owners;
    const { digest, members } = this.#ring;
    this.#ring = this.#build(owners);
    return this.#ring.digest !== digest || !sameOwners(this.#ring.members, members);
  }

  #build(members: readonly Member[]): Ring<Member> {
    return Ring.of(members, { virtualNodes: this.#virtualNodes, hasher: this.#hasher });
  }
}

/** All that decides ownership is the same; the rest of a member may have changed. */
const sameOwners = (a: readonly Member[], b: readonly Member[]): boolean =>
  a.length === b.length &&
  a.every(({ id, name, weight }, i) => id === b[i]!.id && name === b[i]!.name && weight === b[i]!.weight);
