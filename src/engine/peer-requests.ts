import { DistcacheError } from '../base/errors.js';
import type { Clock, Wait } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { Outcome, PeerReply, PeerRequest } from '../ports/peers.js';
import type { Entry } from '../store/entry.js';
import { checkKey, checkValueBytes } from './arguments.js';
import type { Inflight } from './inflight.js';
import { type Keyspace, outcomeOf } from './keyspace.js';
import type { EngineLimits } from './options.js';
import type { Reads } from './reads.js';
import type { Repair } from './repair.js';
import type { Writes } from './writes.js';

export interface PeerRequestDeps {
  readonly clock: Clock;
  readonly reads: Reads;
  readonly writes: Writes;
  readonly repair: Repair;
  readonly limits: EngineLimits;
  readonly self: () => NodeInfo;
  /** What peers wait for, so that stop can wait for it too. */
  readonly served: Inflight;
  readonly serving: () => boolean;
  readonly keyspace: (name: string) => Keyspace | undefined;
  readonly dropKeyspace: (name: string) => void;
}

/** What an entry and an answer have in common. */
type Known = Pick<Entry, 'value' | 'version' | 'expiresAtMs' | 'wasPut'>;

/** Answers what other nodes ask of this one. A hit is answered at once, without a promise and without hashing the key. */
export class PeerRequests {
  readonly #deps: PeerRequestDeps;

  constructor(deps: PeerRequestDeps) {
    this.#deps = deps;
  }

  handle(from: NodeInfo, request: PeerRequest, wait: Wait): PeerReply | Promise<PeerReply> {
    const { keyspace, limits, writes } = this.#deps;
    if (request.do === 'drop-keyspace') {
      this.#deps.dropKeyspace(request.keyspace);
      return applied;
    }
    const space = keyspace(request.keyspace);
    // What is said of a keyspace that this node doesn't have touches nothing it holds.
    if (request.do === 'invalidate') {
      if (space !== undefined) writes.invalidate(space, request.key, request.version);
      return applied;
    }
    if (request.do === 'floors') {
      if (space !== undefined) this.#deps.repair.take(space, request.floors);
      return applied;
    }
    if (!this.#deps.serving()) throw new DistcacheError('NOT_STARTED', `node ${this.#deps.self().name} is not serving`);
    if (space === undefined) {
      throw new DistcacheError(
        'KEYSPACE_NOT_FOUND',
        `node ${this.#deps.self().name} has no keyspace '${request.keyspace}', which node ${from.name} asks for`,
      );
    }
    switch (request.do) {
      case 'get':
        return this.#get(space, request.key, request.loading, wait);
      case 'put':
        checkKey(request.key, limits);
        checkValueBytes(request.value.byteLength, limits);
        return this.#write(space, request.key, { do: 'put', value: request.value, ttlMs: request.ttlMs }, wait);
      case 'delete':
        return this.#write(space, request.key, { do: 'delete' }, wait);
    }
  }

  #get(space: Keyspace, key: string, loading: readonly string[], wait: Wait): PeerReply | Promise<PeerReply> {
    space.counts.serverRequests++;
    const entry = space.fresh(key);
    if (entry !== undefined && entry.owner === '') {
      space.countHit(entry);
      return this.#reply(entry, outcomeOf(entry));
    }
    checkKey(key, this.#deps.limits);
    const answer = this.#deps.reads.readAsOwner(space, key, wait, loading);
    if (answer === undefined) return notOwner;
    return this.#deps.served.run(() => answer.then((found) => this.#reply(found, found.outcome)));
  }

  #reply(known: Known, outcome: Outcome): PeerReply {
    const { version, wasPut, value, expiresAtMs } = known;
    const lifeMs =
      expiresAtMs === Number.POSITIVE_INFINITY
        ? Number.POSITIVE_INFINITY
        : Math.max(0, expiresAtMs - this.#deps.clock.nowMs());
    return value === null
      ? { is: 'absent', version, lifeMs, outcome }
      : { is: 'value', value, version, lifeMs, outcome, wasPut };
  }

  #write(
    space: Keyspace,
    key: string,
    change: Parameters<Writes['write']>[2],
    wait: Wait,
  ): PeerReply | Promise<PeerReply> {
    const written = this.#deps.writes.writeAsOwner(space, key, change, wait);
    if (written === undefined) return notOwner;
    return this.#deps.served.run(() => written.then((result) => ({ is: 'written', ...result })));
  }
}

const applied: PeerReply = { is: 'applied' };
const notOwner: PeerReply = { is: 'not-owner' };
