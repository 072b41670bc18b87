import type { StopSignal } from '../base/stop-signal.js';
import { noTags } from '../base/tags.js';
import type { Wait } from '../ports/clock.js';
import type { PeerReply } from '../ports/peers.js';
import type { Answer, Keyspace } from './keyspace.js';
import type { PathDeps, ReadTerms } from './path.js';
import type { Place } from './topology.js';

/** A read on its way; its wait is that of all who wait for it. What it says of slot and leases is of its start. */
export interface Trip extends Wait {
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

/**
 * Of an answer that was read from the source beside the cache, while its owner was out of reach: it belongs to no entry, so
 * it has no place among the versions of the key.
 */
export const besideVersion = 0;

/** What reads of one's own keys and of others' have in common: how they begin, and when what they bring may be kept. */
export class Trips {
  readonly #deps: PathDeps;

  constructor(deps: PathDeps) {
    this.#deps = deps;
  }

  slotOf(space: Keyspace, { hash }: Place): { readonly slot: number; readonly token: number } {
    const slot = space.slots.slotOf(hash);
    return { slot, token: this.#deps.guards['join-token'] ? space.slots.token(slot) : 0 };
  }

  /**
   * Only flights that begin later are joined: without a lease, those that begin after the reader came.
   * @param unsureUntilMs what began before this may have been asked of who did not know of a write
   */
  joinsSince(isLeased: boolean, unsureUntilMs: number): number {
    if (!this.#deps.guards['join-later']) return Number.NEGATIVE_INFINITY;
    const nowMs = this.#deps.clock.nowMs();
    return isLeased ? Math.min(nowMs, unsureUntilMs) : nowMs;
  }

  begin(
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

  received(reply: Extract<PeerReply, { is: 'value' | 'absent' }>, node: string): Answer {
    return {
      value: reply.is === 'value' ? reply.value : null,
      version: reply.version,
      expiresAtMs: this.#deps.clock.nowMs() + reply.lifeMs,
      outcome: reply.is === 'value' ? reply.outcome : 'negative',
      wasPut: reply.is === 'value' && reply.wasPut,
      sourceVersion: reply.is === 'value' ? reply.sourceVersion : undefined,
      tags: (reply.is === 'value' ? reply.tags : undefined) ?? noTags,
      node,
    };
  }

  /** The answering node has not heard of the latest clear: what it says may be from before. */
  isVoid({ space }: Trip, reply: Extract<PeerReply, { is: 'value' | 'absent' }>): boolean {
    return this.#deps.guards.generation && reply.generation < space.generation;
  }

  hasMoved({ place }: Trip): boolean {
    return this.#deps.topology.placeOf(place.hash).owner.id !== place.owner.id;
  }

  /** No write came between. */
  isUnwritten({ space, slot, token }: Trip): boolean {
    return !this.#deps.guards['fill-token'] || space.slots.token(slot) === token;
  }

  /** Keeps an answer while it is fresh; for its owner also beyond that, as long as it may stand in for another. */
  store(trip: Trip, answer: Answer, owner: string, isHeld = false): boolean {
    return answer.expiresAtMs > this.#deps.clock.nowMs() && this.#put(trip, answer, owner, isHeld);
  }

  /** Keeps what another node held for when the source fails, and has expired. */
  storeExpired(trip: Trip, answer: Answer): void {
    if (trip.space.keepUntilMs(answer.value, answer.expiresAtMs) > this.#deps.clock.nowMs())
      this.#put(trip, answer, '');
  }

  #put({ space, key }: Trip, answer: Answer, owner: string, isHeld = false): boolean {
    const { value, version, expiresAtMs, wasPut, sourceVersion, tags } = answer;
    const isCopy = owner !== '' && !isHeld;
    const keepUntilMs = isCopy ? expiresAtMs : space.keepUntilMs(value, expiresAtMs);
    const kept = { key, value, version, expiresAtMs, keepUntilMs, wasPut, sourceVersion, tags };
    return space.store.put({ ...kept, owner, isHeld }) === 'stored';
  }
}
