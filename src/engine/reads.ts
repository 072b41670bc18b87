import { codeOf, DistcacheError, type ErrorCode, invalidArgument } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';
import type { Wait } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerReply } from '../ports/peers.js';
import type { Answer, Keyspace } from './keyspace.js';
import type { Kept } from './known-reply.js';
import { circleOf, Loader } from './loader.js';
import { OwnerReads } from './owner-reads.js';
import { anyTerms, hearsFormerOwners, type PathDeps, type ReadTerms } from './path.js';
import type { Place } from './topology.js';
import { besideVersion, type Trip, Trips } from './trips.js';
import { within } from './within.js';

/** The owner cannot answer, but another way may: the next owner, or the data source itself. */
const ownerOut: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  'PEER_UNREACHABLE',
  'NOT_STARTED',
  'KEYSPACE_NOT_FOUND',
]);

/** Nodes asked, the owner and those in its stead, before this node helps itself. */
const asksMax = 3;
const alone = Number.POSITIVE_INFINITY;

/**
 * The read path below memory: the owner loads, everybody else asks the owner. When the owner is out of reach the next on
 * the ring answers in its stead, and when that fails too the reader reads the source and keeps nothing, so that a read
 * survives any loss. A node that has just become a key's owner asks the previous one before it loads.
 *
 * The guards that run through all of it (docs/coherence.md):
 * - A flight notes the slot's token when it starts. Whoever arrives later joins only while the token is the same, and the
 *   answer is stored only if it still is at the end: a write that falls into a running load is never undone by it.
 * - A copy is stored under a living lease that did not lapse on the way, from an owner that knows of at least as many
 *   writes as this node, and not while the slot is embargoed. Without a lease only flights that begin later are joined.
 */
export class Reads {
  readonly #deps: PathDeps;
  readonly #loader: Loader;
  readonly #trips: Trips;
  readonly #own: OwnerReads;

  /** @param kept told of each entry that this node has taken in as its owner */
  constructor(deps: PathDeps, kept: Kept) {
    this.#deps = deps;
    this.#loader = new Loader(deps);
    this.#trips = new Trips(deps);
    this.#own = new OwnerReads(deps, this.#trips, this.#loader, kept);
  }

  /** For a caller on this node. */
  read(space: Keyspace, key: string, wait: Wait, terms: ReadTerms): Promise<Answer> {
    const circle = circleOf(space, key, terms.loading);
    if (circle !== undefined) return Promise.reject(circle);
    const late = this.late(key, wait);
    if (late !== undefined)
      return late.then(() => this.#own.held(space, key, terms) ?? this.read(space, key, wait, terms));
    const place = this.#deps.topology.place(key);
    const stale = place.mine ? this.#own.stale(space, key, place, terms) : undefined;
    if (stale !== undefined) return Promise.resolve(stale);
    space.countMiss();
    if (!place.mine && terms.fromOwner)
      return this.#askOwner(this.#trips.begin(space, key, place, terms, wait, wait.signal));
    return this.#newEnough(space, key, wait, terms, (sinceMs) => {
      const now = this.#deps.topology.placeOf(place.hash);
      return now.mine
        ? this.#own.load(space, key, now, wait, terms, sinceMs)
        : this.#fetch(space, key, now, wait, terms, sinceMs);
    });
  }

  /**
   * Ahead of need: the owner loads anew, everybody else asks the owner, whether or not memory holds the key. Joins what is
   * under way.
   */
  refresh(space: Keyspace, key: string, wait: Wait): Promise<Answer> {
    const place = this.#deps.topology.place(key);
    space.counts.refreshes++;
    if (place.mine) return this.#own.refresh(space, key, place, wait);
    return this.#fetch(space, key, place, wait, anyTerms, Number.NEGATIVE_INFINITY);
  }

  /**
   * Where this node owns the key but lost touch with the others: what to wait for before it is read. Resolves when it is
   * in touch again, or taken to be cut off.
   */
  late(key: string, wait: Wait): Promise<void> | undefined {
    const { clock, leases, topology } = this.#deps;
    const { late } = leases;
    if (late === undefined || !topology.place(key).mine) return undefined;
    return within(clock, wait, `reading '${key}'`, late);
  }

  /** For a peer that believes this node to be the owner; undefined when this node does not think so. */
  readAsOwner(space: Keyspace, key: string, wait: Wait, terms: ReadTerms): Promise<Answer> | undefined {
    const circle = circleOf(space, key, terms.loading);
    if (circle !== undefined) return Promise.reject(circle);
    const place = this.#deps.topology.place(key);
    if (!place.mine) return undefined;
    const stale = this.#own.stale(space, key, place, terms);
    if (stale !== undefined) return Promise.resolve(stale);
    space.countMiss();
    return this.#newEnough(space, key, wait, terms, (sinceMs) => {
      const now = this.#deps.topology.placeOf(place.hash);
      return now.mine
        ? this.#own.load(space, key, now, wait, terms, sinceMs)
        : this.#besideCache(space, key, terms, wait.signal);
    });
  }

  #newEnough(
    space: Keyspace,
    key: string,
    wait: Wait,
    terms: ReadTerms,
    attempt: (sinceMs: number) => Promise<Answer>,
  ): Promise<Answer> {
    const answer =
      terms.minVersion === 0 ? attempt(Number.NEGATIVE_INFINITY) : this.#since(space, key, wait, terms, attempt);
    return terms.fromOwner ? answer.then((found) => this.#ofOwner(key, found, this.#deps.self())) : answer;
  }

  /**
   * Reads again where what came is older than it may be: with whoever reads since this reader came, as what is loaded by then bears
   * a higher version; then alone; at last from the source.
   */
  async #since(
    space: Keyspace,
    key: string,
    wait: Wait,
    terms: ReadTerms,
    attempt: (sinceMs: number) => Promise<Answer>,
  ): Promise<Answer> {
    const { minVersion } = terms;
    const cameMs = this.#deps.clock.nowMs();
    // Whatever is loaded from now on bears a higher version.
    if (!this.#deps.hybrid.merge(minVersion)) {
      throw invalidArgument(`minVersion ${minVersion} lies further in the future than clocks may differ`);
    }
    // Behind a put of this node's own only the source may have something later: nobody's read under way is of use.
    const others = this.#own.isBehindPut(space, key, terms) ? [] : [Number.NEGATIVE_INFINITY, cameMs];
    for (const sinceMs of [...others, alone]) {
      const answer = await attempt(sinceMs);
      // Others may have begun it for readers who joined what had begun before this one came.
      const isBesideAndLater = answer.version === besideVersion && sinceMs === alone;
      if (answer.version >= minVersion || isBesideAndLater) return answer;
    }
    return this.#besideCache(space, key, terms, wait.signal);
  }

  #fetch(space: Keyspace, key: string, place: Place, wait: Wait, terms: ReadTerms, sinceMs: number): Promise<Answer> {
    const { clock, leases, guards } = this.#deps;
    const { slot, token } = this.#trips.slotOf(space, place);
    const unsureUntilMs = Math.max(
      guards.sweep ? space.sweeps.recentUntilMs : Number.NEGATIVE_INFINITY,
      guards.embargo ? space.slots.embargoedUntilMs(slot) : Number.NEGATIVE_INFINITY,
    );
    const isHeard = leases.holds(place.owner.id) && hearsFormerOwners(this.#deps, place.hash);
    const since = this.#trips.joinsSince(isHeard, unsureUntilMs);
    const run = (signal: StopSignal): Promise<Answer> => {
      const flight: Wait = { deadlineMs: clock.nowMs() + space.options.readTimeoutMs };
      return this.#ask(this.#trips.begin(space, key, place, terms, flight, signal), place.owner, asksMax);
    };
    return space.fetches.wait(key, token, wait, run, Math.max(since, sinceMs));
  }

  /** A plain chain: with thousands under way the frame of an async function would be the largest part of each. */
  #ask(trip: Trip, target: NodeInfo, asksLeft: number): Promise<Answer> {
    const { space, key, terms, place } = trip;
    const { peers, leases, vouches } = this.#deps;
    const standIn = target.id !== place.owner.id;
    if (leases.isSilent(target.id)) return this.#notTold(trip, target, asksLeft - 1);
    const { loading, minVersion } = terms;
    const request = { do: 'get', keyspace: space.name, key, loading, minVersion, standIn } as const;
    const vouching = vouches.before(target.id);
    return peers.call(target.id, request, trip).then(
      (reply) => this.#told(trip, target, reply, asksLeft - 1, vouching),
      (error) => {
        if (!ownerOut.has(codeOf(error))) throw error;
        space.counts.peerErrors++;
        return this.#notTold(trip, target, asksLeft - 1);
      },
    );
  }

  #told(
    trip: Trip,
    target: NodeInfo,
    reply: PeerReply,
    asksLeft: number,
    vouching: Promise<boolean> | undefined,
  ): Answer | Promise<Answer> {
    const { space, place } = trip;
    if (reply.is !== 'value' && reply.is !== 'absent') {
      if (reply.is === 'not-owner') return this.#disagreed(trip, target, reply.owner, asksLeft);
      return this.#withoutOwner(trip);
    }
    if (this.#trips.isVoid(trip, reply)) return this.#withoutOwner(trip);
    if (vouching !== undefined && isOlder(trip, reply)) {
      return vouching.then((isSure) =>
        isSure ? this.#told(trip, target, reply, asksLeft, undefined) : this.#withoutOwner(trip),
      );
    }
    if (this.#isBehind(trip, reply)) return this.#withoutOwner(trip);
    const answer = this.#trips.received(reply, target.name);
    space.counts.peerLoads++;
    const isOfOwner = target.id === place.owner.id;
    this.#forgetOlder(trip, answer, isOfOwner);
    if (isOfOwner) this.#keepCopy(trip, answer, reply.floor);
    return answer;
  }

  /** The nodes disagree about the ring: one more try with whom the other believes to be the owner. */
  #disagreed(trip: Trip, target: NodeInfo, ownerId: string, asksLeft: number): Promise<Answer> {
    const { space, key, place, terms } = trip;
    const { topology, peers, self } = this.#deps;
    space.counts.disagreements++;
    const now = topology.placeOf(place.hash);
    if (now.mine) return this.#own.load(space, key, now, trip, terms, Number.NEGATIVE_INFINITY);
    const owner = ownerId === self().id ? undefined : peers.linked().find(({ id }) => id === ownerId);
    if (owner === undefined || owner.id === target.id || asksLeft < asksMax - 1) return this.#withoutOwner(trip);
    return this.#ask(trip, owner, 1);
  }

  #notTold(trip: Trip, target: NodeInfo, asksLeft: number): Promise<Answer> {
    const { space, key, place, terms } = trip;
    const { topology, self } = this.#deps;
    const now = topology.placeOf(place.hash);
    if (now.owner.id !== place.owner.id && now.owner.id !== target.id) {
      if (now.mine) return this.#own.load(space, key, now, trip, terms, Number.NEGATIVE_INFINITY);
      if (asksLeft > 0) return this.#ask(trip, now.owner, asksLeft);
    }
    const standIns = topology.standIns(place.hash);
    const next = standIns[standIns.findIndex(({ id }) => id === target.id) + 1];
    if (asksLeft <= 0 || next === undefined || next.id === self().id) return this.#withoutOwner(trip);
    space.counts.standIns++;
    return this.#ask(trip, next, asksLeft);
  }

  #withoutOwner({ space, key, terms, signal }: Trip): Promise<Answer> {
    return this.#besideCache(space, key, terms, signal);
  }

  #besideCache(space: Keyspace, key: string, terms: ReadTerms, signal: StopSignal | undefined): Promise<Answer> {
    space.counts.unkeptLoads++;
    return this.#loader.load(space, key, terms.loading, besideVersion, signal);
  }

  /**
   * While nodes disagree about owners, the one that answers may not have heard of a write of which this node has: as two
   * sides of a split find each other again, not all links come up at once.
   */
  #isBehind({ space, slot }: Trip, { floor, version }: Extract<PeerReply, { is: 'value' | 'absent' }>): boolean {
    const { guards, clock } = this.#deps;
    const known = space.slots.floor(slot);
    if (!guards['reply-floor'] || floor >= known || version >= known) return false;
    return guards.embargo && space.slots.isEmbargoed(slot, clock.nowMs());
  }

  /** Nobody is waited for with whom an older answer could come, and nobody answers in the owner's stead. */
  async #askOwner(trip: Trip): Promise<Answer> {
    const { space, key, place, terms } = trip;
    const { loading, minVersion } = terms;
    const request = { do: 'get', keyspace: space.name, key, loading, minVersion, standIn: false } as const;
    const vouching = this.#deps.vouches.before(place.owner.id);
    const reply = await this.#deps.peers.call(place.owner.id, request, trip);
    const isKnown = reply.is === 'value' || reply.is === 'absent';
    const isSure = !isKnown || !isOlder(trip, reply) || (await vouching) !== false;
    if (isKnown && isSure && !this.#trips.isVoid(trip, reply) && !this.#isBehind(trip, reply)) {
      space.counts.peerLoads++;
      const answer = this.#trips.received(reply, place.owner.name);
      this.#forgetOlder(trip, answer, true);
      this.#keepCopy(trip, answer, reply.floor);
      return this.#ofOwner(key, answer, place.owner);
    }
    throw notAsOwner(key, place.owner);
  }

  /** Throws where the owner could not answer as such. */
  #ofOwner(key: string, answer: Answer, owner: NodeInfo): Answer {
    if (answer.version === besideVersion) throw notAsOwner(key, owner);
    return answer;
  }

  /**
   * A copy that is older than what another node answers with goes, though nobody told this node of the write yet. What is
   * held for the owner, or in its stead, goes only before the owner's own word.
   */
  #forgetOlder({ space, key }: Trip, { version }: Answer, isOfOwner: boolean): void {
    const copy = space.store.peek(key);
    if (copy === undefined || copy.owner === '' || copy.version >= version) return;
    if (isOfOwner || !copy.isHeld) space.store.delete(key, 'invalidated');
  }

  /** Keeps a copy of what its owner told. */
  #keepCopy(trip: Trip, answer: Answer, ownerFloor: number): void {
    const { space, key, place, slot, generation } = trip;
    const { leases, guards, clock } = this.#deps;
    const { id } = place.owner;
    const isLeased = !guards.lease || (leases.holds(id) && leases.leases.generation(id) === generation);
    const isEmbargoed = guards.embargo && space.slots.isEmbargoed(slot, clock.nowMs());
    const knows = !guards['reply-floor'] || ownerFloor >= space.slots.floor(slot);
    const isSwept = this.#deps.guards.sweep && space.sweeps.void({ ...answer, key: trip.key });
    const isBeside = answer.version === besideVersion;
    if (
      !isLeased ||
      isEmbargoed ||
      !knows ||
      isBeside ||
      !space.admitsCopy(key, answer.value) ||
      !hearsFormerOwners(this.#deps, place.hash) ||
      isSwept ||
      this.#trips.hasMoved(trip) ||
      !this.#trips.isUnwritten(trip)
    ) {
      space.counts.unkeptLoads++;
      return;
    }
    this.#trips.store(trip, guards['copy-version'] ? answer : { ...answer, version: trip.version }, id);
  }
}

/** Than the latest write to its slot that is known here. What comes from beside the cache is as new as the source. */
const isOlder = ({ space, slot }: Trip, { version }: Extract<PeerReply, { is: 'value' | 'absent' }>): boolean =>
  version !== besideVersion && version < space.slots.floor(slot);

const notAsOwner = (key: string, { name }: NodeInfo): DistcacheError =>
  new DistcacheError(
    'PEER_UNREACHABLE',
    `${name} does not answer for '${key}' as its owner now: the ring changes, or it lost touch with the others; try again ` +
      "in a moment, or read with consistency 'cached'",
    { node: name },
  );
