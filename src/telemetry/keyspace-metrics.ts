import type { KeyspaceStatus } from '../ports/cache.js';
import type { SourceStatus } from '../ports/source-status.js';
import type { Metric, Point } from './metric.js';

export interface KeyspacesReading {
  readonly keyspaces: readonly KeyspaceStatus[];
  readonly sources: ReadonlyMap<string, SourceStatus>;
}

type KeyspaceMetric = Metric<KeyspacesReading>;
type Stats = KeyspaceStatus['stats'];

const keyspaceKey = 'distcache.keyspace';

/** One point for each keyspace, from one of its counters. */
const ofStat = (name: string): KeyspaceMetric['points'] => {
  return ({ keyspaces }) => keyspaces.map((space) => pointOf(space.name, space.stats[name] ?? 0));
};

/** Several points for each keyspace, told apart by an attribute. */
const byAttribute = (
  attribute: string,
  valuesOf: (stats: Stats) => Readonly<Record<string, number>>,
): KeyspaceMetric['points'] => {
  return ({ keyspaces }) =>
    keyspaces.flatMap(({ name, stats }) =>
      Object.entries(valuesOf(stats)).map(([value, count]) => pointOf(name, count, { [attribute]: value })),
    );
};

/** As above, from what stands before the data sources. */
const ofSources = (
  pointsOf: (source: SourceStatus) => readonly { readonly value: number; readonly more?: Record<string, string> }[],
): KeyspaceMetric['points'] => {
  return ({ sources }) =>
    [...sources].flatMap(([name, source]) => pointsOf(source).map(({ value, more }) => pointOf(name, value, more)));
};

const pointOf = (keyspace: string, value: number, more: Readonly<Record<string, string>> = {}): Point => ({
  value,
  attributes: { [keyspaceKey]: keyspace, ...more },
});

const outcomeOf = (outcome: string) => ({ 'distcache.outcome': outcome });

const removalPrefix = 'removals_';

/** Why entries are gone: all that the store tells reasons for. */
const removalsOf = (stats: Stats): Record<string, number> => {
  const removals: Record<string, number> = {};
  for (const name of Object.keys(stats)) {
    if (name.startsWith(removalPrefix)) removals[name.slice(removalPrefix.length)] = of(stats, name);
  }
  return removals;
};

const circuitStates = ['closed', 'open', 'half-open'] as const;

export const keyspaceMetrics: readonly KeyspaceMetric[] = [
  {
    name: 'distcache.reads',
    kind: 'counter',
    unit: '{read}',
    description: 'Reads by what they came to in memory: an own entry, a copy, a remembered absence, or nothing.',
    attributes: [keyspaceKey, 'distcache.outcome'],
    points: byAttribute('distcache.outcome', (stats) => ({
      hit: of(stats, 'cache_hits') - of(stats, 'hot_hits') - of(stats, 'negative_hits'),
      hot: of(stats, 'hot_hits'),
      negative: of(stats, 'negative_hits'),
      miss: of(stats, 'gets') - of(stats, 'cache_hits'),
    })),
  },
  {
    name: 'distcache.reads.coalesced',
    kind: 'counter',
    unit: '{read}',
    description: 'Reads that waited for an answer that another read had asked for.',
    attributes: [keyspaceKey],
    points: ofStat('loads_coalesced'),
  },
  {
    name: 'distcache.reads.stale',
    kind: 'counter',
    unit: '{read}',
    description: 'Reads answered past the expiry of their entry, at once or as the data source failed.',
    attributes: [keyspaceKey],
    points: ofStat('stale_hits'),
  },
  {
    name: 'distcache.refreshes',
    kind: 'counter',
    unit: '{load}',
    description:
      'Loads begun behind an answer that was past its expiry, or ahead of need: by warm, for warm keys and for hot keys.',
    attributes: [keyspaceKey],
    points: ofStat('refreshes'),
  },
  {
    name: 'distcache.reads.served',
    kind: 'counter',
    unit: '{read}',
    description: 'Reads that other nodes asked of this one; distcache.reads counts them too.',
    attributes: [keyspaceKey],
    points: ofStat('server_requests'),
  },
  {
    name: 'distcache.flights',
    kind: 'counter',
    unit: '{flight}',
    description: 'Answers asked for, of the data source or of another node, each once however many reads waited.',
    attributes: [keyspaceKey],
    points: ofStat('loads_deduped'),
  },
  {
    name: 'distcache.flights.abandoned',
    kind: 'counter',
    unit: '{flight}',
    description: 'Flights given up because nobody waited any more.',
    attributes: [keyspaceKey],
    points: ofStat('loads_abandoned'),
  },
  {
    name: 'distcache.flights.active',
    kind: 'sum',
    unit: '{flight}',
    description: 'Flights under way.',
    attributes: [keyspaceKey],
    points: ofStat('reads_running'),
  },
  {
    name: 'distcache.peer.loads',
    kind: 'counter',
    unit: '{load}',
    description: 'Answers fetched from other nodes, and those that could not be.',
    attributes: [keyspaceKey, 'distcache.outcome'],
    points: byAttribute('distcache.outcome', (stats) => ({
      answered: of(stats, 'peer_loads'),
      failed: of(stats, 'peer_errors'),
    })),
  },
  {
    name: 'distcache.source.loads',
    kind: 'counter',
    unit: '{load}',
    description: 'Loads from the data source by what they came to, those that were refused before it included.',
    attributes: [keyspaceKey, 'distcache.outcome'],
    points: ofSources(({ counts }) => {
      const { answered, failed, cancelled, circuitOpen, rateLimited, overloaded } = counts;
      const named = { answered, failed, cancelled, overloaded, circuit_open: circuitOpen, rate_limited: rateLimited };
      return Object.entries(named).map(([outcome, value]) => ({ value, more: outcomeOf(outcome) }));
    }),
  },
  {
    name: 'distcache.source.loads.active',
    kind: 'sum',
    unit: '{load}',
    description: 'Loads that have a place before the data source.',
    attributes: [keyspaceKey],
    points: ofSources(({ running }) => [{ value: running }]),
  },
  {
    name: 'distcache.source.loads.queued',
    kind: 'sum',
    unit: '{load}',
    description: 'Loads that wait for a place, or for a token of the rate limit.',
    attributes: [keyspaceKey, 'distcache.queue'],
    points: ofSources(({ queued, rateLimit }) => [
      { value: queued, more: { 'distcache.queue': 'place' } },
      { value: rateLimit?.waiting ?? 0, more: { 'distcache.queue': 'token' } },
    ]),
  },
  {
    name: 'distcache.source.batches',
    kind: 'counter',
    unit: '{question}',
    description: 'Questions to the data source for several keys at once.',
    attributes: [keyspaceKey],
    points: ofStat('batches'),
  },
  {
    name: 'distcache.source.batched_keys',
    kind: 'counter',
    unit: '{key}',
    description: 'Keys that were asked for in such a question.',
    attributes: [keyspaceKey],
    points: ofStat('batched_keys'),
  },
  {
    name: 'distcache.source.breaker.state',
    kind: 'gauge',
    unit: '1',
    description: 'The state of the circuit breaker: 1 for the one it is in. Absent where there is none.',
    attributes: [keyspaceKey, 'distcache.breaker.state'],
    points: ofSources(({ breaker }) =>
      breaker === undefined
        ? []
        : circuitStates.map((state) => ({
            value: Number(breaker.state === state),
            more: { 'distcache.breaker.state': state },
          })),
    ),
  },
  {
    name: 'distcache.source.breaker.opened',
    kind: 'counter',
    unit: '{time}',
    description: 'Times that the circuit breaker opened.',
    attributes: [keyspaceKey],
    points: ofSources(({ breaker }) => (breaker === undefined ? [] : [{ value: breaker.opened }])),
  },
  {
    name: 'distcache.source.tokens',
    kind: 'gauge',
    unit: '{token}',
    description: 'Tokens in the bucket of the rate limit. Absent where there is none.',
    attributes: [keyspaceKey],
    points: ofSources(({ rateLimit }) => (rateLimit === undefined ? [] : [{ value: rateLimit.tokens }])),
  },
  {
    name: 'distcache.loads.unkept',
    kind: 'counter',
    unit: '{load}',
    description: 'Answers that were served and not kept: a write fell into the load, or the owner was out of reach.',
    attributes: [keyspaceKey],
    points: ofStat('unkept_loads'),
  },
  {
    name: 'distcache.writes',
    kind: 'counter',
    unit: '{write}',
    description: 'Writes that this node carried out as the owner.',
    attributes: [keyspaceKey, 'distcache.operation'],
    points: byAttribute('distcache.operation', (stats) => ({
      put: of(stats, 'puts'),
      delete: of(stats, 'deletes'),
    })),
  },
  {
    name: 'distcache.invalidations',
    kind: 'counter',
    unit: '{invalidation}',
    description: 'Writes that this node was told of by their owner.',
    attributes: [keyspaceKey],
    points: ofStat('invalidations'),
  },
  {
    name: 'distcache.sweeps',
    kind: 'counter',
    unit: '{sweep}',
    description: 'Deletes by tag or prefix that this node carried out. What they removed is in distcache.removals.',
    attributes: [keyspaceKey],
    points: ofStat('sweeps'),
  },
  {
    name: 'distcache.sweeps.forgotten',
    kind: 'counter',
    unit: '{sweep}',
    description: 'Of these, those beyond the latest 64: what other nodes load from before them is not kept.',
    attributes: [keyspaceKey],
    points: ofStat('sweeps_forgotten'),
  },
  {
    name: 'distcache.recalls',
    kind: 'counter',
    unit: '{load}',
    description: 'Answers of nodes that owned the key before.',
    attributes: [keyspaceKey],
    points: ofStat('recalls'),
  },
  {
    name: 'distcache.stand_ins',
    kind: 'counter',
    unit: '{read}',
    description: 'Reads that another node than the owner was asked for, as the owner was out of reach.',
    attributes: [keyspaceKey],
    points: ofStat('stand_ins'),
  },
  {
    name: 'distcache.ring.disagreements',
    kind: 'counter',
    unit: '{read}',
    description: 'Reads asked of a node that did not believe to be the owner.',
    attributes: [keyspaceKey],
    points: ofStat('ring_disagreements'),
  },
  {
    name: 'distcache.entries.received',
    kind: 'counter',
    unit: '{entry}',
    description: 'Entries taken for their owner, as its replica or as the owner to come.',
    attributes: [keyspaceKey],
    points: ofStat('entries_received'),
  },
  {
    name: 'distcache.keys.passed_on',
    kind: 'sum',
    unit: '{key}',
    description: 'Keys remembered as taken over by another node, so that nobody takes them for lost: the latest 8,192.',
    attributes: [keyspaceKey],
    points: ofStat('keys_passed_on'),
  },
  {
    name: 'distcache.copies.checked',
    kind: 'counter',
    unit: '{copy}',
    description: "Copies compared with their owner's entry: a few each second.",
    attributes: [keyspaceKey],
    points: ofStat('copies_checked'),
  },
  {
    name: 'distcache.copies.stale',
    kind: 'counter',
    unit: '{copy}',
    description:
      'Copies that were found not to be current. Anything but 0 is a fault of the protocol; see coherence.md.',
    attributes: [keyspaceKey],
    points: ofStat('stale_copies'),
  },
  {
    name: 'distcache.entries',
    kind: 'sum',
    unit: '{entry}',
    description: 'Entries in memory.',
    attributes: [keyspaceKey],
    points: ofStat('entries'),
  },
  {
    name: 'distcache.entries.held',
    kind: 'sum',
    unit: '{entry}',
    description: 'Entries in memory that are kept for their owner.',
    attributes: [keyspaceKey],
    points: ofStat('held_entries'),
  },
  {
    name: 'distcache.memory.usage',
    kind: 'sum',
    unit: 'By',
    description: 'Accounted bytes of keys, values and overhead: of own and held entries, and of copies.',
    attributes: [keyspaceKey, 'distcache.memory.part'],
    points: byAttribute('distcache.memory.part', (stats) => ({
      main: of(stats, 'main_cache_bytes'),
      hot: of(stats, 'hot_cache_bytes'),
    })),
  },
  {
    name: 'distcache.memory.limit',
    kind: 'sum',
    unit: 'By',
    description: 'What a keyspace may take: its maxBytes.',
    attributes: [keyspaceKey],
    points: ({ keyspaces }) => keyspaces.map(({ name, maxBytes }) => pointOf(name, maxBytes)),
  },
  {
    name: 'distcache.removals',
    kind: 'counter',
    unit: '{entry}',
    description: 'Entries that are gone, by reason.',
    attributes: [keyspaceKey, 'distcache.removal.reason'],
    points: byAttribute('distcache.removal.reason', removalsOf),
  },
];

function of(stats: Stats, name: string): number {
  return stats[name] ?? 0;
}

/**
 * Counters of a keyspace that no metric shows because another does, under a better name; and durations, which have
 * histograms. Whatever else a keyspace counts has a metric.
 */
export const shownElsewhere: readonly RegExp[] = [
  /^(loads|remove_keys_requests|removed_keys|evictions|expirations)$/,
  /^(local_loads|local_load_errs|loads_running|loads_queued)$/,
  /_p\d+_ms$/,
];
