import { codeOf } from '../base/errors.js';
import type { Wait } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerReply } from '../ports/peers.js';
import type { Answer } from './keyspace.js';
import type { PathDeps } from './path.js';
import type { Trip, Trips } from './trips.js';

/** What a previous owner gave, and its id. */
interface Found {
  readonly answer: Answer;
  readonly from: string;
}

export interface Recalled {
  readonly answer: Answer | undefined;
  readonly from: string;
  /** Nobody who may have had something was left out. */
  readonly allAsked: boolean;
  /** Somebody who is there, and may have something, has not said. */
  readonly isOpen: boolean;
}

/**
 * 'out-of-reach': most likely gone, with what it had. 'late': it is there, and has not said. 'open': somebody may have something,
 * or who has has not heard of all writes.
 */
type Unknown = 'nothing' | 'out-of-reach' | 'late' | 'open';

/** It has passed on what it had to the node of this id. */
interface Passed {
  readonly to: string;
}

type Outcome = Found | Passed | Unknown;

const noneRecalled: Recalled = { answer: undefined, from: '', allAsked: true, isOpen: false };

/** Nodes that owned a key before and are asked for it. */
const recallsMax = 3;
/** Nodes beside them that may have owned it before others came, who have not asked for it. */
const furtherMax = 16;
/** How long the previous owner may take: it answers from memory, or from a load under way there. */
const recallMs = 1000;
/** Those of whom it is less likely that they have it: they answer at once, or are in trouble. */
const furtherMs = 250;

/** Asks those who may hold what a key's new owner does not. */
export class Recalls {
  readonly #deps: PathDeps;
  readonly #trips: Trips;

  constructor(deps: PathDeps, trips: Trips) {
    this.#deps = deps;
    this.#trips = trips;
  }

  /**
   * The latest of what the key's previous owners hold and those who leave; where they have nothing, of those that may have owned
   * it before others joined. Only what was told by who knows of all writes that this node knows of.
   */
  async ask(trip: Trip): Promise<Recalled> {
    const { topology } = this.#deps;
    const previous = topology.previousOwners(trip.place.hash).slice(0, recallsMax);
    if (previous.length === 0) return noneRecalled;
    const asked = [...topology.withLeaving(previous), ...this.#strangers()];
    const outcomes = await this.#askAll(trip, asked, recallMs);
    const isOpen = outcomes.includes('open') || outcomes.includes('late');
    const allAsked = !isOpen && !outcomes.includes('out-of-reach');
    const latest = latestOf(outcomes);
    if (latest !== undefined) return { ...latest, allAsked, isOpen };
    const known = new Set(asked.map(({ id }) => id));
    const further = topology.heldBefore(trip.place.hash, furtherMax).filter(({ id }) => !known.has(id));
    // Of so many, that one is late says little; but for the last, which has run for so long that it has owned the key.
    const [between, settled] = await Promise.all([
      this.#askAll(trip, further.slice(0, -1), furtherMs),
      this.#askAll(trip, further.slice(-1), recallMs),
    ]);
    const beyond = [...between, ...settled];
    const isOpenBeyond = beyond.includes('open') || settled.includes('late');
    return { ...(latestOf(beyond) ?? noneRecalled), allAsked, isOpen: isOpen || isOpenBeyond };
  }

  /**
   * Nodes that own keys as others see it, and have written: the link was here before the news of them. Where two join at once, each
   * may have taken a key for its own. Not former runs of nodes that were started again.
   */
  #strangers(): readonly NodeInfo[] {
    const { peers, topology, leases } = this.#deps;
    const names = new Set(topology.members().map(({ name }) => name));
    const isStranger = ({ id, name }: NodeInfo): boolean =>
      !names.has(name) && leases.leases.hasWritten(id) && !leases.isSilent(id);
    return peers.linked().filter(isStranger).slice(0, furtherMax);
  }

  /** Whoever gave the entry away need not hold it any more, where it is kept here. Nobody waits for it to know. */
  taken({ space, key, deadlineMs }: Trip, version: number, from: string): void {
    const entry = space.store.peek(key);
    // What has moved on meanwhile is to be had from who had it before.
    if (entry?.owner !== '' || entry.version < version) return;
    this.#deps.peers
      .call(from, { do: 'recall', keyspace: space.name, key, taken: version }, { deadlineMs })
      .catch(() => {});
  }

  /** Whoever was passed what one of them had is asked too, once more where it had nothing before it came. */
  async #askAll(trip: Trip, nodes: readonly NodeInfo[], withinMs: number): Promise<readonly (Found | Unknown)[]> {
    const outcomes = await Promise.all(nodes.map((node) => this.#ask(trip, node, withinMs)));
    // Who has passed it on in turn has not got it back.
    const hasPassed = new Set(nodes.filter((_, i) => isPassed(outcomes[i]!)).map(({ id }) => id));
    const passedTo = outcomes.filter(isPassed).map(({ to }) => to);
    const takers = new Set(passedTo.filter((id) => !hasPassed.has(id)));
    const asIs = outcomes.filter((outcome): outcome is Found | Unknown => !isPassed(outcome));
    if (takers.size === 0) return asIs;
    return [...asIs, ...(await Promise.all([...takers].map((id) => this.#askTaker(trip, id, withinMs))))];
  }

  async #askTaker(trip: Trip, id: string, withinMs: number): Promise<Found | Unknown> {
    const { topology, peers, self } = this.#deps;
    // It was passed to this node, and is not here any more.
    if (id === self().id) return 'nothing';
    const isTaker = (node: NodeInfo): boolean => node.id === id;
    const taker = peers.linked().find(isTaker) ?? topology.members().find(isTaker);
    const outcome = taker === undefined ? 'open' : await this.#ask(trip, taker, withinMs);
    return isPassed(outcome) ? 'open' : outcome;
  }

  async #ask(trip: Trip, owner: NodeInfo, withinMs: number): Promise<Outcome> {
    const { space, key, slot, deadlineMs, terms } = trip;
    const { topology, peers, clock, leases, vouches, guards } = this.#deps;
    if (leases.isSilent(owner.id)) return topology.isSuspect(owner.id) ? 'out-of-reach' : 'late';
    const wait: Wait = { deadlineMs: Math.min(deadlineMs, clock.nowMs() + withinMs), signal: trip.signal };
    const isUntold = (): boolean => leases.leases.owesFloors(owner.id);
    const wasUntold = isUntold();
    // Before the question itself, so that its answer is from after that.
    const vouching = vouches.before(owner.id);
    let reply: PeerReply;
    try {
      reply = await peers.call(owner.id, { do: 'recall', keyspace: space.name, key }, wait);
    } catch (error) {
      const code = codeOf(error);
      const isGone = !topology.isThere(owner.id) || leases.leases.hasLeft(owner.id);
      if (code === 'KEYSPACE_NOT_FOUND' || isGone) return 'nothing';
      // That a link is down for a moment says nothing of what is there. Of one that leaves no suspicion is heard.
      const isLost = topology.isSuspect(owner.id) || topology.isLeaving(owner.id);
      if (code === 'PEER_UNREACHABLE') return isLost ? 'out-of-reach' : 'late';
      return code === 'CLUSTER_QUORUM' ? 'open' : 'late';
    }
    if (reply.is === 'not-owner') return { to: reply.owner };
    if (reply.is !== 'value' && reply.is !== 'absent') return 'nothing';
    if (this.#trips.isVoid(trip, reply)) return 'nothing';
    const answer = this.#trips.received(reply, owner.name);
    if (guards.sweep && space.sweeps.void({ ...answer, key })) return 'nothing';
    // It has not heard of a write that was made here, as it was too busy.
    if (wasUntold || isUntold()) return 'open';
    // It has not heard of a write that fell into the slot, and will.
    if (guards['reply-floor'] && reply.floor < space.slots.floor(slot)) return 'open';
    if (reply.version < space.slots.floor(slot) && (await vouching) === false) return 'open';
    // A put that is behind what was asked for, a version of another key perhaps, is not to be loaded over.
    if (reply.version < terms.minVersion && !answer.wasPut) return 'nothing';
    space.counts.recalls++;
    return { answer, from: owner.id };
  }
}

const isPassed = (outcome: Outcome): outcome is Passed => typeof outcome !== 'string' && 'to' in outcome;

const latestOf = (outcomes: readonly (Found | Unknown)[]): Found | undefined =>
  outcomes
    .filter((outcome) => typeof outcome !== 'string')
    .reduce<Found | undefined>(
      (best, found) => (best && best.answer.version >= found.answer.version ? best : found),
      undefined,
    );
