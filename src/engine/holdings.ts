import { DistcacheError, invalidArgument } from '../base/errors.js';
import { noTags } from '../base/tags.js';
import { differingSlots, digestsBytes, SlotDigests } from '../coherence/digests.js';
import { embargoMs } from '../coherence/leases.js';
import type { Wait } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerReply, PeerRequest } from '../ports/peers.js';
import type { Entry } from '../store/entry.js';
import type { Keyspace } from './keyspace.js';
import { type Kept, knowledgeOfHeld, knownReply } from './known-reply.js';
import { contest, type PathDeps } from './path.js';
import { doubtful, handoffMs, type Place } from './topology.js';

type Request<Kind extends PeerRequest['do']> = Extract<PeerRequest, { do: Kind }>;

/**
 * What a node holds of keys that are others': replicas, and entries whose key has moved to another node. Answers what the
 * others ask about them.
 */
export class Holdings {
  readonly #deps: PathDeps;
  readonly #kept: Kept;
  readonly #moved: (space: Keyspace, key: string) => void;

  /**
   * @param kept told of each entry that this node has taken in as its owner
   * @param moved told of each that another node is to have
   */
  constructor(deps: PathDeps, kept: Kept, moved: (space: Keyspace, key: string) => void) {
    this.#deps = deps;
    this.#kept = kept;
    this.#moved = moved;
  }

  /**
   * A node has become the owner of a key that was this node's. The entry goes once the new owner says that it keeps it, not
   * before: its answer may be lost, or be refused there. After that what the new owner knows of the key is newer, and asked
   * again, this node must not tell what is old by then. A load or takeover under way is waited for, but by a new owner that is about to
   * write: what it only claims stays here, to be overwritten.
   */
  recall(
    space: Keyspace,
    { key, claim, taken }: Request<'recall'>,
    from: NodeInfo,
    wait: Wait,
  ): PeerReply | Promise<PeerReply> {
    if (taken !== undefined) {
      letGo(this.#deps, space, key, taken, from.id);
      return nothing;
    }
    if (claim) {
      this.#giveUp(space, this.#deps.topology.place(key), from);
      return nothing;
    }
    const loading = space.loads.waitRunning(key, wait) ?? this.#takingOver(space, key);
    if (loading === undefined) return this.#recalled(space, key, from);
    const recalled = (): PeerReply => this.#recalled(space, key, from);
    return loading.then(recalled, recalled);
  }

  /** A peer says what it holds of a key: its replica is wanted here, or this node owns the key now. */
  hold(space: Keyspace, request: Request<'hold'>, from: NodeInfo): PeerReply {
    const { topology, guards, clock, leases, vouches } = this.#deps;
    const {
      key,
      value,
      version,
      lifeMs,
      wasPut,
      sourceVersion,
      tags = noTags,
      floor,
      generation,
      sequence,
      heard,
      yours,
    } = request;
    const { hash, owner, mine } = topology.place(key);
    const slot = space.slots.slotOf(hash);
    const nowMs = clock.nowMs();
    // What this node knew before the write that the request tells of.
    const knewLess = floor >= space.slots.floor(slot);
    if (sequence > 0) {
      leases.leases.invalidated(from.id, sequence, version);
      space.overwritten(key, slot, version);
      if (owner.id !== from.id) contest(this.#deps, space, slot, from.id, version);
    }
    const isOfOwner = owner.id === from.id;
    if (!mine && sequence === 0 && (yours || !isOfOwner)) return { is: 'not-owner', owner: owner.id };
    // Who alone has written beside the owner, as it had not given the key away yet, knows what it has written.
    const hasHeard = heard >= space.slots.written(slot) && !space.slots.isContested(slot, nowMs, from.id);
    if (sequence === 0 && !hasHeard) return nothing;
    // What it says when asked is of then; what it has sent before is not covered by that, and is sent again.
    if (sequence === 0 && version < space.slots.floor(slot) && vouches.before(from.id) !== undefined) return nothing;
    // An owner tells its replicas of its writes in their order; anything else must know of all that is known here.
    const inOrder = isOfOwner && sequence > 0 && !space.slots.isEmbargoed(slot, nowMs);
    if (!inOrder && !knewLess) return sequence > 0 ? applied : nothing;
    // The sender has not heard of the latest clear, or wrote it before: only what it put later counts.
    const isVoid = wasPut && sequence > 0 ? version <= space.generation : generation < space.generation;
    const isSwept = guards.sweep && space.sweeps.void({ key, version, wasPut, tags });
    if ((guards.generation && isVoid) || isSwept) return sequence > 0 ? applied : nothing;
    const expiresAtMs = nowMs + lifeMs;
    const keepUntilMs = space.keepUntilMs(value, expiresAtMs);
    if (keepUntilMs <= nowMs || (mine && !leases.owns())) return nothing;
    space.counts.held++;
    const held = { key, value, version, expiresAtMs, keepUntilMs, wasPut, sourceVersion, tags };
    if (mine) {
      // Of what this node is in doubt of, only those who may have stood in for it can make it sure.
      const old = space.store.peek(key);
      if (old?.owner === doubtful && old.version >= version) return applied;
      if (space.store.put({ ...held, owner: '' }) === 'stored') this.#kept(space, key, hash, held);
    } else {
      // The key has moved, and its writer has not heard of that yet: whose it is now is to have it.
      const stored = space.store.put({ ...held, owner: owner.id, isHeld: true, wasPassed: !isOfOwner });
      if (!isOfOwner && stored === 'stored') this.#moved(space, key);
    }
    return applied;
  }

  /**
   * Is the copy of this version what the owner would answer? What the owner does not hold it cannot tell. Nor can it of what
   * was loaded anew ahead of need: no write made such a copy old, unless one fell into its slot since.
   */
  check(space: Keyspace, { key, version }: Request<'check'>): PeerReply {
    const { mine, owner, hash } = this.#deps.topology.place(key);
    if (!mine) return { is: 'not-owner', owner: owner.id };
    const entry = space.store.peek(key);
    if (entry?.owner !== '') return nothing;
    const isOlder = entry.version > version;
    if (isOlder && !entry.wasPut && space.counts.refreshes > 0) {
      const isUnwritten = version >= space.slots.floor(space.slots.slotOf(hash));
      return isUnwritten ? { is: 'checked', current: true } : nothing;
    }
    return { is: 'checked', current: !isOlder };
  }

  /** An owner compares the replicas held here with what it holds itself. */
  compare(space: Keyspace, { digests }: Request<'compare'>, from: NodeInfo): PeerReply {
    const { topology } = this.#deps;
    const mine = new SlotDigests();
    const nowMs = this.#deps.clock.nowMs();
    space.store.forEach(({ key, owner, isHeld, version, expiresAtMs }) => {
      if (isHeld && owner === from.id && expiresAtMs > nowMs) mine.add(topology.hash(key), version);
    });
    if (digests.byteLength !== digestsBytes)
      throw invalidArgument(`${digests.byteLength} bytes are no digests of slots`);
    return { is: 'differ', slots: differingSlots(mine, digests) };
  }

  /** Whoever asks believes to be the owner and will not ask again: what this node loads from now on is not an entry. */
  #giveUp({ slots }: Keyspace, { hash, mine }: Place, by: NodeInfo): void {
    const { clock, guards } = this.#deps;
    const nowMs = clock.nowMs();
    if (mine && guards.embargo) slots.embargo(slots.slotOf(hash), nowMs + embargoMs, by.id, nowMs);
  }

  /** What is to be known before a passed entry of this key may be told of. */
  #takingOver(space: Keyspace, key: string): Promise<void> | undefined {
    return space.store.peek(key)?.wasPassed === true ? this.#deps.takeovers.running : undefined;
  }

  /** Whose it was may have written it since, and told others. */
  #mayBeOld({ owner, isHeld, wasPassed }: Entry, by: NodeInfo): boolean {
    const { leases, takeovers } = this.#deps;
    if (wasPassed) return !takeovers.isSure;
    return isHeld && owner !== doubtful && owner !== by.id && !leases.holds(owner);
  }

  /** Who is gone, and was perhaps started again under its name, has passed on what it had, or has lost it. */
  #isThere(id: string): boolean {
    const { topology, peers } = this.#deps;
    return topology.isThere(id) || peers.linked().some((peer) => peer.id === id);
  }

  #recalled(space: Keyspace, key: string, by: NodeInfo): PeerReply {
    const { topology, clock, self } = this.#deps;
    const place = topology.place(key);
    this.#giveUp(space, place, by);
    // Here it is still this node's: it answers as the owner, and keeps what it has.
    const entry = space.kept(key);
    if (entry === undefined || (entry.owner !== '' && !entry.isHeld)) {
      // Whoever has been given what this node had, this node or the asking one has perhaps not heard of as an owner yet.
      const passed = place.mine ? undefined : space.passedOn.get(key);
      const isKnown = passed !== undefined && passed.untilMs > clock.nowMs() && passed.to !== by.id;
      return isKnown && this.#isThere(passed.to) ? { is: 'not-owner', owner: passed.to } : nothing;
    }
    if (this.#mayBeOld(entry, by)) {
      if (!entry.wasPut) return nothing;
      const { name } = self();
      throw new DistcacheError('CLUSTER_QUORUM', `too few nodes have told ${name} what was written to '${key}'`, {
        node: name,
      });
    }
    const nowMs = clock.nowMs();
    const knowledge = knowledgeOfHeld(this.#deps.spared, space, place.hash, entry);
    return knownReply(entry, entry.expiresAtMs > nowMs ? 'hit' : 'stale', knowledge, nowMs);
  }
}

/** The node of id `taker`, the key's owner, has this version of it: it need not be held any more, but as a replica. */
export function letGo(
  { topology, clock }: Pick<PathDeps, 'topology' | 'clock'>,
  { store, passedOn }: Keyspace,
  key: string,
  version: number,
  taker: string,
): void {
  const entry = store.peek(key);
  if (entry?.isHeld !== true || entry.version > version || topology.isReplica(topology.hash(key))) return;
  store.delete(key, 'demoted');
  passedOn.set(key, { to: taker, untilMs: clock.nowMs() + handoffMs });
}

const applied: PeerReply = { is: 'applied' };
const nothing: PeerReply = { is: 'nothing' };
