import type { Cancel, Wait } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerRequest } from '../ports/peers.js';
import type { PathDeps } from './path.js';

/** Makes what one peer is told; `next` gives the number of an invalidation, to be asked once for each that is sent. */
export type RequestFor = (peer: NodeInfo, next: () => number) => PeerRequest;

/** What a peer must be told beside floors, as it is to keep a value; undefined: nothing, or not any more. */
export type AgainFor = (peerId: string) => PeerRequest | undefined;

type Deps = Pick<PathDeps, 'clock' | 'peers' | 'leases' | 'guards'>;

/** A write waits for peers at most this much longer than its own time allows, when nobody waits for it: see `tell`. */
const untoldMs = 10_000;

/**
 * Tells every peer of a write and finds out who knows. A peer is done when it has applied the change, by itself or with all
 * floors since; or when it can no longer serve anything older: its lease has lapsed, which a frozen or unreachable peer's
 * does within two seconds. One that is linked again after a reset has its leases renewed, so only the floors tell of it.
 */
export class Confirmations {
  readonly #deps: Deps;
  /** Names of peers, by id, also of those whose link is down: a result names them. */
  readonly #names = new Map<string, string>();
  /** Under way: as many as writes are, each until its deadline at most. */
  readonly #rounds = new Set<Round>();
  /** Until then a peer may serve what is older than a write that could not wait for that. */
  #owedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  onLinkUp({ id, name }: NodeInfo): void {
    this.#names.set(id, name);
    // Of those that may still serve; the rest were forgotten long before.
    if (this.#names.size > namesMax) this.#names.delete(this.#names.keys().next().value!);
  }

  /** A peer has stopped in its time: it serves nothing any more. */
  left(peerId: string): void {
    for (const round of [...this.#rounds]) round.applied(peerId);
  }

  /**
   * A peer is about to be told all floors, those of the writes that wait for it now among them. What is given back is to be
   * called once it has taken them all.
   */
  telling(peerId: string): () => void {
    const rounds = [...this.#rounds].filter((round) => round.waitsFor(peerId));
    return () => {
      for (const round of rounds) {
        const request = round.waitsFor(peerId) ? round.againFor?.(peerId) : undefined;
        if (request === undefined) round.applied(peerId);
        else this.#tellAgain(round, peerId, request);
      }
    };
  }

  /** It knows of the write by the floors, and has yet to keep the value. */
  #tellAgain(round: Round, peerId: string, request: PeerRequest): void {
    const { peers, clock } = this.#deps;
    const failed = (): void => round.failed(peerId);
    peers
      .call(peerId, request, { deadlineMs: clock.nowMs() + untoldMs })
      .then(({ is }) => (is === 'applied' ? round.applied(peerId) : failed()), failed);
  }

  /** Calls `done` once the peer has applied all that it was told of by now; never where it has not, or must be told floors first. */
  caughtUp(peerId: string, done: () => void): void {
    if (this.#deps.leases.leases.owesFloors(peerId)) return;
    const rounds = [...this.#rounds].filter((round) => round.waitsFor(peerId));
    let left = rounds.length;
    if (left === 0) done();
    for (const round of rounds) {
      round.onApplied(peerId, () => {
        if (--left === 0) done();
      });
    }
  }

  /** Resolves when no peer serves anything older than what this node wrote, a lease from now at most. */
  async settled({ deadlineMs }: Wait): Promise<void> {
    const { clock } = this.#deps;
    const leftMs = Math.min(deadlineMs, this.#owedUntilMs) - clock.nowMs();
    if (leftMs > 0) await new Promise<void>((resolve) => clock.after(leftMs, resolve));
  }

  /**
   * Sends each peer its request at once. Resolves with the names of those that did not apply it, sorted, once none of
   * them can serve anything older, or at the deadline.
   */
  told(requestFor: RequestFor, wait: Wait, againFor?: AgainFor): Promise<readonly string[]> {
    const { peers, clock, leases } = this.#deps;
    const startedMs = clock.nowMs();
    const linked = peers.linked();
    const departed = leases.leases.departedHolders(startedMs);
    if (linked.length === 0 && departed.length === 0) return Promise.resolve(none);
    // Not the caller's signal: once applied, a change is told to all, whether or not the caller still waits. And not its
    // time: a peer that is told late is better than one that finds a gap.
    const sending: Wait = { deadlineMs: Math.max(wait.deadlineMs, startedMs + untoldMs) };
    return new Promise((resolve) => {
      const round = new Round(this.#deps, wait.deadlineMs, startedMs, againFor, (ids, servingUntilMs) => {
        this.#rounds.delete(round);
        this.#owedUntilMs = Math.max(this.#owedUntilMs, servingUntilMs);
        resolve(this.#namesOf(ids));
      });
      this.#rounds.add(round);
      for (const id of departed) round.add(id, leases.leases.servesUntil(id));
      for (const peer of linked) round.add(peer.id, leases.leases.servesUntil(peer.id));
      for (const peer of linked) {
        const request = requestFor(peer, () => leases.leases.nextSequence(peer.id));
        peers.call(peer.id, request, sending).then(
          () => round.applied(peer.id),
          () => leases.leases.undelivered(peer.id),
        );
      }
      round.begin();
    });
  }

  #namesOf(ids: Iterable<string>): readonly string[] {
    return [...ids].map((id) => this.#names.get(id) ?? id).sort();
  }
}

const namesMax = 4096;
const none: readonly string[] = Object.freeze([]);

/** One write's wait. */
class Round {
  /** When those that are waited for can no longer serve anything older, by id. */
  readonly #pending = new Map<string, number>();
  readonly #unreached: string[] = [];
  readonly #watchers: (readonly [id: string, run: () => void])[] = [];
  #cancel: Cancel | undefined;
  #isOver = false;

  constructor(
    private readonly deps: Pick<Deps, 'clock' | 'guards' | 'leases'>,
    private readonly deadlineMs: number,
    private readonly startedMs: number,
    readonly againFor: AgainFor | undefined,
    private readonly done: (unreached: readonly string[], servingUntilMs: number) => void,
  ) {}

  /**
   * @param servesUntilMs end of its lease as the write was made. One that is granted later says how many invalidations it must
   *   have heard of, this one among them, so it covers nothing older.
   */
  add(id: string, servesUntilMs: number): void {
    this.#pending.set(id, servesUntilMs);
  }

  waitsFor(id: string): boolean {
    return this.#pending.has(id);
  }

  applied(id: string): void {
    if (!this.#pending.delete(id)) return;
    for (const [of, run] of this.#watchers) if (of === id) run();
    if (this.#pending.size === 0) this.#end();
  }

  /** Not where it is named as one that did not. */
  onApplied(id: string, run: () => void): void {
    this.#watchers.push([id, run]);
  }

  /** It will not apply it, though it can no longer serve anything older. */
  failed(id: string): void {
    if (!this.#pending.delete(id)) return;
    this.#unreached.push(id);
    if (this.#pending.size === 0) this.#end();
  }

  begin(): void {
    if (!this.deps.guards['peer-acks']) this.#pending.clear();
    if (this.#pending.size === 0) this.#end();
    else this.#wake();
  }

  /** Looks at leases when the first of those that are waited for would lapse, and at the deadline. */
  #wake(): void {
    const { clock, guards, leases } = this.deps;
    const nowMs = clock.nowMs();
    let nextMs = this.deadlineMs;
    for (const [id, servesUntilMs] of this.#pending) {
      const lapsesMs = guards['lease-wait'] ? servesUntilMs : this.startedMs;
      // One that holds no lease gets the time of a message: it may be told as well as not.
      const dueMs = Math.max(lapsesMs, this.startedMs + graceMs);
      if (dueMs > nowMs) {
        nextMs = Math.min(nextMs, dueMs);
        continue;
      }
      this.#pending.delete(id);
      this.#unreached.push(id);
      // It may go on asking for leases over a way that leads from it alone: the next write is not to wait for those.
      leases.leases.undelivered(id);
    }
    if (this.#pending.size === 0 || nowMs >= this.deadlineMs) this.#end();
    else this.#cancel = clock.after(nextMs - nowMs, () => this.#wake());
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancel?.();
    // At the deadline: whether it has heard of the write is not known.
    for (const id of this.#pending.keys()) this.deps.leases.leases.undelivered(id);
    this.done([...this.#unreached, ...this.#pending.keys()], Math.max(...this.#pending.values()));
    this.#pending.clear();
  }
}

/** What a write waits for a peer without a lease: it is linked, so it is likely to answer. */
const graceMs = 250;
