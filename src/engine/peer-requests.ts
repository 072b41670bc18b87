import { DistcacheError } from '../base/errors.js';
import { noTags } from '../base/tags.js';
import type { Clock, Wait } from '../ports/clock.js';
import type { KeyspaceRecord } from '../ports/keyspace-record.js';
import type { NodeInfo } from '../ports/membership.js';
import type { Outcome, PeerReply, PeerRequest } from '../ports/peers.js';
import { checkKey, checkValueBytes } from './arguments.js';
import type { Holdings } from './holdings.js';
import { hotKeysFor } from './hot-elsewhere.js';
import type { Inflight } from './inflight.js';
import { type Keyspace, outcomeOf } from './keyspace.js';
import { type Known, knowledgeOf, knownReply } from './known-reply.js';
import type { LeaseKeeper } from './lease-keeper.js';
import type { Once } from './once.js';
import type { EngineLimits } from './options.js';
import type { Reads } from './reads.js';
import type { Repair } from './repair.js';
import type { Topology } from './topology.js';
import type { ResolvedWarmup } from './warmup-options.js';
import type { Change, Writes } from './writes.js';

export interface PeerRequestDeps {
  readonly clock: Clock;
  readonly reads: Reads;
  readonly writes: Writes;
  readonly repair: Repair;
  readonly leases: LeaseKeeper;
  readonly holdings: Holdings;
  readonly topology: Topology;
  readonly limits: EngineLimits;
  readonly warmup: Pick<ResolvedWarmup, 'minHits'>;
  readonly self: () => NodeInfo;
  /** What peers wait for, so that stop can wait for it too. */
  readonly served: Inflight;
  readonly once: Once;
  readonly serving: () => boolean;
  /** While this node has told the others that it serves and is not quite there: resolves when it is. */
  readonly joining: () => Promise<void> | undefined;
  readonly keyspace: (name: string) => Keyspace | undefined;
  readonly keyspaces: () => Iterable<Keyspace>;
  /** Takes in what a peer tells of a keyspace. */
  readonly recorded: (from: NodeInfo, record: KeyspaceRecord) => Promise<PeerReply>;
}

/** What is asked of this node as one that answers for keys. */
type Asked = Extract<PeerRequest, { do: 'get' | 'put' | 'delete' | 'recall' | 'check' }>;

/** Answers what other nodes ask of this one. A hit is answered at once, without a promise. */
export class PeerRequests {
  readonly #deps: PeerRequestDeps;

  constructor(deps: PeerRequestDeps) {
    this.#deps = deps;
  }

  handle(from: NodeInfo, request: PeerRequest, wait: Wait): PeerReply | Promise<PeerReply> {
    const { leases, repair } = this.#deps;
    switch (request.do) {
      case 'renew':
        return leases.grant(from.id, request.resync);
      case 'synced':
        return repair.synced(from.id, request, this.#deps.keyspaces()) ? applied : nothing;
      case 'vouch':
        return leases.leases.heardOfAllTo(request.heard) === Number.POSITIVE_INFINITY ? applied : nothing;
      case 'keyspace':
        return this.#deps.recorded(from, request.record);
      case 'hot-keys': {
        const space = this.#deps.keyspace(request.keyspace);
        const { minHits } = this.#deps.warmup;
        return { is: 'hot-keys', keys: space === undefined ? [] : hotKeysFor(space, request.limit, minHits) };
      }
      case 'invalidate':
      case 'floors':
      case 'hold':
      case 'compare':
        return this.#take(from, request);
      default:
        return this.#answer(from, request, wait);
    }
  }

  /** What a peer tells, whether or not this node serves. */
  #take(
    from: NodeInfo,
    request: Extract<PeerRequest, { do: 'invalidate' | 'floors' | 'hold' | 'compare' }>,
  ): PeerReply {
    const { keyspace, writes, repair, leases, holdings, limits } = this.#deps;
    const space = keyspace(request.keyspace);
    if (request.do === 'invalidate') leases.leases.invalidated(from.id, request.sequence, request.version);
    // What is said of a keyspace that this node doesn't have touches nothing it holds.
    if (space === undefined) {
      if (request.do === 'hold') leases.leases.invalidated(from.id, request.sequence, request.version);
      return applied;
    }
    switch (request.do) {
      case 'invalidate':
        writes.invalidate(space, request.key, request.version, from);
        return applied;
      case 'floors':
        repair.take(space, request, from.id);
        return applied;
      case 'hold':
        checkKey(request.key, limits);
        if (request.value !== null) checkValueBytes(request.value.byteLength, limits);
        return holdings.hold(space, request, from);
      case 'compare':
        return holdings.compare(space, request, from);
    }
  }

  #answer(from: NodeInfo, request: Asked, wait: Wait): PeerReply | Promise<PeerReply> {
    const { serving, joining, self } = this.#deps;
    // A node that drains is asked for what it holds until it is gone.
    if (serving() || request.do === 'recall') return this.#serve(from, request, wait);
    // To be refused by the owner that they were just told of would send everybody to the data source.
    const joined = joining();
    if (joined !== undefined) return joined.then(() => this.#serve(from, request, wait));
    throw new DistcacheError('NOT_STARTED', `node ${self().name} is not serving`);
  }

  #serve(from: NodeInfo, request: Asked, wait: Wait): PeerReply | Promise<PeerReply> {
    const { keyspace, limits, self, holdings } = this.#deps;
    const space = keyspace(request.keyspace);
    if (space === undefined) {
      throw new DistcacheError(
        'KEYSPACE_NOT_FOUND',
        `node ${self().name} has no keyspace '${request.keyspace}', which node ${from.name} asks for`,
      );
    }
    switch (request.do) {
      case 'get':
        space.counts.serverRequests++;
        return this.#get(space, request, wait);
      case 'recall':
        return holdings.recall(space, request, from, wait);
      case 'check':
        return holdings.check(space, request);
      case 'put':
        checkKey(request.key, limits);
        checkValueBytes(request.value.byteLength, limits);
        return this.#write(
          space,
          from,
          request,
          { do: 'put', value: request.value, ttlMs: request.ttlMs, tags: request.tags ?? noTags },
          wait,
        );
      case 'delete':
        return this.#write(space, from, request, { do: 'delete' }, wait);
    }
  }

  #get(space: Keyspace, request: Extract<PeerRequest, { do: 'get' }>, wait: Wait): PeerReply | Promise<PeerReply> {
    const { key, loading, minVersion, standIn } = request;
    const { clock, leases, limits, reads, served, topology } = this.#deps;
    const entry = space.fresh(key);
    if (entry !== undefined && entry.owner === '' && entry.version >= minVersion && leases.owns()) {
      space.countHit(entry);
      return this.#reply(space, entry, outcomeOf(entry), topology.hash(key));
    }
    checkKey(key, limits);
    const late = reads.late(key, wait);
    if (late !== undefined) return late.then(() => this.#get(space, request, wait));
    const terms = { loading, minVersion, fromOwner: false };
    const answer = standIn ? reads.read(space, key, wait, terms) : reads.readAsOwner(space, key, wait, terms);
    const { hash, owner } = topology.place(key);
    if (answer === undefined) return { is: 'not-owner', owner: owner.id };
    // What this node knew when it began: a write that comes meanwhile may have missed the answer.
    const knowledge = knowledgeOf(space, hash);
    return served.run(() => answer.then((found) => knownReply(found, found.outcome, knowledge, clock.nowMs())));
  }

  #reply(space: Keyspace, known: Known, outcome: Outcome, hash: number): PeerReply {
    return knownReply(known, outcome, knowledgeOf(space, hash), this.#deps.clock.nowMs());
  }

  #write(
    space: Keyspace,
    from: NodeInfo,
    { key, ack, once }: Extract<PeerRequest, { do: 'put' | 'delete' }>,
    change: Change,
    wait: Wait,
  ): Promise<PeerReply> {
    const { writes, topology, served } = this.#deps;
    const write = (): Promise<PeerReply> =>
      served.run(async () => {
        const written = await writes.writeAsOwner(space, key, change, ack, wait);
        return written === undefined
          ? { is: 'not-owner', owner: topology.place(key).owner.id }
          : { is: 'written', ...written };
      });
    return once === undefined ? write() : this.#deps.once.run(from.id, once, write);
  }
}

const applied: PeerReply = { is: 'applied' };
const nothing: PeerReply = { is: 'nothing' };
