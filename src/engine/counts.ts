import type { EventHub } from './events.js';
import type { Handover } from './handover.js';
import type { Inflight } from './inflight.js';
import type { LeaseKeeper } from './lease-keeper.js';
import type { Once } from './once.js';
import type { Spared } from './spared.js';
import type { Takeovers } from './takeovers.js';
import type { Topology } from './topology.js';
import type { Vouches } from './vouches.js';

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
  /** Nodes of which it is remembered up to which write this one has heard of theirs. */
  readonly writersKnown: number;
  /** Nodes of whose writes this one has missed some, and that have yet to say that they wrote none of its keys. */
  readonly writersUnsure: number;
  /** Nodes whose writes this one was told of late, so that others are asked whether they have heard of them. */
  readonly writersLate: number;
  /** Nodes that were off the ring, and with which not all that was written meanwhile has been told to and fro. */
  readonly absencesRemembered: number;
  /** Writes of peers whose outcome is told again, should they ask once more. */
  readonly outcomesRemembered: number;
  /** Entries that went over to other nodes, and those that wait for that. */
  readonly entriesHandedOver: number;
  readonly entriesLeaving: number;
  /** Times that others were asked for what they know before this node answered with what it took over. */
  readonly takeoversTold: number;
  readonly takeoversUntold: number;
}

export interface Counted {
  readonly inflight: Inflight;
  readonly served: Inflight;
  readonly events: EventHub;
  readonly leases: LeaseKeeper;
  readonly handover: Handover;
  readonly takeovers: Takeovers;
  readonly topology: Pick<Topology, 'absences'>;
  readonly spared: Pick<Spared, 'size'>;
  readonly once: Pick<Once, 'size'>;
  readonly vouches: Pick<Vouches, 'size'>;
}

export function engineCounts(counted: Counted): EngineCounts {
  const { inflight, served, events, leases, handover, takeovers, topology, spared, once, vouches } = counted;
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
    writersKnown: leases.leases.writers,
    writersUnsure: spared.size,
    writersLate: vouches.size,
    absencesRemembered: topology.absences.size,
    outcomesRemembered: once.size,
    entriesHandedOver: handover.handedOver,
    entriesLeaving: handover.waiting,
    takeoversTold: takeovers.counts.told,
    takeoversUntold: takeovers.counts.untold,
  };
}
