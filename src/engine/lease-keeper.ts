import type { Guards } from '../coherence/guards.js';
import { skewLimit } from '../coherence/hybrid-clock.js';
import { hasJumped, type LeaseTimes, offsetOf } from '../coherence/lease-times.js';
import { Leases, leaseMs, renewMs, touchMs } from '../coherence/leases.js';
import type { Cancel, Clock } from '../ports/clock.js';
import type { LinkEvent, PeerNetwork, PeerReply } from '../ports/peers.js';

type LeaseReply = Extract<PeerReply, { is: 'lease' }>;

/** A timer may be this late on a busy machine without that meaning anything. */
const lateMs = 250;

/**
 * Who comes back writes nothing before all others are linked again, as one who joins: those who still take somebody else
 * for the owner must hear of it. One that stays out of reach is waited for so long; the others agree on the ring by then.
 */
const returnMs = 3000;

/**
 * An owner that lost touch with others to whom its links stand is most likely late, not cut off: its reads wait so long
 * for it to come back, before they go past the cache.
 */
const lateTouchMs = 1000;

export interface LeaseKeeperDeps {
  readonly clock: Clock;
  readonly peers: PeerNetwork;
  readonly guards: Guards;
  /** The hybrid clock. */
  readonly version: () => number;
  /** Ids of the other nodes that share the keys. */
  readonly others: () => readonly string[];
  /** Tells a peer all floors, the sequence of the last invalidation behind them. */
  readonly tellFloors: (peerId: string) => void;
  /** This node lost sight of so many that it is to read past the cache, and to keep and write nothing. */
  readonly passesThrough: () => boolean;
  /** This node, which was in touch with the others, is not any more. */
  readonly lost: () => void;
  /** This node had lost touch with the others and has it again, from now on. */
  readonly regained: () => void;
  /** A peer gives no sign of life any more, or gives one again. */
  readonly silenceChanged: (peerId: string, isSilent: boolean) => void;
}

/** Carries out what `Leases` decides: asks every linked peer for its lease twice a second, and answers those who ask. */
export class LeaseKeeper {
  readonly leases: Leases;
  readonly #deps: LeaseKeeperDeps;
  readonly #silent = new Set<string>();
  #cancel: Cancel | undefined;
  #ownsUntilMs = Number.POSITIVE_INFINITY;
  /** Wall minus monotonic time when the leases that it is in touch by were last counted. */
  #offsetMs = 0;
  #wasInTouch = false;
  /** Counts the times this node had lost touch with the others. */
  #ownGeneration = 0;
  /** As it was when members, links or leases last changed: asked for with each read. */
  #passesThrough = false;
  /** It is out of touch, or not yet back from that. */
  #isAway = false;
  /** When it heard from half of the others again. */
  #backAtMs: number | undefined;
  #late: Promise<void> | undefined;
  /** Who waits until this node is in touch. */
  readonly #awaited = new Set<() => void>();
  /** Renewals answered, and those that failed. */
  readonly counts = { renewed: 0, failed: 0, regained: 0 };

  constructor(deps: LeaseKeeperDeps) {
    this.#deps = deps;
    this.leases = new Leases(deps.guards['repair-first']);
  }

  start(): void {
    this.#arm();
  }

  stop(): void {
    for (const end of [...this.#awaited]) end();
    this.#cancel?.();
    this.#cancel = undefined;
  }

  onLink(event: LinkEvent): void {
    const { id } = event.peer;
    if (event.is === 'up') {
      this.leases.linkUp(id);
      this.#deps.tellFloors(id);
      this.#renew(id);
    } else {
      this.leases.linkDown(id, this.#deps.clock.nowMs(), event.left);
      this.#silent.delete(id);
    }
    this.weigh();
  }

  /** The copies of this owner's entries may be served. */
  holds(ownerId: string): boolean {
    return !this.#passesThrough && (!this.#deps.guards.lease || this.leases.serves(ownerId, this.now()));
  }

  /** It owns nothing and holds nobody's lease, whoever it hears from: memory answers nothing, and writes are refused. */
  get passesThrough(): boolean {
    return this.#passesThrough;
  }

  /** This node may answer for its keys from memory, and write. The hot path. */
  owns(): boolean {
    if (this.#ownsUntilMs === Number.POSITIVE_INFINITY) return true;
    const now = this.now();
    return now.nowMs < this.#ownsUntilMs && !hasJumped(now, this.#offsetMs);
  }

  /**
   * What reads of its own keys are to wait for, one promise for all: resolves when this node is in touch again, or taken
   * to be cut off. undefined: it is one or the other already.
   */
  get late(): Promise<void> | undefined {
    if (this.owns()) return undefined;
    const leftMs = this.#ownsUntilMs + lateTouchMs - this.#deps.clock.nowMs();
    if (leftMs <= 0) return undefined;
    this.#late ??= this.inTouch(leftMs).finally(() => {
      this.#late = undefined;
    });
    return this.#late;
  }

  /** Resolves once this node may answer for its keys, or after `withinMs`: a node that serves too early keeps nothing. */
  inTouch(withinMs: number): Promise<void> {
    this.weigh();
    if (this.owns()) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#awaited.delete(end);
        resolve();
      };
      const cancel = this.#deps.clock.after(withinMs, end);
      this.#awaited.add(end);
    });
  }

  /** It has been in touch with another node. */
  get wasInTouch(): boolean {
    return this.#wasInTouch;
  }

  /** Changes whenever this node had lost touch in between. */
  get ownGeneration(): number {
    return this.#ownGeneration;
  }

  /** Linked peers whose copies may be served now. */
  get held(): number {
    return this.#deps.peers.linked().filter(({ id }) => this.leases.holds(id, this.now())).length;
  }

  isSilent(peerId: string): boolean {
    return this.#silent.has(peerId);
  }

  /** A peer asks for a lease. */
  grant(peerId: string, resync: boolean): LeaseReply {
    if (resync) this.#deps.tellFloors(peerId);
    const nowMs = this.#deps.clock.nowMs();
    return { is: 'lease', sent: this.leases.grant(peerId, nowMs), ownsMs: this.#ownsMs(nowMs) };
  }

  /** What all peers know of writes is to be told anew, before this node serves anything of them. */
  resync(): void {
    this.leases.lapseAll();
    this.weigh();
    for (const { id } of this.#deps.peers.linked()) this.#renew(id);
  }

  /** Members, links or leases have changed. */
  weigh(): void {
    const { others, lost, regained, passesThrough } = this.#deps;
    const now = this.now();
    const { nowMs } = now;
    const ids = others();
    this.#passesThrough = passesThrough();
    // Its leases have lapsed, or the clock has jumped: while the machine slept others may have taken it for dead.
    if (!this.owns()) {
      if (!this.#isAway && this.#wasInTouch) lost();
      this.#isAway = true;
      this.#ownsUntilMs = Math.min(this.#ownsUntilMs, nowMs);
    }
    const untilMs = this.#inTouchUntil(ids, now);
    if (untilMs <= nowMs) {
      this.#ownsUntilMs = untilMs;
      this.#backAtMs = undefined;
      return;
    }
    if (this.#isAway) {
      this.#backAtMs ??= nowMs;
      const heardOfAll = ids.every((id) => this.leases.holds(id, now));
      if (!heardOfAll && nowMs - this.#backAtMs < returnMs) return;
      this.#isAway = false;
      this.#backAtMs = undefined;
      this.#ownGeneration++;
      this.counts.regained++;
      regained();
    }
    this.#ownsUntilMs = untilMs;
    this.#offsetMs = offsetOf(now);
    this.#wasInTouch ||= ids.length > 0;
    for (const end of [...this.#awaited]) end();
  }

  #inTouchUntil(ids: readonly string[], now: LeaseTimes): number {
    if (this.#passesThrough) return Number.NEGATIVE_INFINITY;
    return this.#deps.guards['owner-lease'] ? this.leases.ownsUntil(ids, now) : Number.POSITIVE_INFINITY;
  }

  /** Who was never in touch has given out nothing yet, and will own its keys from its first leases on. */
  #ownsMs(nowMs: number): number {
    if (this.owns()) return Math.min(leaseMs, this.#ownsUntilMs - nowMs);
    return this.#wasInTouch ? 0 : touchMs;
  }

  /** Monotonic and wall time. */
  now(): LeaseTimes {
    const { clock } = this.#deps;
    return { nowMs: clock.nowMs(), wallMs: clock.wallMs() };
  }

  #arm(): void {
    const { clock, peers } = this.#deps;
    const dueMs = clock.nowMs() + renewMs;
    const tick = (): void => {
      // After a time in which this process did not run, answers to it wait to be read: nobody else was silent.
      const overslept = clock.nowMs() - dueMs > lateMs;
      this.#arm();
      for (const { id } of peers.linked()) {
        this.#renew(id);
        if (!overslept) this.#listen(id);
      }
      // Nobody tells when those that were lost are forgotten.
      if (this.#passesThrough) this.weigh();
    };
    this.#cancel = clock.after(renewMs, tick, { background: true });
  }

  #renew(peerId: string): void {
    const sentAt = this.now();
    // A peer whose clock is behind by more than is allowed may not believe this one's.
    const asked = this.leases.asking(peerId, sentAt.nowMs, this.#deps.version() - skewLimit);
    if (asked === undefined) return;
    const { resync } = asked;
    const wait = { deadlineMs: sentAt.nowMs + leaseMs };
    this.#deps.peers.call(peerId, { do: 'renew', resync }, wait).then(
      (reply) => this.#renewed(peerId, sentAt, resync, reply.is === 'lease' ? reply : undefined),
      () => this.#renewed(peerId, sentAt, resync, undefined),
    );
  }

  #renewed(peerId: string, sentAt: LeaseTimes, resync: boolean, reply: LeaseReply | undefined): void {
    if (reply === undefined) this.counts.failed++;
    else this.counts.renewed++;
    const nowMs = this.#deps.clock.nowMs();
    this.leases.answered(peerId, sentAt, reply, nowMs);
    this.weigh();
    if (reply !== undefined && this.#silent.delete(peerId)) this.#deps.silenceChanged(peerId, false);
    // What was missed is asked for at once, and so is the next lease where this one was as late as that.
    const isDue = nowMs - sentAt.nowMs >= renewMs || !this.leases.holds(peerId, this.now());
    if (reply !== undefined && !resync && isDue) this.#deps.clock.soon(() => this.#renew(peerId));
  }

  #listen(peerId: string): void {
    if (this.#silent.has(peerId) || !this.leases.isSilent(peerId, this.#deps.clock.nowMs())) return;
    this.#silent.add(peerId);
    this.#deps.silenceChanged(peerId, true);
  }
}
