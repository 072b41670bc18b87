import { invalidArgument } from '../base/errors.js';
import { type HybridClock, skewLimit } from '../coherence/hybrid-clock.js';
import { readFloors } from '../coherence/slots.js';
import type { Clock } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerNetwork } from '../ports/peers.js';
import type { Keyspace } from './keyspace.js';
import type { Topology } from './topology.js';

/** How long a peer may take to take note; if its link breaks before, the next link says it anew. */
const toldWithinMs = 10_000;

export interface RepairDeps {
  readonly clock: Clock;
  readonly hybrid: HybridClock;
  readonly peers: PeerNetwork;
  readonly topology: Topology;
}

/**
 * Makes good what two nodes may have missed of each other while they were not linked: the first thing each says on a new
 * link is how new its knowledge of writes is, slot by slot. The other drops every entry that could be older than such a
 * write. An entry is compared with the *peer's* floor, never floor with floor: equal floors say nothing about entries.
 */
export class Repair {
  readonly #deps: RepairDeps;

  constructor(deps: RepairDeps) {
    this.#deps = deps;
  }

  /** To be called in the turn in which the link came up, so that nothing goes before it. */
  tell(peer: NodeInfo, spaces: Iterable<Keyspace>): void {
    const { peers, clock } = this.#deps;
    const wait = { deadlineMs: clock.nowMs() + toldWithinMs };
    for (const space of spaces) {
      const floors = space.slots.floors();
      if (floors === undefined) continue;
      // A failure means that the link is gone again, and with it the need.
      peers.call(peer.id, { do: 'floors', keyspace: space.name, floors }, wait).catch(() => {});
    }
  }

  /** Throws INVALID_ARGUMENT where the bytes are no floors. */
  take(space: Keyspace, bytes: Uint8Array): void {
    const { hybrid, topology } = this.#deps;
    const floors = readFloors(bytes, hybrid.now() + skewLimit);
    if (floors === undefined) throw invalidArgument(`${bytes.byteLength} bytes are no floors of a keyspace`);
    const { slots, store } = space;
    const older: string[] = [];
    store.forEach(({ key, version, wasPut }) => {
      const floor = floors[slots.slotOf(topology.hash(key))]!;
      // What was loaded bears this node's clock, which may be ahead of the writer's by the skew that is allowed.
      if (floor > 0 && version < floor + skewLimit && !(wasPut && version >= floor)) older.push(key);
    });
    for (const key of older) store.delete(key, 'invalidated');
    slots.bumpAll();
    slots.raise(floors);
  }
}
