import { codeOf, type DistcacheError, type ErrorCode, invalidArgument } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';
import type { HybridClock } from '../coherence/hybrid-clock.js';
import type { Clock, Wait } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerNetwork, PeerReply } from '../ports/peers.js';
import type { Answer, Keyspace } from './keyspace.js';
import type { Place, Topology } from './topology.js';

export interface PathDeps {
  readonly clock: Clock;
  readonly hybrid: HybridClock;
  readonly peers: PeerNetwork;
  readonly topology: Topology;
  readonly self: () => NodeInfo;
}

/** A read on its way to the owner of its key; its wait is that of all who wait for it. */
interface Fetch extends Wait {
  readonly space: Keyspace;
  readonly key: string;
  /** The slot's, at the start. */
  readonly token: number;
  readonly loading: readonly string[];
  readonly signal: StopSignal;
}

/** The owner cannot answer, but another way may: the next owner, or the data source itself. */
const ownerOut: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  'PEER_UNREACHABLE',
  'NOT_STARTED',
  'KEYSPACE_NOT_FOUND',
]);

/** Owners asked before this node helps itself. */
const ownersAsked = 2;

/**
 * The read path below memory: the owner loads, everybody else asks the owner, and when the owner is out of reach reads
 * the source without keeping the answer, so that a read survives any loss.
 *
 * The fill guard runs through all of it. A flight notes the slot's token when it starts. Whoever arrives later joins only
 * while the token is the same, and the answer is stored only if it still is at the end: a write that falls into a running
 * load is never undone by what the load brings.
 */
export class Reads {
  readonly #deps: PathDeps;

  constructor(deps: PathDeps) {
    this.#deps = deps;
  }

  /** For a caller on this node. `loading` names the loads that wait for this answer. */
  read(space: Keyspace, key: string, wait: Wait, loading: readonly string[]): Promise<Answer> {
    const circle = this.#circle(space, key, loading);
    if (circle !== undefined) return Promise.reject(circle);
    space.countMiss();
    const place = this.#deps.topology.place(key);
    return place.mine ? this.#load(space, key, place, wait, loading) : this.#fetch(space, key, place, wait, loading);
  }

  /** For a peer that believes this node to be the owner; undefined when this node does not think so. */
  readAsOwner(space: Keyspace, key: string, wait: Wait, loading: readonly string[]): Promise<Answer> | undefined {
    const circle = this.#circle(space, key, loading);
    if (circle !== undefined) return Promise.reject(circle);
    const place = this.#deps.topology.place(key);
    if (!place.mine) return undefined;
    space.countMiss();
    return this.#load(space, key, place, wait, loading);
  }

  #load(space: Keyspace, key: string, place: Place, wait: Wait, loading: readonly string[]): Promise<Answer> {
    const token = space.slots.token(space.slots.slotOf(place.hash));
    return space.loads.wait(key, token, wait, (signal) => this.#loadAsOwner(space, key, place, token, loading, signal));
  }

  #fetch(space: Keyspace, key: string, place: Place, wait: Wait, loading: readonly string[]): Promise<Answer> {
    const token = space.slots.token(space.slots.slotOf(place.hash));
    return space.fetches.wait(key, token, wait, (signal) => {
      const deadlineMs = this.#deps.clock.nowMs() + space.options.readTimeoutMs;
      return this.#ask({ space, key, token, loading, deadlineMs, signal }, place, ownersAsked);
    });
  }

  async #loadAsOwner(
    space: Keyspace,
    key: string,
    place: Place,
    token: number,
    loading: readonly string[],
    signal: StopSignal,
  ): Promise<Answer> {
    const answer = await this.#fromSource(space, key, loading, signal);
    this.#keep(space, key, place, token, answer, '');
    return answer;
  }

  /** A plain chain: with thousands under way the frame of an async function would be the largest part of each. */
  #ask(fetch: Fetch, place: Place, ownersLeft: number): Promise<Answer> {
    const { space, key, loading } = fetch;
    const request = { do: 'get', keyspace: space.name, key, loading } as const;
    return this.#deps.peers.call(place.owner.id, request, fetch).then(
      (reply) => this.#told(fetch, place, reply),
      (error) => this.#notTold(fetch, place, error, ownersLeft - 1),
    );
  }

  #told(fetch: Fetch, place: Place, reply: PeerReply): Answer | Promise<Answer> {
    // 'not-owner': we disagree about the ring, and the key goes no further than one hop.
    if (reply.is !== 'value' && reply.is !== 'absent') return this.#withoutOwner(fetch);
    const { space, key, token } = fetch;
    const answer = this.#received(reply, place.owner.name);
    space.counts.peerLoads++;
    this.#keep(space, key, place, token, answer, place.owner.id);
    return answer;
  }

  #notTold(fetch: Fetch, place: Place, error: unknown, ownersLeft: number): Promise<Answer> {
    if (!ownerOut.has(codeOf(error))) throw error;
    const { space, key, loading } = fetch;
    space.counts.peerErrors++;
    const next = this.#deps.topology.placeOf(place.hash);
    if (next.owner.id !== place.owner.id) {
      if (next.mine) return this.#load(space, key, next, fetch, loading);
      if (ownersLeft > 0) return this.#ask(fetch, next, ownersLeft);
    }
    return this.#withoutOwner(fetch);
  }

  #withoutOwner({ space, key, loading, signal }: Fetch): Promise<Answer> {
    space.counts.unkeptLoads++;
    return this.#fromSource(space, key, loading, signal);
  }

  async #fromSource(space: Keyspace, key: string, loading: readonly string[], signal: StopSignal): Promise<Answer> {
    // The version is the clock at the start: whatever is written while the source is read counts as newer.
    const version = this.#deps.hybrid.next();
    const { counts } = space;
    try {
      const said = await space.source.load(key, [...loading, loadName(space, key)], signal);
      const lifeMs = said.is === 'value' ? space.lifeMs(key, said.ttlMs) : space.negativeLifeMs();
      counts.localLoads++;
      return {
        value: said.is === 'value' ? said.value : null,
        version,
        expiresAtMs: this.#deps.clock.nowMs() + lifeMs,
        outcome: said.is === 'value' ? 'load' : 'negative',
        wasPut: false,
        node: this.#deps.self().name,
      };
    } catch (error) {
      counts.localLoadErrors++;
      throw error;
    }
  }

  #received(reply: Extract<PeerReply, { is: 'value' | 'absent' }>, node: string): Answer {
    return {
      value: reply.is === 'value' ? reply.value : null,
      version: reply.version,
      expiresAtMs: this.#deps.clock.nowMs() + reply.lifeMs,
      outcome: reply.is === 'value' ? reply.outcome : 'negative',
      wasPut: reply.is === 'value' && reply.wasPut,
      node,
    };
  }

  /** Stores an answer unless a write came between or the key has moved meanwhile. `owner` is '' for this node. */
  #keep(space: Keyspace, key: string, place: Place, token: number, answer: Answer, owner: string): void {
    const { clock, topology } = this.#deps;
    if (answer.expiresAtMs <= clock.nowMs()) return;
    const moved = topology.placeOf(place.hash).owner.id !== place.owner.id;
    if (moved || space.slots.token(space.slots.slotOf(place.hash)) !== token) {
      space.counts.unkeptLoads++;
      return;
    }
    const { value, version, expiresAtMs, wasPut } = answer;
    space.store.put({ key, value, version, expiresAtMs, keepUntilMs: expiresAtMs, wasPut, owner });
  }

  /** A loader that asks, over however many others, for the key it is loading would wait for itself. */
  #circle(space: Keyspace, key: string, loading: readonly string[]): DistcacheError | undefined {
    if (loading.length === 0 || !loading.includes(loadName(space, key))) return undefined;
    return invalidArgument(
      `the data source of keyspace '${space.name}' asks the cache for '${key}' while it loads that very key` +
        `${loading.length > 1 ? ` (over ${loading.length - 1} more)` : ''}; read it from the source instead`,
    );
  }
}

/** Keyspace names have no control characters, so no two loads share a name. */
const loadName = (space: Keyspace, key: string): string => `${space.name}\u0000${key}`;
