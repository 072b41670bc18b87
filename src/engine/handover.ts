import { Stop } from '../base/stop-signal.js';
import type { DrainResult } from '../ports/cache.js';
import { type Cancel, type Clock, remainingMs, type Wait } from '../ports/clock.js';
import type { Entry } from '../store/entry.js';
import { letGo } from './holdings.js';
import type { Keyspace } from './keyspace.js';
import type { PathDeps } from './path.js';
import type { ReplicaDeps } from './replicas.js';
import { holdRequest } from './replicas.js';
import { handoffMs } from './topology.js';

/** Entries on their way at a time. */
const atOnce = 128;
/** Of keys and values in one drain; the entries most worth keeping go first, the others are asked for while this node is up. */
const budgetBytes = 1024 ** 3;
/** New owners hear of their keys by gossip: whoever does not know yet is told again. */
const againMs = 200;
const toldWithinMs = 2000;
/**
 * A new owner that has written to a key's slot takes nothing of it from who has not heard of that yet, nor while nodes disagree
 * about the slot: it is asked so often, for longer than an embargo.
 */
const refusalsMax = 20;

/** So long after the ring has changed, what has moved is pushed, and so many at a time beside what else goes on. */
const settledMs = 2000;
const atOnceBehind = 32;

type HandoverDeps = ReplicaDeps & Pick<PathDeps, 'takeovers'>;

interface Leaving {
  readonly space: Keyspace;
  readonly entry: Entry;
  refusals: number;
}

/**
 * Hands what a node holds to those who own it now: all of it where the node leaves, the entries most worth keeping first;
 * else what has moved when the ring changed, behind everything else. New owners ask for what they are asked for before that.
 */
export class Handover {
  readonly #deps: HandoverDeps;
  /** Keys that have moved and were not pushed yet; their entries are held as long as the ring remembers former owners. */
  readonly #moved = new Map<Keyspace, Set<string>>();
  #cancel: Cancel | undefined;
  /** Ends the push that is under way behind everything else; undefined: none is. */
  #behind: Stop | undefined;
  /** Entries of pushes under way that have not gone yet. */
  #leavingNow = 0;
  #handedOver = 0;

  constructor(deps: HandoverDeps) {
    this.#deps = deps;
  }

  /** Entries that other nodes have taken over from this one since start. */
  get handedOver(): number {
    return this.#handedOver;
  }

  /** Entries that are to go to other nodes and have not gone yet. */
  get waiting(): number {
    return [...this.#moved.values()].reduce((sum, keys) => sum + keys.size, this.#leavingNow);
  }

  /** These entries of a keyspace belong to other nodes than before. */
  moved(space: Keyspace, entries: Iterable<Pick<Entry, 'key'>>): void {
    const keys = this.#moved.get(space) ?? new Set();
    this.#moved.set(space, keys);
    for (const { key } of entries) keys.add(key);
    if (this.#cancel === undefined) this.#arm();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#moved.clear();
    this.#behind?.abort(undefined);
  }

  /** Ends at the deadline with what it has done by then. Never rejects. */
  push(spaces: Iterable<Keyspace>, wait: Wait): Promise<DrainResult> {
    this.stop();
    return this.#push(this.#leaving(spaces), wait, true);
  }

  #arm(): void {
    this.#cancel = this.#deps.clock.after(settledMs, () => this.#pushMoved(), { background: true });
  }

  #pushMoved(): void {
    this.#cancel = undefined;
    if (this.#behind !== undefined) {
      this.#arm();
      return;
    }
    const signal = new Stop();
    this.#behind = signal;
    const moved: Leaving[] = [];
    for (const [space, keys] of this.#moved) {
      for (const key of keys) {
        const entry = space.store.peek(key);
        if (entry?.isHeld === true) moved.push({ space, entry, refusals: 0 });
      }
    }
    this.#moved.clear();
    this.#push(moved, { deadlineMs: this.#deps.clock.nowMs() + handoffMs, signal }, false).finally(() => {
      this.#behind = undefined;
    });
  }

  async #push(leaving: Leaving[], wait: Wait, isLeaving: boolean): Promise<DrainResult> {
    const { clock } = this.#deps;
    const many = isLeaving ? atOnce : atOnceBehind;
    const total = leaving.length;
    let waiting = leaving;
    let handedOver = 0;
    this.#leavingNow += total;
    while (waiting.length > 0 && this.#hasTime(wait)) {
      const later: Leaving[] = [];
      for (let at = 0; at < waiting.length; at += many) {
        const batch = waiting.slice(at, at + many);
        if (!this.#hasTime(wait)) {
          later.push(...waiting.slice(at));
          break;
        }
        const outcomes = await Promise.all(batch.map((one) => this.#pushOne(one, wait, isLeaving)));
        for (const [index, outcome] of outcomes.entries()) {
          const one = batch[index]!;
          if (outcome === 'taken') {
            handedOver++;
            this.#handedOver++;
          } else if (outcome === 'again' || (outcome === 'refused' && ++one.refusals < refusalsMax)) later.push(one);
        }
      }
      this.#leavingNow -= waiting.length - later.length;
      waiting = later;
      if (waiting.length > 0) await pause(clock, againMs);
    }
    this.#leavingNow -= waiting.length;
    return { handedOver, left: total - handedOver };
  }

  #hasTime(wait: Wait): boolean {
    return wait.signal?.aborted !== true && remainingMs(wait, this.#deps.clock) > 0;
  }

  #leaving(spaces: Iterable<Keyspace>): Leaving[] {
    const leaving: Leaving[] = [];
    let bytes = 0;
    for (const space of spaces) {
      space.store.forEach((entry) => {
        if (!entry.isHeld || bytes + entry.bytes > budgetBytes) return;
        bytes += entry.bytes;
        leaving.push({ space, entry, refusals: 0 });
      });
    }
    return leaving;
  }

  async #pushOne(
    { space, entry }: Leaving,
    { deadlineMs, signal }: Wait,
    isLeaving: boolean,
  ): Promise<'taken' | 'again' | 'refused' | 'not-wanted'> {
    const { topology, peers, clock } = this.#deps;
    const { key } = entry;
    const nowMs = clock.nowMs();
    // Asked for, overwritten or expired meanwhile; or this node's own again.
    const isHeld = space.store.peek(key) === entry && entry.isHeld;
    if (!isHeld || entry.keepUntilMs <= nowMs) return 'not-wanted';
    if (entry.wasPassed && !this.#deps.takeovers.isSure) return 'again';
    const { hash, owner, mine } = topology.place(key);
    // A node that leaves, the last one, waits for another to come.
    if (mine) return isLeaving ? 'again' : 'not-wanted';
    const wait: Wait = { deadlineMs: Math.min(deadlineMs, nowMs + toldWithinMs), signal };
    try {
      const reply = await peers.call(owner.id, holdRequest(this.#deps, owner.id, space, hash, key, entry, true), wait);
      if (reply.is === 'applied') {
        if (topology.placeOf(hash).owner.id !== owner.id) return 'again';
        letGo(this.#deps, space, key, entry.version, owner.id);
        return 'taken';
      }
      return reply.is === 'not-owner' ? 'again' : 'refused';
    } catch {
      return 'again';
    }
  }
}

const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(ms, resolve);
  });
