import type { EventHub } from './events.js';
import type { Inflight } from './inflight.js';
import type { LeaseKeeper } from './lease-keeper.js';

/** What an engine counts beside its keyspaces: gauges of now, and the rest since start. */
export interface EngineCounts {
  /** Of callers on this node, those that are more than a look into memory. */
  readonly operationsActive: number;
  readonly operationsRefused: number;
  /** Of other nodes, those that wait for a load or a write here. */
  readonly requestsActive: number;
  readonly eventSubscribers: number;
  readonly subscribersRefused: number;
  readonly eventsQueued: number;
  readonly eventsMissed: number;
  readonly leasesHeld: number;
  readonly leasesRenewed: number;
  readonly leasesFailed: number;
  /** Times that it had lost touch with half of the others and found it again. */
  readonly touchRegained: number;
}

export interface Counted {
  readonly inflight: Inflight;
  readonly served: Inflight;
  readonly events: EventHub;
  readonly leases: LeaseKeeper;
}

export function engineCounts({ inflight, served, events, leases }: Counted): EngineCounts {
  const { subscribers, queued, missed, refused } = events.counts();
  return {
    operationsActive: inflight.count,
    operationsRefused: inflight.refused,
    requestsActive: served.count,
    eventSubscribers: subscribers,
    subscribersRefused: refused,
    eventsQueued: queued,
    eventsMissed: missed,
    leasesHeld: leases.held,
    leasesRenewed: leases.counts.renewed,
    leasesFailed: leases.counts.failed,
    touchRegained: leases.counts.regained,
  };
}
