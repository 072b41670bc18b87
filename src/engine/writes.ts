import { codeOf, DistcacheError } from '../base/errors.js';
import type { WriteResult } from '../ports/cache.js';
import { type Clock, remainingMs, type Wait } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { Ack, PeerRequest } from '../ports/peers.js';
import type { AgainFor, Confirmations, RequestFor } from './confirmations.js';
import type { Keyspace } from './keyspace.js';
import { contest, type PathDeps } from './path.js';
import { holdRequest } from './replicas.js';

/** What is done to a key: a put with its bytes and life, or a delete. */
export type Change =
  | {
      readonly do: 'put';
      /** The engine's own bytes. */
      readonly value: Uint8Array;
      /** undefined: as the owner's keyspace says. */
      readonly ttlMs: number | undefined;
      readonly tags: readonly string[];
    }
  | { readonly do: 'delete' };

/** What became of a write: who did not confirm it, by name. */
interface Written {
  readonly version: number;
  readonly unreached: readonly string[];
}

/** How long those who owned a key before may take to give it up: they answer at once, or are in trouble. */
const claimMs = 250;
/**
 * Pauses between attempts: nodes may disagree about an owner for as long as a change of the ring takes to spread, and an
 * owner that crashed stays in the ring until it is suspected, a second or two. The last one repeats until the deadline.
 */
const retryDelaysMs = [10, 50, 100, 250];
/** Part of a write's time, and at most so much, that the owner keeps back for its answer to travel. */
const answerShare = 0.1;
const answerMaxMs = 250;

/**
 * The write path. One node gives a key's versions: its owner. It applies the change, tells every peer to drop what it
 * holds below that version (the replicas get the value with it), and answers when no peer can serve anything older any
 * more. A peer that did not apply it is named in the result: a write is never silently incomplete.
 *
 * An owner that lost touch with the others writes nothing: they may have given its keys to somebody else.
 */
export class Writes {
  readonly #deps: PathDeps;
  readonly #confirmations: Confirmations;
  /** Of this node's callers, so far: a number for each that is asked of an owner. */
  #count = 0;

  constructor(deps: PathDeps, confirmations: Confirmations) {
    this.#deps = deps;
    this.#confirmations = confirmations;
  }

  async write(space: Keyspace, key: string, change: Change, ack: Ack, wait: Wait): Promise<WriteResult> {
    const { topology } = this.#deps;
    /** Owners that were asked and did not answer, id by name: they may hold the older value, or have written the new one. */
    const silent = new Map<string, string>();
    const once = ++this.#count;
    for (let attempt = 0; ; attempt++) {
      this.#checkSight(key);
      const { owner, mine } = topology.place(key);
      const result = mine
        ? await this.writeAsOwner(space, key, change, ack, wait)
        : await this.#ask(owner.id, this.#requestFor(space, key, change, ack, once), wait);
      if (result !== undefined) {
        for (const { name } of this.#deps.peers.linked()) silent.delete(name);
        silent.delete(owner.name);
        for (const [name, id] of silent) if (this.#deps.leases.leases.hasLeft(id)) silent.delete(name);
        const unreached =
          silent.size === 0 ? result.unreached : [...new Set([...result.unreached, ...silent.keys()])].sort();
        return { version: result.version, unreached, node: owner.name };
      }
      if (!mine) silent.set(owner.name, owner.id);
      const delayMs = retryDelaysMs[Math.min(attempt, retryDelaysMs.length - 1)]!;
      if (remainingMs(wait, this.#deps.clock) <= delayMs) {
        throw new DistcacheError(
          'PEER_UNREACHABLE',
          `'${key}' was not written: its owner ${owner.name} could not be reached or is out of touch with the others, or the ` +
            'nodes disagree about the owner; try again',
          { node: owner.name },
        );
      }
      await pause(this.#deps.clock, delayMs);
    }
  }

  /** Applies a change here and has it confirmed everywhere; undefined when this node may not write the key. */
  async writeAsOwner(space: Keyspace, key: string, change: Change, ack: Ack, wait: Wait): Promise<Written | undefined> {
    const { topology, leases } = this.#deps;
    const place = topology.place(key);
    if (!place.mine) return undefined;
    this.#checkSight(key);
    if (!leases.owns()) return undefined;
    if (change.do === 'put' && !space.store.fits(key, change.value.byteLength, change.tags)) {
      throw new DistcacheError(
        'VALUE_TOO_LARGE',
        `value of ${change.value.byteLength} bytes does not fit into keyspace '${space.name}', whose maxBytes is ` +
          `${space.options.maxBytes}; raise maxBytes or store less`,
      );
    }
    if (space.store.peek(key)?.owner !== '') {
      const previous = topology.previousOwners(place.hash);
      if (previous.length > 0) {
        await this.#claim(space, key, topology.withLeaving(previous), wait);
        if (!topology.placeOf(place.hash).mine || !leases.owns()) return undefined;
      }
    }
    return this.#apply(space, key, change, ack, place.hash, wait);
  }

  /** Neither for its callers nor for other nodes, who may have lost sight of fewer: throws CLUSTER_QUORUM. */
  #checkSight(key: string): void {
    const { leases, self } = this.#deps;
    if (!leases.passesThrough) return;
    const { name } = self();
    throw new DistcacheError(
      'CLUSTER_QUORUM',
      `'${key}' was not written: ${name} lost sight of half of the cluster, and cluster.onSplit is passthrough`,
      { node: name },
    );
  }

  /**
   * Whoever owned the key before and has not heard of the change may give it a version by a clock that is ahead of this
   * node's. Their answer sets it, and they load nothing as its owner any more; who does not answer is out of touch.
   */
  async #claim(space: Keyspace, key: string, previous: readonly NodeInfo[], { deadlineMs }: Wait): Promise<void> {
    const { peers, leases, clock } = this.#deps;
    const wait = { deadlineMs: Math.min(deadlineMs, clock.nowMs() + claimMs) };
    const claims = previous
      .filter(({ id }) => !leases.isSilent(id))
      .map(({ id }) => peers.call(id, { do: 'recall', keyspace: space.name, key, claim: true }, wait));
    await Promise.allSettled(claims);
  }

  #apply(
    space: Keyspace,
    key: string,
    change: Change,
    ack: Ack,
    hash: number,
    wait: Wait,
  ): Promise<Written | undefined> {
    const { topology, hybrid, clock, leases } = this.#deps;
    const { ownGeneration } = leases;
    const lifeMs = change.do === 'put' ? space.lifeMs(key, change.ttlMs) : 0;
    const version = hybrid.next();
    const slot = space.slots.slotOf(hash);
    space.slots.wrote(slot, version);
    leases.leases.wrote(this.#deps.self().id, version);
    const invalidation = { do: 'invalidate', keyspace: space.name, key, version } as const;
    let requestFor: RequestFor = (_, next) => ({ ...invalidation, sequence: next() });
    let againFor: AgainFor | undefined;
    if (change.do === 'put' && lifeMs > 0) {
      space.counts.puts++;
      const expiresAtMs = clock.nowMs() + lifeMs;
      const { value, tags } = change;
      const keepUntilMs = space.keepUntilMs(value, expiresAtMs);
      space.store.put({ key, value, version, expiresAtMs, keepUntilMs, wasPut: true, tags, owner: '' });
      const replicas = topology.replicasOf(hash);
      if (replicas.length > 0) {
        const floor = space.slots.floor(slot);
        const kept = {
          ...invalidation,
          do: 'hold',
          value,
          lifeMs,
          wasPut: true,
          sourceVersion: undefined,
          tags,
          floor,
          generation: space.generation,
          heard: 0,
          yours: false,
        } as const;
        requestFor = ({ id }, next) =>
          replicas.some((replica) => replica.id === id)
            ? { ...kept, sequence: next() }
            : { ...invalidation, sequence: next() };
        againFor = (id) => {
          const entry = space.store.peek(key);
          const isKeptThere = entry?.version === version && replicas.some((replica) => replica.id === id);
          return isKeptThere ? holdRequest(this.#deps, id, space, hash, key, entry) : undefined;
        };
      }
    } else {
      space.counts.deletes++;
      space.store.delete(key, 'deleted');
    }
    const unreached = this.confirmed(requestFor, wait, againFor);
    // Told to all the same, and waited for by nobody: it never rejects.
    if (ack === 'owner') return Promise.resolve({ version, unreached: [] });
    return unreached.then((names) => {
      // Where the key has moved, who confirmed may have asked its new owner since, before that one had heard of the write.
      if (!topology.placeOf(hash).mine) return undefined;
      // Who lost touch meanwhile may be on the smaller side of a cut, and those it could not reach own the key by now.
      const stayed = leases.owns() && leases.ownGeneration === ownGeneration;
      return names.length === 0 || stayed ? { version, unreached: names } : undefined;
    });
  }

  /** A write of this version was made by `from`: nothing older may be served or stored here any more. */
  invalidate(space: Keyspace, key: string, version: number, from: NodeInfo): void {
    const { hash, owner } = this.#deps.topology.place(key);
    const slot = space.slots.slotOf(hash);
    space.overwritten(key, slot, version);
    if (owner.id !== from.id) contest(this.#deps, space, slot, from.id, version);
  }

  /** Sends every peer what it is to know and waits for all; names of those that did not confirm, sorted. Never rejects. */
  confirmed(requestFor: RequestFor, wait: Wait, againFor?: AgainFor): Promise<readonly string[]> {
    return this.#confirmations.told(requestFor, beforeAnswer(wait, this.#deps.clock), againFor);
  }

  #requestFor({ name: keyspace }: Keyspace, key: string, change: Change, ack: Ack, once: number): PeerRequest {
    if (change.do === 'delete') return { do: 'delete', keyspace, key, ack, once };
    const { value, ttlMs, tags } = change;
    return { do: 'put', keyspace, key, value, ttlMs, tags, ack, once };
  }

  async #ask(ownerId: string, request: PeerRequest, wait: Wait): Promise<Written | undefined> {
    // An answer that is not to be had in time is better not waited for: the next attempt may find another owner.
    if (this.#deps.leases.isSilent(ownerId)) return undefined;
    try {
      const reply = await this.#deps.peers.call(ownerId, request, wait);
      return reply.is === 'written' ? reply : undefined;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'PEER_UNREACHABLE' || code === 'NOT_STARTED') return undefined;
      throw error;
    }
  }
}

/** The part of a wait after which there is still time for the answer to travel. */
export function beforeAnswer(wait: Wait, clock: Clock): Wait {
  const keptBackMs = Math.min(answerMaxMs, remainingMs(wait, clock) * answerShare);
  return { deadlineMs: wait.deadlineMs - keptBackMs };
}

const pause = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
