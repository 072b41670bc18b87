import { codeOf, DistcacheError } from '../base/errors.js';
import type { WriteResult } from '../ports/cache.js';
import { type Clock, remainingMs, type Wait } from '../ports/clock.js';
import type { PeerRequest } from '../ports/peers.js';
import type { Keyspace } from './keyspace.js';
import type { PathDeps } from './reads.js';

/** What is done to a key: a put with its bytes and life, or a delete. */
export type Change =
  | {
      readonly do: 'put';
      /** The engine's own bytes. */
      readonly value: Uint8Array;
      /** undefined: as the owner's keyspace says. */
      readonly ttlMs: number | undefined;
    }
  | { readonly do: 'delete' };

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
 * holds below that version, and answers when each has confirmed. A peer that does not confirm in time is named in the
 * result: a write is never silently incomplete.
 */
export class Writes {
  readonly #deps: PathDeps;

  constructor(deps: PathDeps) {
    this.#deps = deps;
  }

  async write(space: Keyspace, key: string, change: Change, wait: Wait): Promise<WriteResult> {
    /** Owners that were asked and did not answer: they may hold the older value, and may have written the new one. */
    const silent = new Set<string>();
    for (let attempt = 0; ; attempt++) {
      const { owner, mine } = this.#deps.topology.place(key);
      const result = mine
        ? await this.writeAsOwner(space, key, change, wait)
        : await this.#ask(space, key, change, owner.id, wait);
      if (result !== undefined) {
        for (const { name } of this.#deps.peers.linked()) silent.delete(name);
        silent.delete(owner.name);
        const unreached = silent.size === 0 ? result.unreached : [...new Set([...result.unreached, ...silent])].sort();
        return { version: result.version, unreached, node: owner.name };
      }
      if (!mine) silent.add(owner.name);
      const delayMs = retryDelaysMs[Math.min(attempt, retryDelaysMs.length - 1)]!;
      if (remainingMs(wait, this.#deps.clock) <= delayMs) {
        throw new DistcacheError(
          'PEER_UNREACHABLE',
          `'${key}' was not written: its owner ${owner.name} could not be reached, or the nodes disagree about the owner; try again`,
          { node: owner.name },
        );
      }
      await pause(this.#deps.clock, delayMs);
    }
  }

  /** Applies a change here and has it confirmed everywhere; undefined when this node is not the owner. */
  writeAsOwner(
    space: Keyspace,
    key: string,
    change: Change,
    wait: Wait,
  ): Promise<{ readonly version: number; readonly unreached: readonly string[] }> | undefined {
    const { topology, hybrid, clock } = this.#deps;
    const place = topology.place(key);
    if (!place.mine) return undefined;
    const lifeMs = change.do === 'put' ? space.lifeMs(key, change.ttlMs) : 0;
    if (change.do === 'put' && !space.store.fits(key, change.value.byteLength)) {
      return Promise.reject(
        new DistcacheError(
          'VALUE_TOO_LARGE',
          `value of ${change.value.byteLength} bytes does not fit into keyspace '${space.name}', whose maxBytes is ` +
            `${space.options.maxBytes}; raise maxBytes or store less`,
        ),
      );
    }
    const version = hybrid.next();
    space.slots.touch(space.slots.slotOf(place.hash), version);
    if (change.do === 'put' && lifeMs > 0) {
      space.counts.puts++;
      const expiresAtMs = clock.nowMs() + lifeMs;
      space.store.put({
        key,
        value: change.value,
        version,
        expiresAtMs,
        keepUntilMs: expiresAtMs,
        wasPut: true,
        owner: '',
      });
    } else {
      space.counts.deletes++;
      space.store.delete(key, 'deleted');
    }
    return this.confirmed({ do: 'invalidate', keyspace: space.name, key, version }, wait).then((unreached) => ({
      version,
      unreached,
    }));
  }

  /** A write of this version was made by the owner: nothing older may be served or stored here any more. */
  invalidate(space: Keyspace, key: string, version: number): void {
    space.counts.invalidations++;
    space.slots.touch(space.slots.slotOf(this.#deps.topology.hash(key)), version);
    const entry = space.store.peek(key);
    if (entry !== undefined && !(entry.wasPut && entry.version > version)) space.store.delete(key, 'invalidated');
  }

  /** Sends the same to every peer and waits for all; names of those that did not confirm, sorted. */
  async confirmed(request: PeerRequest, wait: Wait): Promise<readonly string[]> {
    const { peers, clock } = this.#deps;
    const linked = peers.linked();
    if (linked.length === 0) return [];
    const keptBackMs = Math.min(answerMaxMs, remainingMs(wait, clock) * answerShare);
    // Not the caller's signal: once applied, a change is told to all, whether or not the caller still waits.
    const told: Wait = { deadlineMs: wait.deadlineMs - keptBackMs };
    const outcomes = await Promise.allSettled(linked.map((peer) => peers.call(peer.id, request, told)));
    return linked
      .filter((_, index) => outcomes[index]!.status === 'rejected')
      .map((peer) => peer.name)
      .sort();
  }

  async #ask(
    space: Keyspace,
    key: string,
    change: Change,
    ownerId: string,
    wait: Wait,
  ): Promise<{ readonly version: number; readonly unreached: readonly string[] } | undefined> {
    const request: PeerRequest =
      change.do === 'put'
        ? { do: 'put', keyspace: space.name, key, value: change.value, ttlMs: change.ttlMs }
        : { do: 'delete', keyspace: space.name, key };
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

const pause = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
