import { hasSlot, SlotDigests } from '../coherence/digests.js';
import type { Cancel } from '../ports/clock.js';
import type { PeerRequest } from '../ports/peers.js';
import type { Entry } from '../store/entry.js';
import type { Keyspace } from './keyspace.js';
import { type Known, knowledgeOfHeld, remainingLifeMs } from './known-reply.js';
import type { PathDeps } from './path.js';
import type { HeldEntry } from './spared.js';
import { doubtful } from './topology.js';

/** How often an owner compares what its replicas hold with what it holds itself, and how soon after the ring changed. */
const everyMs = 30_000;
const afterChangeMs = 1000;
/** Entries told to one replica in one round, and how many at a time. */
const perRoundMax = 10_000;
const atOnce = 64;
const toldWithinMs = 5000;

export type ReplicaDeps = Pick<PathDeps, 'clock' | 'peers' | 'topology' | 'leases' | 'spared' | 'self'>;

/** In doubt too, it may be the only one of its kind. */
const isOwn = (owner: string): boolean => owner === '' || owner === doubtful;

/** Hands an entry over to a peer that has not asked for it: as a replica, or as what is its own. */
export const holdRequest = (
  { clock, leases, spared }: ReplicaDeps,
  peerId: string,
  space: Keyspace,
  hash: number,
  key: string,
  known: Known & HeldEntry,
  yours = false,
): Extract<PeerRequest, { do: 'hold' }> => {
  const { value, version, expiresAtMs, wasPut, sourceVersion, tags } = known;
  return {
    do: 'hold',
    keyspace: space.name,
    key,
    value,
    version,
    lifeMs: remainingLifeMs(expiresAtMs, clock.nowMs()),
    wasPut,
    sourceVersion,
    tags,
    ...knowledgeOfHeld(spared, space, hash, known),
    sequence: 0,
    heard: leases.leases.heard(peerId),
    yours,
  };
};

/**
 * Keeps the replicas of what this node owns. Puts carry the value to them as they are made (see Writes); what was loaded
 * or taken over is told behind the answer; and twice a minute digests are compared, so that what a message lost, a new
 * successor on the ring or an eviction left out is made good.
 */
export class Replicas {
  readonly #deps: ReplicaDeps;
  readonly #spaces: () => Iterable<Keyspace>;
  #cancel: Cancel | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #isSyncing = false;
  /** Something has happened during a round. */
  #isDueAgain = false;
  /**
   * After a change of the ring rounds follow each other until all slots were compared once. Not for ever: a replica that evicts
   * differs always.
   */
  #isPass = false;
  /** Where more was to be told than one round may: the slot to go on from, by keyspace and peer. */
  readonly #next = new Map<string, number>();

  constructor(deps: ReplicaDeps, spaces: () => Iterable<Keyspace>) {
    this.#deps = deps;
    this.#spaces = spaces;
  }

  /** Tells the replicas of an entry that was loaded or taken over. Nobody waits for it. */
  tell(space: Keyspace, key: string, hash: number, known: Known): void {
    const { topology, peers, clock } = this.#deps;
    const replicas = topology.replicasOf(hash);
    if (replicas.length === 0) return;
    const wait = { deadlineMs: clock.nowMs() + toldWithinMs };
    for (const { id } of replicas) {
      // What does not arrive is found by the next comparison.
      peers.call(id, holdRequest(this.#deps, id, space, hash, key, known), wait).catch(() => {});
    }
  }

  start(): void {
    this.#arm(everyMs);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The ring has changed: there are new successors. */
  moved(): void {
    this.#isPass = true;
    this.#next.clear();
    this.mended();
  }

  /** A replica may have missed something. */
  mended(): void {
    if (this.#cancel === undefined) return;
    this.#isDueAgain = this.#isSyncing;
    if (this.#dueMs <= this.#deps.clock.nowMs() + afterChangeMs) return;
    this.#cancel();
    this.#arm(afterChangeMs);
  }

  #arm(delayMs: number): void {
    this.#dueMs = this.#deps.clock.nowMs() + delayMs;
    this.#cancel = this.#deps.clock.after(
      delayMs,
      () => {
        this.#arm(everyMs);
        if (this.#isSyncing) return;
        this.#isSyncing = true;
        const over = (): void => {
          this.#isSyncing = false;
          this.#isPass &&= this.#next.size > 0;
          if (this.#isDueAgain || this.#isPass) this.mended();
        };
        this.#sync().then(over, over);
      },
      { background: true },
    );
  }

  async #sync(): Promise<void> {
    for (const space of this.#spaces()) {
      const digests = this.#digests(space);
      for (const [peerId, own] of digests) await this.#compare(space, peerId, own);
    }
  }

  /** Of what this node owns, by the id of whoever keeps a replica. */
  #digests(space: Keyspace): ReadonlyMap<string, SlotDigests> {
    const { topology } = this.#deps;
    const digests = new Map<string, SlotDigests>();
    const nowMs = this.#deps.clock.nowMs();
    space.store.forEach(({ key, owner, version, expiresAtMs }) => {
      // What has expired on one side may be fresh on the other for a moment, and is kept by each as it sees fit.
      if (!isOwn(owner) || expiresAtMs <= nowMs) return;
      const hash = topology.hash(key);
      for (const { id } of topology.replicasOf(hash)) {
        let own = digests.get(id);
        if (own === undefined) {
          own = new SlotDigests();
          digests.set(id, own);
        }
        own.add(hash, version);
      }
    });
    return digests;
  }

  async #compare(space: Keyspace, peerId: string, own: SlotDigests): Promise<void> {
    const { peers, clock, topology } = this.#deps;
    const wait = () => ({ deadlineMs: clock.nowMs() + toldWithinMs });
    const request = { do: 'compare', keyspace: space.name, digests: own.bytes() } as const;
    const reply = await peers.call(peerId, request, wait()).catch(() => undefined);
    if (reply?.is !== 'differ') return;
    const place = `${space.name} ${peerId}`;
    const from = this.#next.get(place) ?? 0;
    this.#next.delete(place);
    const missing: { readonly entry: Entry; readonly hash: number }[] = [];
    space.store.forEach((entry) => {
      if (!isOwn(entry.owner) || entry.expiresAtMs <= clock.nowMs()) return;
      const hash = topology.hash(entry.key);
      const slot = space.slots.slotOf(hash);
      if (slot < from || !hasSlot(reply.slots, slot)) return;
      if (topology.replicasOf(hash).some(({ id }) => id === peerId)) missing.push({ entry, hash });
    });
    if (missing.length > perRoundMax) {
      const slotAt = (at: number): number => space.slots.slotOf(missing[at]!.hash);
      missing.sort((a, b) => space.slots.slotOf(a.hash) - space.slots.slotOf(b.hash));
      // The slot that is cut through is told once more.
      const cut = slotAt(perRoundMax);
      this.#next.set(place, cut > slotAt(0) ? cut : cut + 1);
      missing.length = perRoundMax;
    }
    for (let at = 0; at < missing.length; at += atOnce) {
      const told = missing.slice(at, at + atOnce).map(({ entry, hash }) => {
        // It may have been replaced while others were told.
        if (space.store.peek(entry.key) !== entry) return undefined;
        return peers.call(peerId, holdRequest(this.#deps, peerId, space, hash, entry.key, entry), wait());
      });
      const outcomes = await Promise.allSettled(told);
      if (outcomes.some(({ status }) => status === 'rejected')) return;
    }
  }
}
