import type { Clock } from '../ports/clock.js';
import type { Hasher } from '../ports/hasher.js';
import type { Member, MemberState, Membership, NodeInfo } from '../ports/membership.js';
import type { PeerNetwork } from '../ports/peers.js';
import { Ring } from '../ring/ring.js';
import { Absences } from './absences.js';

interface PastRing {
  readonly ring: Ring<Member>;
  readonly untilMs: number;
  /** It was this node's, and not that of the others as that was away. */
  readonly wasSeen: boolean;
}

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
 * A member under suspicion keeps its keys while we hear from it ourselves: it may only be busy, and moving them costs
 * loads. Both together, no answer to anybody's probe and none to us, are what a crash looks like from the first second on,
 * several before the suspicion has run its time.
 */
const owns = ({ id, state, serving }: Member, heard: (id: string) => boolean): boolean =>
  serving && standing[state] && (state !== 'suspect' || heard(id));

/** The owner of entries of which this node is not sure that they are the latest; no node bears this id. */
export const doubtful = '?';
/** For so long the owners before a change are asked for what they hold. */
export const handoffMs = 60_000;
const isParting: Readonly<Record<MemberState, boolean>> = {
  alive: false,
  suspect: false,
  draining: true,
  dead: false,
  left: true,
};

const isThere = ({ state }: Member): boolean => standing[state] || state === 'draining';

/** So much clocks may differ where the time counts at which nodes have started. */
const skewS = 10;
/** Rings of the past that are remembered, the latest of them. */
const ringsMax = 4;
/** Members that leave at a time and are asked for what they hold. */
const leavingMax = 16;
/** Members that a reader tries in an owner's stead, one after the other. */
const standInsMax = 2;
const none: readonly never[] = Object.freeze([]);

export interface TopologyDeps {
  readonly clock: Clock;
  readonly membership: Membership;
  readonly peers: Pick<PeerNetwork, 'linked'>;
  readonly hasher: Hasher;
  readonly virtualNodes: number;
  /** Nodes that keep each entry, the owner included. */
  readonly replicas: number;
  readonly self: () => NodeInfo;
  /** The link to this peer stands, but it gives no sign of life. */
  readonly isSilent: (id: string) => boolean;
  /** See `Absences`. */
  readonly caughtUp: (peerId: string, done: () => void) => void;
  /** Told after each change of the ring, before anybody is told of an owner by it. */
  readonly moved: () => void;
}

/**
 * The ring over the members that may own keys; replaced whole when they have changed and it is asked. A hundred members
 * that are met at once then cost one ring, where a ring for each would block this node for seconds.
 */
export class Topology {
  readonly #membership: Membership;
  readonly #deps: TopologyDeps;
  readonly #hasher: Hasher;
  readonly #self: () => NodeInfo;
  readonly absences: Absences;
  #ring: Ring<Member>;
  /** Those it was made of. */
  #owners: readonly Member[] = [];
  #isStale = false;
  /** Rings of the past, the latest first, and until when they are remembered. */
  #past: readonly PastRing[] = [];

  constructor(deps: TopologyDeps) {
    this.#deps = deps;
    this.#membership = deps.membership;
    this.#hasher = deps.hasher;
    this.#self = deps.self;
    this.absences = new Absences(deps.caughtUp);
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
    if (this.#take()) this.#deps.moved();
  }

  place(key: string): Place {
    return this.placeOf(this.#hasher.hash(key));
  }

  /** As `place`, of a key's hash. */
  placeOf(hash: number): Place {
    const self = this.#self();
    // Nobody serves while the last node drains: what is still under way there is its own.
    const owner = this.ring().ownerOfHash(hash) ?? self;
    return { hash, owner, mine: owner.id === self.id };
  }

  /** Those who keep the entry beside its owner, in the order in which they would own it. */
  replicasOf(hash: number): readonly Member[] {
    if (this.#deps.replicas === 1) return none;
    return this.ring().ownersOfHash(hash, this.#deps.replicas).slice(1);
  }

  /** Who answers for a key in its owner's stead: the members after it on the ring, this node perhaps among them. */
  standIns(hash: number): readonly Member[] {
    return this.ring()
      .ownersOfHash(hash, 1 + standInsMax)
      .slice(1);
  }

  /** Members that own the key before this node would; all where it is not on the ring. */
  before(hash: number): readonly Member[] {
    const all = this.ring().ownersOfHash(hash, this.serving);
    const at = all.findIndex(({ id }) => id === this.#self().id);
    return at === -1 ? all : all.slice(0, at);
  }

  /** This node keeps a replica of the entry. */
  isReplica(hash: number): boolean {
    const selfId = this.#self().id;
    return this.replicasOf(hash).some(({ id }) => id === selfId);
  }

  /**
   * Members after this node on the ring, up to the first that has run for some time. Where several joined one after the other,
   * that one has owned the key before, and those between have perhaps not asked for it yet.
   */
  heldBefore(hash: number, most: number): readonly Member[] {
    const selfId = this.#self().id;
    const after = this.ring()
      .ownersOfHash(hash, most + 1)
      .filter(({ id }) => id !== selfId);
    const sinceS = (this.#deps.clock.wallMs() - handoffMs) / 1000 - skewS;
    const settled = after.findIndex(({ incarnation }) => incarnation < sinceS);
    return settled === -1 ? after : after.slice(0, settled + 1);
  }

  /** The ring has stood still for a minute, and this node was not away. */
  get isSettled(): boolean {
    return this.#past.length === 0 || this.#past[0]!.untilMs <= this.#deps.clock.nowMs();
  }

  /** By the rings that this node itself has seen within the last minute. */
  wasOwner(id: string, hash: number): boolean {
    const nowMs = this.#deps.clock.nowMs();
    return this.#past.some(
      ({ ring, untilMs, wasSeen }) => wasSeen && untilMs > nowMs && ring.ownerOfHash(hash)?.id === id,
    );
  }

  /**
   * Other nodes that owned this key within the last minute, the latest first; at last who would own it without this node,
   * and did if this node was away, or met the others one by one.
   */
  previousOwners(hash: number): readonly Member[] {
    if (this.isSettled) return none;
    const nowMs = this.#deps.clock.nowMs();
    const selfId = this.#self().id;
    const owners: Member[] = [];
    const add = (owner: Member | undefined): void => {
      if (owner !== undefined && owner.id !== selfId && !owners.some(({ id }) => id === owner.id)) owners.push(owner);
    };
    for (const { ring, untilMs } of this.#past) {
      if (untilMs <= nowMs) break;
      add(ring.ownerOfHash(hash));
    }
    add(this.ring().ownersOfHash(hash, 2)[1]);
    return owners;
  }

  /**
   * `former` owners of a key, and those who are leaving: to a node that joins meanwhile they have never owned it, and what they
   * hold they may be giving to others than to it.
   */
  withLeaving(former: readonly Member[]): readonly Member[] {
    const known = new Set(former.map(({ id }) => id)).add(this.#self().id);
    const leaving = this.#membership.members().filter(({ id, state }) => state === 'draining' && !known.has(id));
    return [...former, ...leaving.slice(0, leavingMax)];
  }

  /** A member that is not known to be gone: one that leaves is there until it has left. */
  isThere(id: string): boolean {
    return this.#membership.members().some((member) => member.id === id && isThere(member));
  }

  /** All those, by id, and this node. */
  there(): ReadonlySet<string> {
    const ids = this.#membership.members().filter(isThere);
    return new Set(ids.map(({ id }) => id)).add(this.#self().id);
  }

  isSuspect(id: string): boolean {
    return this.#membership.members().some((member) => member.id === id && member.state === 'suspect');
  }

  /** It gives its keys away in its time, or has. */
  isLeaving(id: string): boolean {
    return this.#membership.members().some((member) => member.id === id && isParting[member.state]);
  }

  /** The others may have owned this node's keys: they are asked first. False where there are no others. */
  doubted(): boolean {
    const selfId = this.#self().id;
    const others = this.ring().members.filter(({ id }) => id !== selfId);
    if (others.length === 0) return false;
    this.#remember(this.#build(others), false);
    return true;
  }

  /** It has owned its keys all along, as this node sees it, but for times of which both have told each other all since. */
  isSteady(id: string): boolean {
    return this.has(id) && this.absences.isSteady(id);
  }

  /** It owns keys, as this node sees it. */
  has(id: string): boolean {
    return this.ring().members.some((member) => member.id === id);
  }

  /** This node is on the ring, as the others have heard or are about to. */
  get isOwner(): boolean {
    return this.has(this.#self().id);
  }

  /**
   * Ids of the others with whom this node shares the keys, none where it owns nothing. Those under suspicion count: whoever
   * is cut off suspects all others, and must not take them for gone before they are declared dead; also as it drains, when nobody
   * is left on its ring.
   */
  company(): readonly string[] {
    const selfId = this.#self().id;
    if (!this.isOwner && this.serving > 0) return none;
    return this.#membership
      .members()
      .filter(({ id, serving, state }) => id !== selfId && serving && standing[state])
      .map(({ id }) => id);
  }

  /**
   * Half of the members that served, or more, are gone without having left: this may be the smaller part of a split. Not
   * once they are forgotten, which nobody tells of.
   */
  get isSplit(): boolean {
    const members = this.#membership.members();
    const dead = members.filter(({ state }) => state === 'dead').length;
    return dead > 0 && 2 * dead >= dead + this.serving;
  }

  hash(key: string): number {
    return this.#hasher.hash(key);
  }

  /** Part of the key space each member owns, by name. */
  shares(): ReadonlyMap<string, number> {
    return this.ring().shares();
  }

  get serving(): number {
    return this.ring().members.length;
  }

  members(): readonly Member[] {
    return this.#membership.members();
  }

  /** As members and links are now. */
  ring(): Ring<Member> {
    this.settle();
    return this.#ring;
  }

  /** True when ownership of any key may have changed. */
  #take(): boolean {
    const { peers, isSilent, self } = this.#deps;
    const linked = new Set(peers.linked().map(({ id }) => id));
    linked.add(self().id);
    const heard = (id: string): boolean => linked.has(id) && !isSilent(id);
    const owners = this.#membership.members().filter((member) => owns(member, heard));
    if (sameOwners(owners, this.#owners)) return false;
    this.#owners = owners;
    const before = this.#ring;
    this.#ring = this.#build(owners);
    this.#noteAbsences(before);
    if (this.#ring.digest === before.digest && sameOwners(this.#ring.members, before.members)) return false;
    this.#remember(before);
    return true;
  }

  #noteAbsences(before: Ring<Member>): void {
    const selfId = this.#self().id;
    const [old, now] = [before, this.#ring].map(({ members }) => new Set(members.map(({ id }) => id)));
    // Who leaves in its time does not come back in this run.
    for (const id of old!) if (!now!.has(id) && !this.isLeaving(id)) this.absences.began(id);
    if (!old!.has(selfId)) return;
    for (const id of now!) if (!old!.has(id)) this.absences.arrived(id);
  }

  /** A node that joins has no past: what it owns now was the others' before. */
  #remember(before: Ring<Member>, wasSeen = true): void {
    const selfId = this.#self().id;
    const ring = before.members.length > 0 ? before : this.#build(this.#owners.filter(({ id }) => id !== selfId));
    const nowMs = this.#deps.clock.nowMs();
    const past = this.#past.filter(({ untilMs }) => untilMs > nowMs).slice(0, ringsMax - 1);
    this.#past = [{ ring, untilMs: nowMs + handoffMs, wasSeen }, ...past];
  }

  #build(members: readonly Member[]): Ring<Member> {
    const { virtualNodes, hasher } = this.#deps;
    return Ring.of(members, { virtualNodes, hasher });
  }
}

/** All that decides ownership is the same; the rest of a member may have changed. */
const sameOwners = (a: readonly Member[], b: readonly Member[]): boolean =>
  a.length === b.length &&
  a.every(({ id, name, weight }, i) => id === b[i]!.id && name === b[i]!.name && weight === b[i]!.weight);
