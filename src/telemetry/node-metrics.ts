import type { EngineCounts } from '../engine/counts.js';
import type { KeyspaceStatus, NodeStatus, PeerStatus } from '../ports/cache.js';
import type { SourceStatus } from '../ports/source-status.js';
import type { ServerCounts } from '../transport/grpc-server.js';
import type { LinkCounts } from '../transport/session-counts.js';
import { clientLimits, clientMetrics } from './client-metrics.js';
import { gossipMetrics } from './gossip-metrics.js';
import { keyspaceMetrics } from './keyspace-metrics.js';
import type { Metric, Point } from './metric.js';

/** Of the admin endpoints. */
export interface AdminReading {
  readonly requests: number;
  readonly throttled: number;
  readonly denied: number;
  readonly failed: number;
  readonly followers: number;
}

/** What a node has counted since it started, and what it holds now. */
export interface NodeReading {
  readonly status: NodeStatus;
  readonly peers: readonly PeerStatus[];
  readonly keyspaces: readonly KeyspaceStatus[];
  /** What stands before each data source, by keyspace. */
  readonly sources: ReadonlyMap<string, SourceStatus>;
  readonly engine: EngineCounts;
  /** undefined: it has no links, as it does not listen. */
  readonly links: LinkCounts | undefined;
  readonly clients: ServerCounts | undefined;
  readonly admin: AdminReading | undefined;
}

type NodeMetric = Metric<NodeReading>;

const direction = (transmit: number, receive: number): readonly Point[] => [
  { value: transmit, attributes: { 'network.io.direction': 'transmit' } },
  { value: receive, attributes: { 'network.io.direction': 'receive' } },
];

/** One point, or none where the node does not listen. */
const ofLinks = (value: (links: LinkCounts) => number): NodeMetric['points'] => {
  return ({ links }) => (links === undefined ? [] : [{ value: value(links) }]);
};
const ofEngine = (value: (engine: EngineCounts) => number): NodeMetric['points'] => {
  return ({ engine }) => [{ value: value(engine) }];
};

const engineMetrics: readonly NodeMetric[] = [
  {
    name: 'distcache.operations.active',
    kind: 'sum',
    unit: '{operation}',
    description: 'Reads that memory could not answer, and writes, of callers on this node that are under way.',
    points: ofEngine(({ operationsActive }) => operationsActive),
  },
  {
    name: 'distcache.requests.active',
    kind: 'sum',
    unit: '{request}',
    description: 'Requests of other nodes that wait for a load or a write here.',
    points: ofEngine(({ requestsActive }) => requestsActive),
  },
  {
    name: 'distcache.events.subscribers',
    kind: 'sum',
    unit: '{subscriber}',
    description: 'Who follows the events of this node.',
    points: ofEngine(({ eventSubscribers }) => eventSubscribers),
  },
  {
    name: 'distcache.events.queued',
    kind: 'sum',
    unit: '{event}',
    description: 'Events that wait for subscribers.',
    points: ofEngine(({ eventsQueued }) => eventsQueued),
  },
  {
    name: 'distcache.leases.renewals',
    kind: 'counter',
    unit: '{renewal}',
    description: 'Leases asked of other nodes.',
    attributes: ['distcache.outcome'],
    points: ({ engine }) => [
      { value: engine.leasesRenewed, attributes: { 'distcache.outcome': 'renewed' } },
      { value: engine.leasesFailed, attributes: { 'distcache.outcome': 'failed' } },
    ],
  },
  {
    name: 'distcache.leases.held',
    kind: 'sum',
    unit: '{lease}',
    description: 'Linked nodes whose copies this node may serve now.',
    points: ofEngine(({ leasesHeld }) => leasesHeld),
  },
  {
    name: 'distcache.leases.regained',
    kind: 'counter',
    unit: '{time}',
    description: 'Times that this node had lost touch with half of the others and found it again.',
    points: ofEngine(({ touchRegained }) => touchRegained),
  },
  {
    name: 'distcache.writers.known',
    kind: 'sum',
    unit: '{node}',
    description: 'Nodes of which it is remembered up to which write this one has heard of theirs: the latest 1,024.',
    points: ofEngine(({ writersKnown }) => writersKnown),
  },
  {
    name: 'distcache.writers.unsure',
    kind: 'sum',
    unit: '{node}',
    description:
      'Nodes of whose writes this one has missed some, and that have yet to say that they wrote none of its keys: at most 1,024.',
    points: ofEngine(({ writersUnsure }) => writersUnsure),
  },
  {
    name: 'distcache.writers.late',
    kind: 'sum',
    unit: '{node}',
    description:
      'Nodes whose writes this one was told of late, in the last minute, so that others have to vouch for them: at most 1,024.',
    points: ofEngine(({ writersLate }) => writersLate),
  },
  {
    name: 'distcache.writes.remembered',
    kind: 'sum',
    unit: '{write}',
    description:
      'Writes for other nodes whose outcome is told again, not made again, should they be asked for once more: the latest 8,192.',
    points: ofEngine(({ outcomesRemembered }) => outcomesRemembered),
  },
  {
    name: 'distcache.absences.remembered',
    kind: 'sum',
    unit: '{node}',
    description:
      'Nodes that were off the ring, and with which not all that was written meanwhile has been told to and fro: at most 1,024.',
    points: ofEngine(({ absencesRemembered }) => absencesRemembered),
  },
  {
    name: 'distcache.handover.entries',
    kind: 'counter',
    unit: '{entry}',
    description: 'Entries that other nodes have taken over from this one.',
    points: ofEngine(({ entriesHandedOver }) => entriesHandedOver),
  },
  {
    name: 'distcache.handover.waiting',
    kind: 'sum',
    unit: '{entry}',
    description:
      'Entries that are to go to other nodes and have not gone yet. What has not gone a minute after a change is let go.',
    points: ofEngine(({ entriesLeaving }) => entriesLeaving),
  },
  {
    name: 'distcache.takeovers',
    kind: 'counter',
    unit: '{time}',
    description:
      'Times that the others were asked what they know, before this node answered with what it took over from one that is gone.',
    attributes: ['distcache.outcome'],
    points: ({ engine }) => [
      { value: engine.takeoversTold, attributes: { 'distcache.outcome': 'told' } },
      { value: engine.takeoversUntold, attributes: { 'distcache.outcome': 'unanswered' } },
    ],
  },
  {
    name: 'distcache.cluster.members',
    kind: 'gauge',
    unit: '{node}',
    description: 'Members as this node sees them, itself included.',
    attributes: ['distcache.member.state'],
    points: ({ peers }) => {
      const states = ['alive', 'suspect', 'draining', 'dead', 'left'] as const;
      return states.map((state) => ({
        value: peers.filter((peer) => peer.state === state).length,
        attributes: { 'distcache.member.state': state },
      }));
    },
  },
  {
    name: 'distcache.cluster.serving',
    kind: 'gauge',
    unit: '{node}',
    description: 'Members that answer for keys, as this node sees them.',
    points: ({ status }) => [{ value: status.peers }],
  },
  {
    name: 'distcache.ring.share',
    kind: 'gauge',
    unit: '1',
    description: 'Part of the key space that this node owns.',
    points: ({ status }) => [{ value: status.ringShare }],
  },
];

const linkMetrics: readonly NodeMetric[] = [
  {
    name: 'distcache.peer.links',
    kind: 'sum',
    unit: '{link}',
    description: 'Links to other nodes that stand.',
    points: ofLinks(({ links }) => links),
  },
  {
    name: 'distcache.peer.links.opened',
    kind: 'counter',
    unit: '{link}',
    description: 'Links that came up.',
    points: ofLinks(({ linksOpened }) => linksOpened),
  },
  {
    name: 'distcache.peer.dials.failed',
    kind: 'counter',
    unit: '{dial}',
    description: 'Dials that led to no link.',
    points: ofLinks(({ dialsFailed }) => dialsFailed),
  },
  {
    name: 'distcache.peer.io',
    kind: 'counter',
    unit: 'By',
    description: 'Bytes of frames on links.',
    attributes: ['network.io.direction'],
    points: ({ links }) => (links === undefined ? [] : direction(links.bytesOut, links.bytesIn)),
  },
  {
    name: 'distcache.peer.frames',
    kind: 'counter',
    unit: '{frame}',
    description: 'Frames on links; one carries many operations.',
    attributes: ['network.io.direction'],
    points: ({ links }) => (links === undefined ? [] : direction(links.framesOut, links.framesIn)),
  },
  {
    name: 'distcache.peer.operations',
    kind: 'counter',
    unit: '{operation}',
    description: 'Requests, answers and cancels on links.',
    attributes: ['network.io.direction'],
    points: ({ links }) => (links === undefined ? [] : direction(links.operationsOut, links.operationsIn)),
  },
  {
    name: 'distcache.peer.calls.active',
    kind: 'sum',
    unit: '{call}',
    description: 'Requests to other nodes that wait for their answer.',
    points: ofLinks(({ inflight }) => inflight),
  },
  {
    name: 'distcache.peer.requests.active',
    kind: 'sum',
    unit: '{request}',
    description: 'Requests of other nodes whose answer has not left.',
    points: ofLinks(({ serving }) => serving),
  },
  {
    name: 'distcache.peer.requests.usage',
    kind: 'sum',
    unit: 'By',
    description: 'Of these, what they take in memory.',
    points: ofLinks(({ askedBytes }) => askedBytes),
  },
  {
    name: 'distcache.peer.outbox.usage',
    kind: 'sum',
    unit: 'By',
    description: 'Waiting to leave on links, an upper bound.',
    points: ofLinks(({ queuedBytes }) => queuedBytes),
  },
  {
    name: 'distcache.peer.faults',
    kind: 'counter',
    unit: '{operation}',
    description: 'What came over links and was not as it should be, and requests of other nodes that were refused.',
    attributes: ['distcache.fault'],
    points: ({ links }) => {
      if (links === undefined) return [];
      const { lateAnswers, refused, notUnderstood, skewed, late, linksRefused } = links;
      const faults = {
        late_answer: lateAnswers,
        late_write: late,
        refused_request: refused,
        not_understood: notUnderstood,
        clock_skewed: skewed,
        refused_link: linksRefused,
      };
      return Object.entries(faults).map(([fault, value]) => ({ value, attributes: { 'distcache.fault': fault } }));
    },
  },
];

const adminMetrics: readonly NodeMetric[] = [
  {
    name: 'distcache.admin.requests',
    kind: 'counter',
    unit: '{request}',
    description: 'Requests to the admin endpoints, by what became of them.',
    attributes: ['distcache.outcome'],
    points: ({ admin }) => {
      if (admin === undefined) return [];
      const { requests, throttled, denied, failed } = admin;
      const outcomes = { answered: requests - throttled - denied - failed, throttled, denied, failed };
      return Object.entries(outcomes).map(([outcome, value]) => ({
        value,
        attributes: { 'distcache.outcome': outcome },
      }));
    },
  },
  {
    name: 'distcache.admin.followers',
    kind: 'sum',
    unit: '{client}',
    description: 'Clients that follow events at the admin endpoints.',
    points: ({ admin }) => (admin === undefined ? [] : [{ value: admin.followers }]),
  },
];

/** The limits, and what each has turned away. A limit of every keyspace counts by keyspace. */
const limitMetric: NodeMetric = {
  name: 'distcache.limit.refusals',
  kind: 'counter',
  unit: '{refusal}',
  description: 'What was refused or dropped because a limit was reached.',
  attributes: ['distcache.limit', 'distcache.keyspace'],
  points: ({ engine, links, clients, admin, keyspaces, sources }) => {
    const node = {
      operations: engine.operationsRefused,
      event_subscribers: engine.subscribersRefused,
      event_queue: engine.eventsMissed,
      ...(links && {
        peer_calls: links.callsRefused,
        peer_requests: links.requestsRefused,
        peer_bytes: links.bytesRefused,
        peer_links: links.linksTooMany,
        peer_greetings: links.greetingsRefused,
        peer_invitations: links.invitationsDropped,
      }),
      ...(clients && clientLimits(clients)),
      ...(admin && { admin_requests: admin.throttled }),
    };
    const ofKeyspaces = keyspaces.flatMap(({ name, stats }) =>
      Object.entries({
        flights: stats.reads_refused,
        source_queue: sources.get(name)?.counts.overloaded,
        source_rate: sources.get(name)?.counts.rateLimited,
        entry_bytes: stats.entries_too_large,
      }).flatMap(([limit, value]) => (value === undefined ? [] : point(limit, value, name))),
    );
    return [...Object.entries(node).flatMap(([limit, value]) => point(limit, value)), ...ofKeyspaces];
  },
};

const point = (limit: string, value: number, keyspace?: string): readonly Point[] => [
  {
    value,
    attributes: {
      'distcache.limit': limit,
      ...(keyspace === undefined ? {} : { 'distcache.keyspace': keyspace }),
    },
  },
];

/** All that is read from a node's counters, in the order of the documentation. */
export const nodeMetrics: readonly NodeMetric[] = [
  ...keyspaceMetrics,
  limitMetric,
  ...engineMetrics,
  ...linkMetrics,
  ...clientMetrics(({ clients }: NodeReading) => clients),
  ...adminMetrics,
  ...gossipMetrics,
];
