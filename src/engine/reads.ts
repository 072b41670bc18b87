import { codeOf, DistcacheError, type ErrorCode, invalidArgument } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';
import { joinWindowMs } from '../coherence/leases.js';
import type { Wait } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerReply } from '../ports/peers.js';
import type { Answer, Keyspace } from './keyspace.js';
import { circleOf, Loader } from './loader.js';
import type { PathDeps, ReadTerms } from './path.js';
import { doubtful, type Place } from './topology.js';

type Kept = (space: Keyspace, key: string, hash: number, answer: Answer) => void;

/** A read on its way; its wait is that of all who wait for it. What it says of slot and leases is of its start. */
interface Trip extends Wait {
  readonly space: Keyspace;
  readonly key: string;
  readonly place: Place;
  readonly slot: number;
  readonly token: number;
  /** Of the lease under which its answer is to be kept. */
  readonly generation: number;
  readonly version: number;
  readonly terms: ReadTerms;
  readonly signal: StopSignal | undefined;
}

/** The owner cannot answer, but another way may: the next owner, or the data source itself. */
const ownerOut: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  'PEER_UNREACHABLE',
  'NOT_STARTED',
  'KEYSPACE_NOT_FOUND',
]);

/**
 * Of an answer that was read from the source beside the cache, while its owner was out of reach: it belongs to no entry, so
 * it has no place among the versions of the key.
 */
const besideVersion = 0;
/** Nodes asked, the owner and those in its stead, before this node helps itself. */
const asksMax = 3;
/** Nodes that owned a key before and are asked for it. */
const recallsMax = 3;
/** How long the previous owner may take: it answers from memory, or from a load under way there. */
const recallMs = 1000;

/**
 * The read path below memory: the owner loads, everybody else asks the owner. When the owner is out of reach the next on
 * the ring answers in its stead, and when that fails too the reader reads the source and keeps nothing, so that a read
 * survives any loss. A node that has just become a key's owner asks the previous one before it loads.
 *
 * The guards that run through all of it (docs/coherence.md):
 * - A flight notes the slot's token when it starts. Whoever arrives later joins only while the token is the same, and the
 *   answer is stored only if it still is at the end: a write that falls into a running load is never undone by it.
 * - A copy is stored under a living lease that did not lapse on the way, from an owner that knows of at least as many
 *   writes as this node, and not while the slot is embargoed. Without a lease only young flights are joined.
 * - An owner that lost touch with the others loads as a stranger would: nothing is kept.
 */
export class Reads {
  readonly #deps: PathDeps;
  readonly #loader: Loader;
  readonly #kept: Kept;

  /** @param kept told of each entry that this node has taken in as its owner */
  constructor(deps: PathDeps, kept: Kept) {
    this.#deps = deps;
    this.#kept = kept;
    this.#loader = new Loader(deps);
  }

  /** For a caller on this node. */
  read(space: Keyspace, key: string, wait: Wait, terms: ReadTerms): Promise<Answer> {
    const circle = circleOf(space, key, terms.loading);
    if (circle !== undefined) return Promise.reject(circle);
    space.countMiss();
    const place = this.#deps.topology.place(key);
    if (!place.mine && terms.fromOwner) return this.#askOwner(this.#trip(space, key, place, terms, wait, wait.signal));
    return this.#newEnough(space, key, wait, terms, (sinceMs) =>
      place.mine
        ? this.#load(space, key, place, wait, terms, sinceMs)
        : this.#fetch(space, key, place, wait, terms, sinceMs),
    );
  }

  /** For a peer that believes this node to be the owner; undefined when this node does not think so. */
  readAsOwner(space: Keyspace, key: string, wait: Wait, terms: ReadTerms): Promise<Answer> | undefined {
    const circle = circleOf(space, key, terms.loading);
    if (circle !== undefined) return Promise.reject(circle);
    const place = this.#deps.topology.place(key);
    if (!place.mine) return undefined;
    space.countMiss();
    return this.#newEnough(space, key, wait, terms, (sinceMs) => this.#load(space, key, place, wait, terms, sinceMs));
  }

  /** Reads again, joining nobody, where what came is older than it may be; at last from the source. */
  async #newEnough(
    space: Keyspace,
    key: string,
    wait: Wait,
    terms: ReadTerms,
    attempt: (sinceMs: number) => Promise<Answer>,
  ): Promise<Answer> {
    const { minVersion, loading } = terms;
    if (minVersion === 0) return attempt(Number.NEGATIVE_INFINITY);
    // Whatever is loaded from now on bears a higher version.
    if (!this.#deps.hybrid.merge(minVersion)) {
      throw invalidArgument(`minVersion ${minVersion} lies further in the future than clocks may differ`);
    }
    for (const sinceMs of [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]) {
      const answer = await attempt(sinceMs);
      const isBesideAndLater = answer.version === besideVersion && sinceMs > 0;
      if (answer.version >= minVersion || isBesideAndLater) return answer;
    }
    space.counts.unkeptLoads++;
    return this.#loader.load(space, key, loading, besideVersion, wait.signal);
  }

  #load(space: Keyspace, key: string, place: Place, wait: Wait, terms: ReadTerms, sinceMs: number): Promise<Answer> {
    const { leases } = this.#deps;
    const { slot, token } = this.#slotOf(space, place);
    const youngest = this.#joinsSince(space, slot, leases.owns());
    const run = (signal: StopSignal): Promise<Answer> =>
      this.#loadAsOwner(this.#trip(space, key, place, terms, wait, signal));
    return space.loads.wait(key, token, wait, run, Math.max(youngest, sinceMs));
  }

  #fetch(space: Keyspace, key: string, place: Place, wait: Wait, terms: ReadTerms, sinceMs: number): Promise<Answer> {
    const { clock, leases } = this.#deps;
    const { slot, token } = this.#slotOf(space, place);
    const youngest = this.#joinsSince(space, slot, leases.holds(place.owner.id));
    const run = (signal: StopSignal): Promise<Answer> => {
      const flight: Wait = { deadlineMs: clock.nowMs() + space.options.readTimeoutMs };
      return this.#ask(this.#trip(space, key, place, terms, flight, signal), place.owner, asksMax);
    };
    return space.fetches.wait(key, token, wait, run, Math.max(youngest, sinceMs));
  }

  #slotOf(space: Keyspace, { hash }: Place): { readonly slot: number; readonly token: number } {
    const slot = space.slots.slotOf(hash);
    return { slot, token: this.#deps.guards['join-token'] ? space.slots.token(slot) : 0 };
  }

  /** Flights begun before are not joined. */
  #joinsSince(space: Keyspace, slot: number, isLeased: boolean): number {
    const { clock, guards } = this.#deps;
    const nowMs = clock.nowMs();
    const isSure = isLeased && !(guards.embargo && space.slots.isEmbargoed(slot, nowMs));
    return isSure || !guards['join-window'] ? Number.NEGATIVE_INFINITY : nowMs - joinWindowMs;
  }

  #trip(
    space: Keyspace,
    key: string,
    place: Place,
    terms: ReadTerms,
    { deadlineMs }: Wait,
    signal: StopSignal | undefined,
  ): Trip {
    const { leases, hybrid } = this.#deps;
    const slot = space.slots.slotOf(place.hash);
    return {
      space,
      key,
      place,
      slot,
      token: space.slots.token(slot),
      generation: place.mine ? leases.ownGeneration : leases.leases.generation(place.owner.id),
      // The clock at the start: whatever is written while the source is read counts as newer.
      version: hybrid.next(),
      terms,
      deadlineMs,
      signal,
    };
  }

  async #loadAsOwner(trip: Trip): Promise<Answer> {
    const { space, key, terms, version, signal } = trip;
    // Out of touch with the others, what was held before may be overwritten by now, here and at whoever owned it before.
    if (this.#deps.leases.owns()) {
      const { answer: recalled, allAsked } = await this.#recall(trip);
      const held = this.#reassured(trip, recalled?.version);
      if (held !== undefined && !allAsked) return this.#withoutOwner(trip);
      const known = held ?? recalled;
      if (known !== undefined) return this.#keepOwn(trip, known);
    }
    const loadedAt = this.#deps.guards['load-version'] ? version : undefined;
    const answer = await this.#loader.load(space, key, terms.loading, loadedAt, signal);
    return this.#keepOwn(trip, answer);
  }

  /** What this node held when it was suspected, as nobody who may have owned the key meanwhile has anything later. */
  #reassured({ space, key, terms }: Trip, recalled = 0): Answer | undefined {
    const entry = space.fresh(key);
    if (entry?.owner !== doubtful || !this.#deps.leases.owns()) return undefined;
    if (entry.version < Math.max(terms.minVersion, recalled)) return undefined;
    const outcome = entry.value === null ? 'negative' : 'hit';
    return { ...entry, outcome, node: this.#deps.self().name };
  }

  /** What the key's previous owner holds, if it knows of all writes that this node knows of. */
  async #recall(trip: Trip): Promise<{ readonly answer: Answer | undefined; readonly allAsked: boolean }> {
    const { space, key, place, slot, deadlineMs, terms } = trip;
    const { topology, peers, clock, leases } = this.#deps;
    const previous = topology.previousOwners(place.hash);
    let allAsked = true;
    for (const owner of previous.slice(0, recallsMax)) {
      if (leases.isSilent(owner.id)) {
        allAsked = false;
        continue;
      }
      const wait: Wait = { deadlineMs: Math.min(deadlineMs, clock.nowMs() + recallMs), signal: trip.signal };
      let reply: PeerReply;
      try {
        reply = await peers.call(owner.id, { do: 'recall', keyspace: space.name, key }, wait);
      } catch {
        // It has no such keyspace, or is gone; what is only out of reach may still have something.
        allAsked &&= !topology.isThere(owner.id);
        continue;
      }
      if (reply.is !== 'value' && reply.is !== 'absent') continue;
      if (this.#deps.guards['reply-floor'] && reply.floor < space.slots.floor(slot)) continue;
      if (reply.version < terms.minVersion) continue;
      space.counts.recalls++;
      return { answer: this.#received(reply, owner.name), allAsked };
    }
    return { answer: undefined, allAsked };
  }

  /** A plain chain: with thousands under way the frame of an async function would be the largest part of each. */
  #ask(trip: Trip, target: NodeInfo, asksLeft: number): Promise<Answer> {
    const { space, key, terms, place } = trip;
    const { peers, leases } = this.#deps;
    const standIn = target.id !== place.owner.id;
    if (leases.isSilent(target.id)) return this.#notTold(trip, target, asksLeft - 1);
    const { loading, minVersion } = terms;
    const request = { do: 'get', keyspace: space.name, key, loading, minVersion, standIn } as const;
    return peers.call(target.id, request, trip).then(
      (reply) => this.#told(trip, target, reply, asksLeft - 1),
      (error) => {
        if (!ownerOut.has(codeOf(error))) throw error;
        space.counts.peerErrors++;
        return this.#notTold(trip, target, asksLeft - 1);
      },
    );
  }

  #told(trip: Trip, target: NodeInfo, reply: PeerReply, asksLeft: number): Answer | Promise<Answer> {
    const { space, place } = trip;
    if (reply.is !== 'value' && reply.is !== 'absent') {
      if (reply.is === 'not-owner') return this.#disagreed(trip, target, reply.owner, asksLeft);
      return this.#withoutOwner(trip);
    }
    const answer = this.#received(reply, target.name);
    space.counts.peerLoads++;
    this.#forgetOlder(trip, answer);
    if (target.id === place.owner.id) this.#keepCopy(trip, answer, reply.floor);
    return answer;
  }

  /** The nodes disagree about the ring: one more try with whom the other believes to be the owner. */
  #disagreed(trip: Trip, target: NodeInfo, ownerId: string, asksLeft: number): Promise<Answer> {
    const { space, key, place, terms } = trip;
    const { topology, peers, self } = this.#deps;
    space.counts.disagreements++;
    const now = topology.placeOf(place.hash);
    if (now.mine) return this.#load(space, key, now, trip, terms, Number.NEGATIVE_INFINITY);
    const owner = ownerId === self().id ? undefined : peers.linked().find(({ id }) => id === ownerId);
    if (owner === undefined || owner.id === target.id || asksLeft < asksMax - 1) return this.#withoutOwner(trip);
    return this.#ask(trip, owner, 1);
  }

  #notTold(trip: Trip, target: NodeInfo, asksLeft: number): Promise<Answer> {
    const { space, key, place, terms } = trip;
    const { topology, self } = this.#deps;
    const now = topology.placeOf(place.hash);
    if (now.owner.id !== place.owner.id && now.owner.id !== target.id) {
      if (now.mine) return this.#load(space, key, now, trip, terms, Number.NEGATIVE_INFINITY);
      if (asksLeft > 0) return this.#ask(trip, now.owner, asksLeft);
    }
    const standIns = topology.standIns(place.hash);
    const next = standIns[standIns.findIndex(({ id }) => id === target.id) + 1];
    if (asksLeft <= 0 || next === undefined || next.id === self().id) return this.#withoutOwner(trip);
    space.counts.standIns++;
    return this.#ask(trip, next, asksLeft);
  }

  #withoutOwner({ space, key, terms, signal }: Trip): Promise<Answer> {
    space.counts.unkeptLoads++;
    return this.#loader.load(space, key, terms.loading, besideVersion, signal);
  }

  /** Nobody is waited for with whom an older answer could come, and nobody answers in the owner's stead. */
  async #askOwner(trip: Trip): Promise<Answer> {
    const { space, key, place, terms } = trip;
    const { loading, minVersion } = terms;
    const request = { do: 'get', keyspace: space.name, key, loading, minVersion, standIn: false } as const;
    const reply = await this.#deps.peers.call(place.owner.id, request, trip);
    if (reply.is === 'value' || reply.is === 'absent') {
      space.counts.peerLoads++;
      const answer = this.#received(reply, place.owner.name);
      this.#forgetOlder(trip, answer);
      this.#keepCopy(trip, answer, reply.floor);
      return answer;
    }
    throw new DistcacheError(
      'PEER_UNREACHABLE',
      `${place.owner.name} does not answer for '${key}' now: the ring changes, or it lost touch with the others; try ` +
        "again in a moment, or read with consistency 'cached'",
      { node: place.owner.name },
    );
  }

  #received(reply: Extract<PeerReply, { is: 'value' | 'absent' }>, node: string): Answer {
    return {
      value: reply.is === 'value' ? reply.value : null,
      version: reply.version,
      expiresAtMs: this.#deps.clock.nowMs() + reply.lifeMs,
      outcome: reply.is === 'value' ? reply.outcome : 'negative',
      wasPut: reply.is === 'value' && reply.wasPut,
      sourceVersion: reply.is === 'value' ? reply.sourceVersion : undefined,
      node,
    };
  }

  /** Keeps what this node owns. Gives back what is to be answered: a later row of the source, where one is stored. */
  #keepOwn(trip: Trip, answer: Answer): Answer {
    const { space, generation } = trip;
    const { leases, topology } = this.#deps;
    const inTouch = leases.owns() && leases.ownGeneration === generation;
    const isApart = !inTouch || (this.#deps.passthroughOnSplit && topology.isSplit) || answer.version === besideVersion;
    const isContested = this.#deps.guards.embargo && space.slots.isContested(trip.slot, this.#deps.clock.nowMs());
    if (isApart || isContested || !this.#isUnwritten(trip)) {
      space.counts.unkeptLoads++;
      // A load that a write fell into, of which this node knows, is older than that write and says so.
      const isOverwritten = space.slots.floor(trip.slot) > answer.version;
      const isOrdered = answer.outcome === 'hit' || (isOverwritten && !isApart && !isContested);
      return isOrdered ? answer : { ...answer, version: besideVersion };
    }
    const latest = this.#laterRow(trip, answer);
    if (this.#hasMoved(trip)) this.#holdFor(topology.placeOf(trip.place.hash).owner, trip, latest);
    else if (this.#store(trip, latest, '')) this.#kept(space, trip.key, trip.place.hash, latest);
    return latest;
  }

  /** The key has moved while it was loaded: its new owner is to have the answer when it asks. */
  #holdFor({ id }: NodeInfo, trip: Trip, answer: Answer): void {
    this.#store(trip, answer, id, true);
  }

  /** The row that is stored, where the source has answered with an earlier version of it: it lags behind itself. */
  #laterRow({ space, key }: Trip, answer: Answer): Answer {
    const kept = space.fresh(key);
    if (kept?.sourceVersion === undefined || answer.sourceVersion === undefined) return answer;
    if (kept.sourceVersion <= answer.sourceVersion) return answer;
    return { ...answer, value: kept.value, sourceVersion: kept.sourceVersion };
  }

  /** A copy that is older than what another node answers with goes, though nobody told this node of the write yet. */
  #forgetOlder({ space, key }: Trip, { version }: Answer): void {
    const copy = space.store.peek(key);
    if (copy !== undefined && copy.owner !== '' && !copy.isHeld && copy.version < version) {
      space.store.delete(key, 'invalidated');
    }
  }

  /** Keeps a copy of what its owner told. */
  #keepCopy(trip: Trip, answer: Answer, ownerFloor: number): void {
    const { space, place, slot, generation } = trip;
    const { leases, guards, clock } = this.#deps;
    const { id } = place.owner;
    const isLeased = !guards.lease || (leases.holds(id) && leases.leases.generation(id) === generation);
    const isEmbargoed = guards.embargo && space.slots.isEmbargoed(slot, clock.nowMs());
    const knows = !guards['reply-floor'] || ownerFloor >= space.slots.floor(slot);
    const isBeside = answer.version === besideVersion;
    if (!isLeased || isEmbargoed || !knows || isBeside || this.#hasMoved(trip) || !this.#isUnwritten(trip)) {
      space.counts.unkeptLoads++;
      return;
    }
    this.#store(trip, guards['copy-version'] ? answer : { ...answer, version: trip.version }, id);
  }

  #hasMoved({ place }: Trip): boolean {
    return this.#deps.topology.placeOf(place.hash).owner.id !== place.owner.id;
  }

  /** No write came between. */
  #isUnwritten({ space, slot, token }: Trip): boolean {
    return !this.#deps.guards['fill-token'] || space.slots.token(slot) === token;
  }

  #store({ space, key }: Trip, answer: Answer, owner: string, isHeld = false): boolean {
    if (answer.expiresAtMs <= this.#deps.clock.nowMs()) return false;
    const { value, version, expiresAtMs, wasPut, sourceVersion } = answer;
    const kept = { key, value, version, expiresAtMs, keepUntilMs: expiresAtMs, wasPut, sourceVersion };
    return space.store.put({ ...kept, owner, isHeld }) === 'stored';
  }
}
