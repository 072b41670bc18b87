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

/** The ring over the members that may own keys; replaced whole whenever they change. */
export class Topology {
  readonly #membership: Membership;
  readonly #peers: Pick<PeerNetwork, 'linked'>;
  readonly #hasher: Hasher;
  readonly #virtualNodes: number;
  readonly #self: () => NodeInfo;
  #ring: Ring<Member>;

  constructor(
    membership: Membership,
    peers: Pick<PeerNetwork, 'linked'>,
    hasher: Hasher,
    virtualNodes: number,
    self: () => NodeInfo,
  ) {
    this.#membership = membership;
    this.#peers = peers;
    this.#hasher = hasher;
    this.#virtualNodes = virtualNodes;
    this.#self = self;
    this.#ring = this.#build([]);
  }

  /** Takes members and links as they are now; true when ownership of any key may have changed. */
  refresh(): boolean {
    const linked = new Set(this.#peers.linked().map(({ id }) => id));
    const ring = this.#build(this.#membership.members().filter((member) => owns(member, linked)));
    const changed = ring.digest !== this.#ring.digest || !sameIds(ring.members, this.#ring.members);
    if (changed) this.#ring = ring;
    return changed;
  }

  place(key: string): Place {
    return this.placeOf(this.#hasher.hash(key));
  }

  /** As `place`, of a key's hash. */
  placeOf(hash: number): Place {
    const self = this.#self();
    // Nobody serves while the last node drains: what is still under way there is its own.
    const owner = this.#ring.ownerOfHash(hash) ?? self;
    return { hash, owner, mine: owner.id === self.id };
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
