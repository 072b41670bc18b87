import type { Guards } from '../coherence/guards.js';
import type { HybridClock } from '../coherence/hybrid-clock.js';
import { embargoMs } from '../coherence/leases.js';
import type { GetOptions } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerNetwork } from '../ports/peers.js';
import type { Entry } from '../store/entry.js';
import type { Keyspace } from './keyspace.js';
import type { LeaseKeeper } from './lease-keeper.js';
import type { Spared } from './spared.js';
import type { Takeovers } from './takeovers.js';
import type { Topology } from './topology.js';
import type { Vouches } from './vouches.js';

/** What reads, writes and all that serves them build on. */
export interface PathDeps {
  readonly clock: Clock;
  readonly hybrid: HybridClock;
  readonly peers: PeerNetwork;
  readonly topology: Topology;
  readonly leases: LeaseKeeper;
  readonly takeovers: Takeovers;
  readonly vouches: Vouches;
  readonly spared: Spared;
  readonly guards: Guards;
  readonly self: () => NodeInfo;
}

/** What a read asks for beside the key. */
export interface ReadTerms {
  /** Loads that wait for this answer. */
  readonly loading: readonly string[];
  /** Nothing older; 0: anything. */
  readonly minVersion: number;
  /** The owner answers, or nobody. */
  readonly fromOwner: boolean;
}

/** Of a read that nobody waits for. */
export const anyTerms: ReadTerms = Object.freeze({ loading: [], minVersion: 0, fromOwner: false });

export const termsOf = (loading: readonly string[], options: GetOptions | undefined): ReadTerms => ({
  loading,
  minVersion: options?.minVersion ?? 0,
  fromOwner: options?.consistency === 'owner',
});

/** What memory holds will do for a read with these options. */
export const isNewEnough = ({ version, owner }: Entry, { minVersion = 0, consistency }: GetOptions): boolean =>
  version >= minVersion && (consistency !== 'owner' || owner === '');

/** A node that is not the key's owner, as this one sees it, has written it: who answers for the slot may not have heard of that. */
export function contest(
  { guards, clock, vouches }: Pick<PathDeps, 'guards' | 'clock' | 'vouches'>,
  { slots }: Pick<Keyspace, 'slots'>,
  slot: number,
  by: string,
  version: number,
): void {
  const nowMs = clock.nowMs();
  if (guards.embargo) slots.embargo(slot, nowMs + embargoMs, by, nowMs);
  vouches.toldLate([{ id: by, to: version }]);
}

/**
 * Whoever owned a key of another node within the last minute, and may not have heard yet that it is not theirs, tells this node of its
 * writes. Where one does not, the owner hears of such a write and this node does not: it asks the owner each time, and keeps nothing.
 */
export const hearsFormerOwners = ({ topology, leases }: Pick<PathDeps, 'topology' | 'leases'>, hash: number): boolean =>
  topology
    .previousOwners(hash)
    .every(({ id }) => leases.holds(id) || !topology.wasOwner(id, hash) || !topology.isThere(id));
