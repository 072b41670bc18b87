import { codeOf, invalidArgument } from '../base/errors.js';
import type { Guards } from '../coherence/guards.js';
import { type HybridClock, skewLimit } from '../coherence/hybrid-clock.js';
import { embargoMs } from '../coherence/leases.js';
import { readFloors } from '../coherence/slots.js';
import type { Clock } from '../ports/clock.js';
import type { KeyspaceRecord } from '../ports/keyspace-record.js';
import type { Heard, PeerNetwork, PeerReply, PeerRequest } from '../ports/peers.js';
import type { Keyspace } from './keyspace.js';
import type { LeaseKeeper } from './lease-keeper.js';
import type { Spared } from './spared.js';
import { doubtful, type Topology } from './topology.js';
import type { Vouches } from './vouches.js';

/** How long a peer may take to take note; if its link breaks before, the next link says it anew. */
const toldWithinMs = 10_000;

/** No floor is above it. */
const never = Number.POSITIVE_INFINITY;

type Told = Pick<Extract<PeerRequest, { do: 'floors' }>, 'floors' | 'swept' | 'heard' | 'steady'>;

export interface RepairDeps {
  readonly clock: Clock;
  readonly hybrid: HybridClock;
  readonly peers: PeerNetwork;
  readonly topology: Topology;
  readonly leases: LeaseKeeper;
  readonly vouches: Vouches;
  readonly spared: Spared;
  readonly guards: Guards;
  /** What was done to keyspaces at run time. */
  readonly records: () => readonly KeyspaceRecord[];
  /** All floors go to a peer now; what is given back is called once it has taken them. */
  readonly telling: (peerId: string) => () => void;
}

/**
 * Makes good what two nodes may have missed of each other while they were not linked: the first thing each says on a new
 * link is how new its knowledge of writes is, slot by slot. The other drops every entry that could be older than such a
 * write. An entry is compared with the *peer's* floor, never floor with floor: equal floors say nothing about entries.
 */
export class Repair {
  readonly #deps: RepairDeps;
  /** Keyspaces whose floors a peer has told since its link came up, or since it told all it has; by the peer's id. */
  readonly #told = new Map<string, Set<string>>();

  constructor(deps: RepairDeps) {
    this.#deps = deps;
  }

  /**
   * Tells a peer what was done to keyspaces, and all floors. To be called in the turn in which the link came up, so that
   * nothing goes before it, and whenever the peer found that it missed something.
   */
  tell(peerId: string, spaces: Iterable<Keyspace>): void {
    const { peers, clock, guards, records, topology } = this.#deps;
    const { leases } = this.#deps.leases;
    const { absences } = topology;
    const wait = { deadlineMs: clock.nowMs() + toldWithinMs };
    leases.telling(peerId);
    const heard = this.#heard();
    const told = this.#deps.telling(peerId);
    // Whoever is not back on the ring may have its keys written by others still.
    const toldOfAbsence = absences.telling(peerId, topology.has(peerId));
    const steady = topology.isSteady(peerId) ? ({ steady: true } as const) : {};
    // A peer that cannot have such settings says so, and is no less told.
    const calls: Promise<unknown>[] = records().map((record) =>
      peers.call(peerId, { do: 'keyspace', record }, wait).catch((error) => {
        if (codeOf(error) !== 'INVALID_ARGUMENT') throw error;
      }),
    );
    for (const space of guards['floor-exchange'] ? spaces : []) {
      const request: PeerRequest = {
        do: 'floors',
        keyspace: space.name,
        floors: space.slots.floors(),
        heard,
        swept: space.sweeps.inFloors,
        ...steady,
      };
      calls.push(peers.call(peerId, request, wait));
    }
    const synced = peers.call(peerId, { do: 'synced', sequence: leases.sent(peerId), heard }, wait);
    Promise.all([...calls, synced.then(checkApplied)]).then(
      () => {
        told();
        toldOfAbsence();
      },
      // The link is gone again, and the need with it; or the peer was too busy, and gets no lease before it was told.
      () => leases.undelivered(peerId),
    );
  }

  /** Of whose writes this node knows, and who of them is gone: of those nobody needs to have heard all. */
  #heard(): Heard {
    const { topology, leases, vouches } = this.#deps;
    const { versions, isWhole } = leases.leases.told();
    const there = topology.there();
    return {
      versions: versions.map(([id, version]) =>
        there.has(id) || vouches.isLate(id) ? [id, version] : [id, version, true],
      ),
      isWhole,
    };
  }

  /** A peer of this run was linked before: while it was not, its side may have had other owners. */
  reconnected(spaces: Iterable<Keyspace>): void {
    if (!this.#deps.guards.embargo) return;
    for (const { slots } of spaces) slots.embargoAll(this.#deps.clock.nowMs() + embargoMs);
  }

  /** A peer tells the floors of one keyspace. Throws INVALID_ARGUMENT where the bytes are none. */
  take(space: Keyspace, { floors: bytes, swept, heard, steady }: Told, peerId: string): void {
    const { hybrid, topology, leases, vouches, spared } = this.#deps;
    const missedSince = leases.leases.missedSince(peerId, heard, leases.now());
    const floors = readFloors(bytes, hybrid.now() + skewLimit);
    if (floors === undefined) throw invalidArgument(`${bytes.byteLength} bytes are no floors of a keyspace`);
    const told = this.#told.get(peerId) ?? new Set();
    this.#told.set(peerId, told.add(space.name));
    vouches.toldLate((leases.leases.missedOf(peerId) ?? []).filter(({ gone }) => gone !== true));
    const { slots, store, sweeps } = space;
    const since =
      swept > sweeps.inFloors ? Math.min(missedSince ?? Number.POSITIVE_INFINITY, sweeps.inFloors) : missedSince;
    const isSteady = steady === true && topology.isSteady(peerId);
    const isSpared = swept <= sweeps.inFloors && this.#areSteady(peerId, isSteady);
    // Own puts were spared on the word of others, and this one has written some of them perhaps.
    const sinceSpared = isSteady ? undefined : spared.sinceOf(peerId);
    sweeps.inFloors = Math.max(sweeps.inFloors, swept);
    if (since === undefined && sinceSpared === undefined) {
      // What is on its way here counts when it has come: until then this node holds what is older.
      slots.raise(floors, leases.leases.heardOfAllTo(heard));
      return;
    }
    const sinceOfOwn = Math.min(isSpared ? never : (since ?? never), sinceSpared ?? never);
    const missed = new Set(leases.leases.missedOf(peerId)?.map(({ id }) => id));
    // Without the one for whom it is held, this node would own it: who wrote what was missed has not.
    const wasOwn = (hash: number): boolean => topology.before(hash).every(({ id }) => !missed.has(id));
    const older: string[] = [];
    store.forEach(({ key, version, wasPut, owner, isHeld, wasPassed }) => {
      const hash = topology.hash(key);
      const floor = floors[slots.slotOf(hash)]!;
      // What was spared may have moved on since, and is held for another one by now.
      const sinceOfOthers = Math.min(since ?? never, wasPut ? (sinceSpared ?? never) : never);
      const isOfThis =
        wasPut && version < floor && (isOwn(owner) || (isSpared && isHeld && !wasPassed && wasOwn(hash)));
      const sinceThen = isOfThis ? sinceOfOwn : sinceOfOthers;
      // What was loaded bears this node's clock, which may be ahead of the writer's by the skew that is allowed.
      if (floor > sinceThen && version < floor + skewLimit && !(wasPut && version >= floor)) older.push(key);
    });
    // Who stood in while this node was away has a later one, and is asked for that, though it may be long ago by now.
    if (older.some((key) => store.peek(key)?.owner === doubtful)) topology.doubted();
    for (const key of older) store.delete(key, 'invalidated');
    slots.bumpAll();
    slots.raise(floors);
  }

  /**
   * Whoever wrote what was missed can have written no key of this node: then it was other keys of the same slots, and what was put
   * here and is nowhere else stays. Who does not tell of it itself has to say so yet.
   */
  #areSteady(peerId: string, isSteady: boolean): boolean {
    const { topology, leases, spared } = this.#deps;
    const missed = leases.leases.missedOf(peerId);
    if (missed?.every(({ id }) => (id === peerId ? isSteady : topology.isSteady(id))) !== true) return false;
    for (const { id, since } of missed) if (id !== peerId) spared.note(id, since);
    return true;
  }

  /**
   * Members have come or gone. Who is off the ring, and has not said that it wrote no key of this node, may never say so: what was
   * spared on the word of others goes.
   */
  moved(spaces: Iterable<Keyspace>): void {
    const { topology, spared } = this.#deps;
    const since = spared.giveUp((id) => topology.has(id));
    if (since === undefined) return;
    for (const { store, slots } of spaces) {
      const older: string[] = [];
      store.forEach(({ key, version, wasPut }) => {
        const floor = slots.floor(slots.slotOf(topology.hash(key)));
        if (wasPut && floor > since && version < floor) older.push(key);
      });
      for (const key of older) store.delete(key, 'invalidated');
      slots.bumpAll();
    }
  }

  /**
   * A peer has told all that it knows of. What it says of writes to keyspaces that it does not have is not heard of here.
   * False: it has to tell all of it again.
   */
  synced(
    peerId: string,
    { sequence, heard }: Extract<PeerRequest, { do: 'synced' }>,
    spaces: Iterable<Keyspace>,
  ): boolean {
    const { leases, topology, spared } = this.#deps;
    const told = this.#told.get(peerId);
    this.#told.delete(peerId);
    const isAll = [...spaces].every(({ name }) => told?.has(name));
    const isSynced = leases.leases.synced(peerId, sequence, heard, leases.now(), isAll);
    if (isSynced && isAll) {
      topology.absences.heard(peerId, topology.has(peerId));
      spared.settled(peerId);
    }
    return isSynced;
  }

  linkUp(peerId: string): void {
    this.#deps.topology.absences.linkUp(peerId);
  }

  linkLost(peerId: string): void {
    this.#told.delete(peerId);
    this.#deps.topology.absences.linkLost(peerId);
  }
}

const isOwn = (owner: string): boolean => owner === '' || owner === doubtful;

function checkApplied({ is }: PeerReply): void {
  if (is !== 'applied') throw new Error('an invalidation is missing there');
}
