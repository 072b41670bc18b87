import type { DrainResult } from '../ports/cache.js';
import { type Clock, remainingMs, type Wait } from '../ports/clock.js';
import type { Entry } from '../store/entry.js';
import type { Keyspace } from './keyspace.js';
import type { ReplicaDeps } from './replicas.js';
import { holdRequest } from './replicas.js';

/** Entries on their way at a time. */
const atOnce = 128;
/** Of keys and values in one drain; the entries most worth keeping go first, the others are asked for while this node is up. */
const budgetBytes = 1024 ** 3;
/** New owners hear of their keys by gossip: whoever does not know yet is told again. */
const againMs = 200;
const toldWithinMs = 2000;
/** A new owner that has written to a key's slot takes nothing of it from who has not heard of that yet: it is asked so often. */
const refusalsMax = 10;

interface Leaving {
  readonly space: Keyspace;
  readonly entry: Entry;
  refusals: number;
}

/** Hands what a node holds to those who own it now, the entries most worth keeping first. For a node that leaves. */
export class Handover {
  readonly #deps: ReplicaDeps;

  constructor(deps: ReplicaDeps) {
    this.#deps = deps;
  }

  /** Ends at the deadline with what it has done by then. Never rejects. */
  async push(spaces: Iterable<Keyspace>, wait: Wait): Promise<DrainResult> {
    let waiting = this.#leaving(spaces);
    const total = waiting.length;
    let handedOver = 0;
    while (waiting.length > 0 && this.#hasTime(wait)) {
      const later: Leaving[] = [];
      for (let at = 0; at < waiting.length; at += atOnce) {
        const batch = waiting.slice(at, at + atOnce);
        if (!this.#hasTime(wait)) {
          later.push(...waiting.slice(at));
          break;
        }
        const outcomes = await Promise.all(batch.map((leaving) => this.#push(leaving, wait)));
        for (const [index, outcome] of outcomes.entries()) {
          if (outcome === 'taken') handedOver++;
          else if (outcome === 'again') later.push(batch[index]!);
          else if (outcome === 'refused' && ++batch[index]!.refusals < refusalsMax) later.push(batch[index]!);
        }
      }
      waiting = later;
      if (waiting.length > 0) await pause(this.#deps.clock, againMs);
    }
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

  async #push(
    { space, entry }: Leaving,
    { deadlineMs, signal }: Wait,
  ): Promise<'taken' | 'again' | 'refused' | 'not-wanted'> {
    const { topology, peers, clock } = this.#deps;
    const { key } = entry;
    // Asked for, overwritten or expired meanwhile.
    const nowMs = clock.nowMs();
    if (space.store.peek(key) !== entry || entry.keepUntilMs <= nowMs) return 'not-wanted';
    const { hash, owner, mine } = topology.place(key);
    if (mine) return 'again';
    const wait: Wait = { deadlineMs: Math.min(deadlineMs, nowMs + toldWithinMs), signal };
    try {
      const reply = await peers.call(owner.id, holdRequest(this.#deps, owner.id, space, hash, key, entry), wait);
      if (reply.is === 'applied') return 'taken';
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
