import type { Guards } from '../coherence/guards.js';
import type { HybridClock } from '../coherence/hybrid-clock.js';
import type { DrainResult } from '../ports/cache.js';
import type { Clock, Wait } from '../ports/clock.js';
import type { Hasher } from '../ports/hasher.js';
import type { Log } from '../ports/log.js';
import type { Membership, NodeInfo } from '../ports/membership.js';
import type { LinkEvent, PeerNetwork } from '../ports/peers.js';
import type { Random } from '../ports/random.js';
import type { Recorder } from '../ports/recorder.js';
import type { Entry } from '../store/entry.js';
import { Confirmations } from './confirmations.js';
import type { EngineEvent } from './events.js';
import { Handover } from './handover.js';
import { Holdings } from './holdings.js';
import type { Inflight } from './inflight.js';
import { KeyspaceControl } from './keyspace-control.js';
import { KeyspaceLedger } from './keyspace-ledger.js';
import type { Keyspaces } from './keyspaces.js';
import type { Kept } from './known-reply.js';
import { LeaseKeeper } from './lease-keeper.js';
import { Once } from './once.js';
import type { ResolvedOptions } from './options.js';
import { hearsFormerOwners, type PathDeps } from './path.js';
import { PeerRequests } from './peer-requests.js';
import { Reads } from './reads.js';
import { type CallersReads, type CallersWrites, recordedPeers, recordedReads, recordedWrites } from './recorded.js';
import { Repair } from './repair.js';
import { Replicas } from './replicas.js';
import { Sampler } from './sampler.js';
import { Spared } from './spared.js';
import { Takeovers, takenOver } from './takeovers.js';
import { doubtful, handoffMs, Topology } from './topology.js';
import { Vouches } from './vouches.js';
import { Writes } from './writes.js';

export interface PeeringDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly hasher: Hasher;
  readonly membership: Membership;
  readonly peers: PeerNetwork;
  readonly hybrid: HybridClock;
  readonly guards: Guards;
  readonly self: () => NodeInfo;
  readonly spaces: Keyspaces;
  /** What peers have asked and wait for. */
  readonly served: Inflight;
  readonly serving: () => boolean;
  /** It is on its way to that. */
  readonly starting: () => boolean;
  readonly publish: (event: EngineEvent) => void;
  readonly inflight: Inflight;
  /** Told after each change of the ring. */
  readonly ringChanged: () => void;
  /** Watches what callers, peers and data sources take; without it nobody does. */
  readonly recorder?: Recorder | undefined;
}

/** A held entry of a node that crashed is good while this node held its lease so shortly before; see `Leases`. */
const takeoverMs = 15_000;

/** A start waits so long for the first leases: they come with the first answers of the others. */
const inTouchMs = 1000;
const lostTouch =
  'out of touch with the other nodes: until half of them answer, this node reads its keys from their data sources, keeps ' +
  'nothing of them and writes none';
const regainedTouch = 'in touch with the other nodes again';

/** Part of the time for stopping that handing over may take. */
const handoverShare = 0.5;

/**
 * One node's part in the cluster: the ring, the leases, what is said when links come and go, and the paths of reads and
 * writes that build on them.
 */
export class Peering {
  readonly topology: Topology;
  readonly leases: LeaseKeeper;
  readonly reads: CallersReads;
  readonly writes: CallersWrites;
  readonly control: KeyspaceControl;
  readonly handover: Handover;
  readonly takeovers: Takeovers;
  readonly vouches: Vouches;
  readonly spared: Spared;
  readonly repair: Repair;
  readonly once = new Once();
  readonly #deps: PeeringDeps;
  readonly #confirmations: Confirmations;
  readonly #replicas: Replicas;
  readonly #sampler: Sampler;
  #releaseAtMs = Number.POSITIVE_INFINITY;
  #isDraining = false;

  constructor(deps: PeeringDeps, options: ResolvedOptions) {
    this.#deps = deps;
    const { clock, spaces, hybrid, guards, self, recorder } = deps;
    const peers = recordedPeers(deps.peers, recorder);
    this.topology = new Topology({
      ...deps,
      virtualNodes: options.virtualNodes,
      replicas: options.replicas,
      isSilent: (id) => this.leases.isSilent(id),
      caughtUp: (id, done) => this.#confirmations.caughtUp(id, done),
      moved: () => this.#moved(),
    });
    this.leases = new LeaseKeeper({
      clock,
      peers,
      guards,
      version: () => hybrid.now(),
      others: () => this.topology.company(),
      tellFloors: (peerId) => this.repair.tell(peerId, spaces.values()),
      passesThrough: () => options.onSplit === 'passthrough' && this.topology.isSplit,
      lost: () => deps.log.write('warn', lostTouch),
      regained: () => {
        if (this.leases.wasInTouch) deps.log.write('info', regainedTouch);
        this.doubt();
      },
      silenceChanged: (peerId, isSilent) => this.#silenceChanged(peerId, isSilent),
    });
    const { topology, leases } = this;
    this.takeovers = new Takeovers({ clock, peers, spaces, topology, leases, self }, () => this.#replicas.moved());
    this.vouches = new Vouches({ clock, peers, topology, guards });
    this.spared = new Spared({ leases });
    const { takeovers, vouches, spared } = this;
    const path: PathDeps = { clock, hybrid, peers, topology, leases, takeovers, vouches, spared, guards, self };
    const ledger = new KeyspaceLedger({ ...deps, resolveKeyspace: options.resolveKeyspace });
    this.control = new KeyspaceControl({ ...deps, leases: this.leases, ledger, limits: options.limits });
    this.#confirmations = new Confirmations(path);
    this.repair = new Repair({
      ...path,
      records: () => ledger.told(),
      telling: (peerId) => {
        const told = this.#confirmations.telling(peerId);
        return () => {
          told();
          // It has dropped by slots what it kept for this node, or missed what was told behind an answer.
          this.#replicas.mended();
        };
      },
    });
    this.#replicas = new Replicas(path, () => spaces.values());
    this.handover = new Handover(path);
    this.#sampler = new Sampler(
      path,
      deps.random.fork('sampler'),
      () => spaces.values(),
      (space, key) => deps.log.write('warn', `a copy of '${key}' in keyspace '${space.name}' was not current; dropped`),
    );
    const kept: Kept = (space, key, hash, known) => this.#replicas.tell(space, key, hash, known);
    const reads = new Reads(path, kept);
    const writes = new Writes(path, this.#confirmations);
    this.reads = recordedReads(reads, recorder);
    this.writes = recordedWrites(writes, recorder);
    const requests = new PeerRequests({
      clock,
      reads,
      writes,
      once: this.once,
      repair: this.repair,
      leases: this.leases,
      holdings: new Holdings(path, kept, (space, key) => this.handover.moved(space, [{ key }])),
      topology: this.topology,
      limits: options.limits,
      warmup: options.warmup,
      self,
      served: deps.served,
      serving: deps.serving,
      joining: () => (deps.starting() && this.topology.isOwner ? this.joined() : undefined),
      keyspace: (name) => spaces.get(name),
      keyspaces: () => spaces.values(),
      recorded: (from, record) => this.control.recorded(from, record),
    });
    peers.serve((from, request, wait) => requests.handle(from, request, wait));
  }

  /** Leases are asked for from the first link on, before this node serves. */
  start(): void {
    this.leases.start();
    this.#replicas.start();
    this.#sampler.start();
  }

  /** Resolves when this node may answer for its keys; it waits for no node that is out of reach. */
  joined(): Promise<void> {
    this.changed();
    this.topology.settle();
    return this.leases.inTouch(inTouchMs);
  }

  stop(): void {
    this.leases.stop();
    this.#replicas.stop();
    this.handover.stop();
    this.#sampler.stop();
  }

  /** What this node owns, while it is in touch with the others; a copy, under the lease of its owner. The hot path. */
  mayServe({ key, owner, wasPassed }: Entry): boolean {
    const { leases, topology } = this;
    if (owner === '') return leases.owns();
    return !wasPassed && leases.holds(owner) && (topology.isSettled || hearsFormerOwners(this, topology.hash(key)));
  }

  onLink(event: LinkEvent): void {
    const { spaces } = this.#deps;
    const { id } = event.peer;
    if (event.is === 'up') {
      if (this.leases.leases.knows(id)) this.repair.reconnected(spaces.values());
      this.repair.linkUp(id);
      this.#confirmations.onLinkUp(event.peer);
    } else {
      spaces.linkLost(id);
      this.repair.linkLost(id);
      this.vouches.linkLost(id);
    }
    this.leases.onLink(event);
    if (event.is === 'down' && event.left) this.#confirmations.left(id);
    else if (event.is === 'down') this.control.passOn();
    if (event.is === 'up') this.takeovers.retry();
    this.changed();
  }

  /**
   * This node was out of touch, or was suspected and has said that it lives. Others may have owned its keys meanwhile and
   * given them versions that it has not seen, so it asks them once for each key before it answers with what it holds.
   */
  doubt(): void {
    const { spaces, clock } = this.#deps;
    if (!this.topology.doubted()) return;
    let isAsking = false;
    for (const { store } of spaces.values()) {
      store.pass('', doubtful, true);
      // Also what it is in doubt of since it was away before, or what has moved since: it may have been written once more.
      store.forEach(({ owner, wasPassed }) => {
        isAsking ||= owner === doubtful || wasPassed;
      });
    }
    // Who stood in for it may be gone before it is asked: the others know what that one wrote.
    if (isAsking) this.takeovers.begin();
    this.#releaseAtMs = clock.nowMs() + handoffMs;
  }

  /** Members or links have changed: keys may have, and are looked through once for all that changes in this turn. */
  changed(): void {
    this.topology.changed();
    this.#deps.clock.soon(() => {
      this.topology.settle();
      // Members come and go that own nothing here, and count all the same.
      this.leases.weigh();
    });
  }

  /** Called once a second or so: gives up what was held for new owners when they have had their time. */
  tidy(): void {
    this.takeovers.retry();
    if (this.#deps.clock.nowMs() < this.#releaseAtMs) return;
    this.#releaseAtMs = Number.POSITIVE_INFINITY;
    this.takeovers.giveUp();
    this.#deps.spaces.release(this.topology);
  }

  /** It has given its keys away, or is about to. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /**
   * Takes this node out of the ring and hands what it holds to the owners to come. Where a write had too little time for a peer
   * to lose its lease, that is waited for first: the peer may be an owner to come. Never rejects.
   */
  async drain(wait: Wait): Promise<DrainResult> {
    this.#isDraining = true;
    await this.#confirmations.settled(wait);
    this.#deps.membership.drain();
    this.topology.changed();
    this.topology.settle();
    return this.handover.push(this.#deps.spaces.values(), wait);
  }

  /** As `drain`, for a node that stops: part of the time is left for what is under way. */
  async leave({ deadlineMs, signal }: Wait): Promise<void> {
    const nowMs = this.#deps.clock.nowMs();
    await this.drain({ deadlineMs: nowMs + (deadlineMs - nowMs) * handoverShare, signal });
  }

  #moved(): void {
    const { spaces, clock } = this.#deps;
    const nowMs = clock.nowMs();
    this.repair.moved(spaces.values());
    this.leases.weigh();
    const until = (ownerId: string): number => this.leases.leases.until(ownerId);
    const isUnsure = (ownerId: string): boolean => ownerId === doubtful || ownerId === takenOver;
    // Who never gave a lease has just joined, and has perhaps not been asked yet.
    const isFresh = (ownerId: string): boolean =>
      isUnsure(ownerId) || until(ownerId) === Number.NEGATIVE_INFINITY || nowMs - until(ownerId) < takeoverMs;
    const gone = new Set<string>();
    const becomes = (former: string, wasDoubted: boolean): string => {
      if (former === '' || isUnsure(former)) return former;
      // It was in doubt before it was held for that one.
      if (wasDoubted) {
        gone.add(former);
        return doubtful;
      }
      // What it writes at the last, and not all confirm, is made again at the new owner.
      if (until(former) > nowMs && this.topology.isLeaving(former)) return '';
      gone.add(former);
      return takenOver;
    };
    // What is held for one and is another's now is handed over: not before all is known of what the former wrote.
    const passes = (former: string): void => {
      const isSure = former === '' || isUnsure(former) || this.leases.holds(former);
      if (!isSure) gone.add(former);
    };
    // While it is out of touch, others may have written its keys.
    spaces.reassign(this.topology, isFresh, { becomes, passes }, this.leases.owns(), (space, entries) =>
      this.handover.moved(space, entries),
    );
    // Of what they wrote at the last this node may know nothing, though it held their leases.
    for (const id of gone) this.leases.leases.lapse(id);
    if (gone.size > 0) this.takeovers.begin();
    else this.takeovers.retry();
    this.#releaseAtMs = nowMs + handoffMs;
    this.#replicas.moved();
    this.#deps.ringChanged();
  }

  #silenceChanged(peerId: string, isSilent: boolean): void {
    const { log, peers } = this.#deps;
    const name = peers.linked().find(({ id }) => id === peerId)?.name;
    const what = isSilent ? 'gives no sign of life; others are asked for its keys' : 'gives signs of life again';
    log.write('info', `${name} ${what}`, { peer: name });
    if (isSilent) peers.giveUp(peerId);
    this.changed();
  }
}
