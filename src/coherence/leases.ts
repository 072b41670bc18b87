import type { Heard } from '../ports/peers.js';
import { HeardOf, type Missed } from './heard.js';
import { hasJumped, type LeaseTimes, offsetOf } from './lease-times.js';

/*
 * Leases between pairs of nodes. A node serves copies of what a peer owns only while it holds that peer's lease; the peer
 * answers a write once everybody has dropped their copies, or can no longer serve them because their lease lapsed. So a
 * node that is frozen or cut off delays a write once, by one lease, and never serves what was overwritten meanwhile.
 *
 * One lease per pair of nodes covers all copies. The holder counts from when it *sent* the request, the granter from when
 * it *received* it, so the holder stops first and clocks need not agree. Both read monotonic time; the holder also
 * remembers how far the wall clock stood from it, as monotonic time stands still while a machine sleeps.
 *
 * A lease is worth nothing to a holder that missed an invalidation. Invalidations of one link are numbered; whoever finds
 * a gap in the numbers, or has not been told yet what it missed before the link came up, takes no lease before that is
 * repaired, and says so when it asks for the next one. A granter that could not deliver an invalidation extends no lease.
 *
 * An owner needs the others too. While it does not hear from half of them, they may have given its keys to somebody
 * else: it then neither answers from memory nor writes (`ownsUntil`). For this a lease counts for a shorter time: whoever
 * is cut off suspects all others after a second or so, and must have stopped before it takes itself for the owner of all.
 *
 * Pure: the times are handed in, nothing is sent from here. Peers are known by their id of one run.
 */

/** From the request on; renewed each `renewMs`. */
export const leaseMs = 2000;
export const renewMs = 500;
/**
 * How long a lease shows an owner that it is in touch with whoever gave it: it must have stopped before others find it
 * silent, which they do `renewMs + silentMs` after the last lease at the earliest.
 */
export const touchMs = 1500;
/** How long a slot keeps no fills after somebody else than its owner wrote to it: a lease, and time for the write to end. */
export const embargoMs = leaseMs + 1000;
/**
 * A peer whose answer to a renewal takes longer than this is not asked for keys any more. A process that shares its
 * processors with busy others may not run for a second, and is not to lose its keys for that.
 */
export const silentMs = 1250;
/** Peers whose link went down are remembered so long, and so many, the latest of them. */
const departedMs = 60_000;
const departedMax = 1024;

interface PeerLease {
  isLinked: boolean;
  /** It stopped in its time. */
  hasLeft: boolean;
  departedAtMs: number;
  /** As the holder: served under it before this time. */
  untilMs: number;
  /** Its granter owns its keys until then, as it said when it gave it. */
  ownsUntilMs: number;
  /** Wall time minus monotonic time when it was asked for. */
  offsetMs: number;
  /** Counts the times it lapsed. What was begun under another number is not stored. */
  generation: number;
  isSynced: boolean;
  /** Sequence of the last invalidation that came. */
  received: number;
  /** Of the floors that it tells just now: what of them this node has missed; undefined: it tells none. */
  missing: Heard['versions'] | undefined;
  /** When the renewal was sent that has no answer yet. */
  askedAtMs: number | undefined;
  /** Of the peer's writes with a version up to this it has heard once that is answered. */
  askedVersion: number;
  /** It has heard of all writes of the peer up to this version, whether or not the peer has written lately. */
  heardTo: number;
  /** A renewal was sent over this link. */
  wasAsked: boolean;
  /** As the granter: the peer may serve copies until then. */
  grantedUntilMs: number;
  sent: number;
  /** An invalidation was not delivered: it is told all floors before it gets another lease. */
  owesFloors: boolean;
}

/** What a granter says with a lease: the last invalidation it sent, and how long it still owns its keys. */
export interface LeaseAnswer {
  readonly sent: number;
  readonly ownsMs: number;
}

const never = Number.NEGATIVE_INFINITY;

const isLive = (lease: PeerLease, now: LeaseTimes): boolean =>
  lease.isSynced && now.nowMs < lease.untilMs && !hasJumped(now, lease.offsetMs);

export class Leases {
  readonly #peers = new Map<string, PeerLease>();
  readonly #heard = new HeardOf();
  readonly #repairFirst: boolean;

  /** @param repairFirst no lease before what was missed is made good; false shows what that prevents */
  constructor(repairFirst = true) {
    this.#repairFirst = repairFirst;
  }

  linkUp(peerId: string): void {
    const known = this.#peers.get(peerId);
    this.#peers.delete(peerId);
    this.#peers.set(peerId, {
      isLinked: true,
      hasLeft: false,
      departedAtMs: never,
      untilMs: never,
      ownsUntilMs: never,
      offsetMs: 0,
      generation: (known?.generation ?? 0) + 1,
      isSynced: !this.#repairFirst,
      received: 0,
      missing: undefined,
      askedAtMs: undefined,
      askedVersion: 0,
      heardTo: known?.heardTo ?? 0,
      wasAsked: false,
      // What was granted over the link before still counts.
      grantedUntilMs: known?.grantedUntilMs ?? never,
      sent: 0,
      owesFloors: false,
    });
  }

  /** @param hasLeft the peer has stopped in its time: it serves nothing any more */
  linkDown(peerId: string, nowMs: number, hasLeft = false): void {
    const lease = this.#peers.get(peerId);
    if (lease === undefined) return;
    this.#peers.delete(peerId);
    this.#peers.set(peerId, {
      ...lease,
      isLinked: false,
      hasLeft,
      isSynced: !this.#repairFirst,
      askedAtMs: undefined,
      departedAtMs: nowMs,
      grantedUntilMs: hasLeft ? never : lease.grantedUntilMs,
    });
    this.#forget(nowMs);
  }

  /** It stopped in its time, less than a minute ago. */
  hasLeft(peerId: string): boolean {
    return this.#peers.get(peerId)?.hasLeft === true;
  }

  /** It was linked before, in this run of both. */
  knows(peerId: string): boolean {
    return this.#peers.has(peerId);
  }

  /**
   * True when the copies of this owner's entries may be served: it still owned them when it gave the lease, and will until
   * now. Those who took it for gone own them after that, and wait for their own leases alone.
   */
  serves(peerId: string, now: LeaseTimes): boolean {
    const lease = this.#peers.get(peerId);
    return lease !== undefined && now.nowMs < lease.ownsUntilMs && isLive(lease, now);
  }

  /** True when this node is in touch with the peer, and has heard of all that it wrote. */
  holds(peerId: string, now: LeaseTimes): boolean {
    const lease = this.#peers.get(peerId);
    return lease !== undefined && isLive(lease, now);
  }

  /** Changes whenever the lease has lapsed in between. */
  generation(peerId: string): number {
    return this.#peers.get(peerId)?.generation ?? 0;
  }

  /** When a lease from this peer, live or not, was or is to end; -Infinity: there was none. */
  until(peerId: string): number {
    return this.#peers.get(peerId)?.untilMs ?? never;
  }

  /**
   * A renewal is about to be sent; undefined where one is under way. Says whether to ask for all floors first.
   * @param version whatever the peer writes after the renewal has reached it has a higher one
   */
  asking(peerId: string, nowMs: number, version: number): { readonly resync: boolean } | undefined {
    const lease = this.#peers.get(peerId);
    if (lease?.isLinked !== true || lease.askedAtMs !== undefined) return undefined;
    lease.askedAtMs = nowMs;
    lease.askedVersion = version;
    // The floors that a new link begins with are on their way: they arrive before the first answer.
    const resync = !lease.isSynced && lease.wasAsked;
    lease.wasAsked = true;
    return { resync };
  }

  /** The renewal was answered, or failed (undefined). */
  answered(peerId: string, sentAt: LeaseTimes, answer: LeaseAnswer | undefined, nowMs: number): void {
    const lease = this.#peers.get(peerId);
    if (lease === undefined || lease.askedAtMs !== sentAt.nowMs) return;
    lease.askedAtMs = undefined;
    if (answer === undefined) return;
    if (lease.received < answer.sent) this.#lapse(lease);
    if (!lease.isSynced) return;
    lease.heardTo = lease.askedVersion;
    const hasLapsed = lease.untilMs <= nowMs || lease.ownsUntilMs <= nowMs || hasJumped(sentAt, lease.offsetMs);
    if (hasLapsed) lease.generation++;
    lease.offsetMs = offsetOf(sentAt);
    lease.untilMs = sentAt.nowMs + leaseMs;
    lease.ownsUntilMs = sentAt.nowMs + answer.ownsMs;
  }

  /** A peer asks for a lease. Returns the sequence of the last invalidation sent to it. */
  grant(peerId: string, nowMs: number): number {
    const lease = this.#peers.get(peerId);
    if (lease?.isLinked !== true) return 0;
    if (lease.owesFloors) return Number.MAX_SAFE_INTEGER;
    lease.grantedUntilMs = nowMs + leaseMs;
    return lease.sent;
  }

  /** The number of the next invalidation to this peer. */
  nextSequence(peerId: string): number {
    const lease = this.#peers.get(peerId);
    return lease === undefined ? 0 : ++lease.sent;
  }

  /** The last number given, to be told behind the floors. */
  sent(peerId: string): number {
    return this.#peers.get(peerId)?.sent ?? 0;
  }

  /** An invalidation could not be delivered. */
  undelivered(peerId: string): void {
    const lease = this.#peers.get(peerId);
    if (lease !== undefined) lease.owesFloors = true;
  }

  owesFloors(peerId: string): boolean {
    return this.#peers.get(peerId)?.owesFloors === true;
  }

  /** All floors are on their way to the peer. */
  telling(peerId: string): void {
    const lease = this.#peers.get(peerId);
    if (lease !== undefined) lease.owesFloors = false;
  }

  /** An invalidation of this version came; `sequence` 0 bears no number. */
  invalidated(peerId: string, sequence: number, version: number): void {
    const lease = this.#peers.get(peerId);
    if (lease === undefined || sequence === 0) return;
    if (sequence > lease.received + 1) this.#lapse(lease);
    lease.received = Math.max(lease.received, sequence);
    if (lease.isSynced) this.#heard.note(peerId, version);
  }

  /** Of this peer's writes this node has heard of all up to this version; 0: of none. */
  heard(peerId: string): number {
    return this.#heard.of(peerId);
  }

  /** It has written, as is known here or as it tells just now. */
  hasWritten(peerId: string): boolean {
    const isToldNow = this.#peers.get(peerId)?.missing?.some(([id]) => id === peerId) === true;
    return isToldNow || this.#heard.of(peerId) > 0;
  }

  /** Nodes of which it is remembered up to which write this one has heard of theirs. */
  get writers(): number {
    return this.#heard.size;
  }

  /** This node has written. */
  wrote(selfId: string, version: number): void {
    this.#heard.note(selfId, version);
  }

  /** Of whose writes this node knows. */
  told(): Heard {
    return this.#heard.told();
  }

  /**
   * A peer tells floors. Since which version there may be writes among them of which this node has not heard; undefined:
   * there are none. What a peer writes whose lease this node holds comes by itself, and is not acknowledged before.
   */
  missedSince(peerId: string, heard: Heard, now: LeaseTimes): number | undefined {
    const lease = this.#peers.get(peerId);
    if (lease === undefined || !heard.isWhole) return 0;
    lease.missing ??= this.#missing(heard, now);
    if (lease.missing.length === 0) return undefined;
    return Math.min(...lease.missing.map(([id]) => this.#heardTo(id)));
  }

  /**
   * Of the floors that a peer tells just now, as `missedSince` has found: whose writes were missed, since which version, and up
   * to which; undefined: that is not known of all of them.
   */
  missedOf(peerId: string): readonly Missed[] | undefined {
    return this.#peers.get(peerId)?.missing?.map(([id, to, gone]) => ({ id, since: this.#heardTo(id), to, gone }));
  }

  /** Up to which version this node has heard of all these writes: the rest is on its way, or was missed. Infinity: of all. */
  heardOfAllTo({ versions }: Heard): number {
    const behind = versions.filter(([id, version]) => version > this.#heardTo(id));
    return Math.min(Number.POSITIVE_INFINITY, ...behind.map(([id]) => this.#heardTo(id)));
  }

  /** What this peer wrote may have been missed. */
  lapse(peerId: string): void {
    const lease = this.#peers.get(peerId);
    if (lease !== undefined) this.#lapse(lease);
  }

  /** All peers are asked for their floors before anything of theirs is served again. */
  lapseAll(): void {
    for (const lease of this.#peers.values()) if (lease.isLinked) this.#lapse(lease);
  }

  /**
   * The peer has told all its floors, and whose writes they are of. False: an invalidation is missing of which no answer to a
   * renewal has told yet. What a lease of this peer covered was taken for known as the floors came, so they must come again.
   * @param isAll it has told those of all keyspaces that this node has: without, some of these writes are not known here yet
   */
  synced(peerId: string, sequence: number, heard: Heard, now: LeaseTimes, isAll = true): boolean {
    const lease = this.#peers.get(peerId);
    if (lease === undefined) return false;
    if (lease.isSynced && this.#repairFirst && sequence > lease.received) {
      lease.missing = undefined;
      this.#lapse(lease);
      return false;
    }
    const missing = lease.missing ?? this.#missing(heard, now);
    if (isAll) for (const [id, version] of missing) this.#heard.note(id, version);
    if (!heard.isWhole) this.#heard.tookPart();
    lease.missing = undefined;
    lease.isSynced = true;
    lease.received = Math.max(lease.received, sequence);
    return true;
  }

  /** What the peer wrote is known here, but for what is on its way; whether or not its lease lasts. */
  isSynced(peerId: string): boolean {
    return this.#peers.get(peerId)?.isSynced === true;
  }

  /** When the peer can no longer serve copies. */
  servesUntil(peerId: string): number {
    return this.#peers.get(peerId)?.grantedUntilMs ?? never;
  }

  /** Peers whose link is down, but who may still serve copies. */
  departedHolders(nowMs: number): readonly string[] {
    const ids: string[] = [];
    for (const [id, lease] of this.#peers) {
      if (!lease.isLinked && lease.grantedUntilMs > nowMs) ids.push(id);
    }
    return ids;
  }

  /** Linked, but it has not answered a renewal for some time. */
  isSilent(peerId: string, nowMs: number): boolean {
    const askedAtMs = this.#peers.get(peerId)?.askedAtMs;
    return askedAtMs !== undefined && nowMs - askedAtMs > silentMs;
  }

  /** Until when this node is in touch with at least half of these peers; Infinity where there are none. */
  ownsUntil(peerIds: readonly string[], now: LeaseTimes): number {
    if (peerIds.length === 0) return Number.POSITIVE_INFINITY;
    const ends = peerIds.map((id) => this.#inTouchUntil(id, now)).sort((a, b) => b - a);
    return ends[Math.ceil(ends.length / 2) - 1]!;
  }

  /** What a jump of the clock has ended ended now, at the latest. */
  #inTouchUntil(peerId: string, now: LeaseTimes): number {
    const lease = this.#peers.get(peerId);
    if (lease?.isSynced !== true) return never;
    const untilMs = lease.untilMs - leaseMs + touchMs;
    return hasJumped(now, lease.offsetMs) ? Math.min(untilMs, now.nowMs) : untilMs;
  }

  #heardTo(id: string): number {
    return Math.max(this.#heard.of(id), this.#peers.get(id)?.heardTo ?? 0);
  }

  #missing(heard: Heard, now: LeaseTimes): Heard['versions'] {
    return this.#heard.missing(heard, (id, version) => version <= this.#heardTo(id) || this.holds(id, now));
  }

  #lapse(lease: PeerLease): void {
    if (!this.#repairFirst) return;
    lease.isSynced = false;
    lease.untilMs = never;
    lease.generation++;
  }

  #forget(nowMs: number): void {
    let departed = 0;
    for (const [id, lease] of [...this.#peers].reverse()) {
      if (lease.isLinked) continue;
      departed++;
      if (departed > departedMax || nowMs - lease.departedAtMs > departedMs) this.#peers.delete(id);
    }
  }
}
