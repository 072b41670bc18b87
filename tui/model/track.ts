import type { ErrorCode } from '../../src/base/errors.js';
import type {
  BreakersDocument,
  EventDocument,
  HotKeysDocument,
  KeyspacesDocument,
  NodeDocument,
  PeersDocument,
} from '../../src/ports/admin.js';

/** What one node told in one poll. Documents that this node could not give are undefined. */
export interface Sample {
  /** When the answer was here, by our monotonic clock. */
  readonly atMs: number;
  readonly node: NodeDocument;
  readonly peers: PeersDocument;
  readonly keyspaces: KeyspacesDocument | undefined;
  readonly hotKeys: HotKeysDocument | undefined;
  readonly breakers: BreakersDocument | undefined;
}

export interface PollFailure {
  /** Of the first failure since the last answer. */
  readonly sinceMs: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/** One node over time. */
export interface Track {
  readonly name: string;
  /** `host:port` of its admin server; 'off' where it has none. */
  readonly admin: string;
  readonly latest: Sample | undefined;
  /** The one before it: two make rates. */
  readonly previous: Sample | undefined;
  /** Since the latest sample. */
  readonly failure: PollFailure | undefined;
  /** Requests per second, one for each poll, oldest first; undefined where there was no answer. */
  readonly history: readonly (number | undefined)[];
}

/** Events and where they come from. */
export interface Feed {
  /** The newest last. `id` grows. */
  readonly events: readonly { readonly id: number; readonly event: EventDocument }[];
  /** Older ones that were let go. */
  readonly dropped: number;
  /** Name of the node that is followed; '' while none is. */
  readonly teller: string;
}

/** Everything that was polled. */
export interface Watched {
  readonly tracks: readonly Track[];
  /** Nodes that are not watched, since there are too many. */
  readonly leftOut: number;
  readonly feed: Feed;
  /** Why the node that was named answers nothing, while no node was ever heard of. */
  readonly failure: PollFailure | undefined;
}

export const historyMax = 120;

/** Milliseconds between two samples by the node's own clock; undefined where the node was started anew in between. */
export function spanMs(previous: Sample | undefined, latest: Sample | undefined): number | undefined {
  if (previous === undefined || latest === undefined || previous.node.id !== latest.node.id) return undefined;
  const ms = latest.node.uptime_ms - previous.node.uptime_ms;
  return ms > 0 ? ms : undefined;
}

export type Stats = Readonly<Record<string, number>>;

/** Growth of counters per second. */
export interface Rates {
  /** Asked by callers: reads that other nodes pass on count where they were asked. */
  readonly requests: number;
  /** Reads by callers. */
  readonly reads: number;
  /** Reads that this node's memory was looked up for, those of other nodes included, and what it answered of them. */
  readonly gets: number;
  readonly hits: number;
  /** Asked of the data source, answered or not. */
  readonly sourceLoads: number;
  readonly sourceErrors: number;
  readonly coalesced: number;
  readonly evictions: number;
  readonly expirations: number;
}

export const noRates: Rates = {
  requests: 0,
  reads: 0,
  gets: 0,
  hits: 0,
  sourceLoads: 0,
  sourceErrors: 0,
  coalesced: 0,
  evictions: 0,
  expirations: 0,
};

/** Written out, as is `addRates`: 200 keyspaces on 50 nodes are 10,000 of each at every refresh. */
export function ratesOf(previous: Stats, latest: Stats, ms: number): Rates {
  const perSecond = 1000 / ms;
  const rate = (name: string): number => Math.max(0, (latest[name] ?? 0) - (previous[name] ?? 0)) * perSecond;
  const gets = rate('gets');
  const reads = Math.max(0, gets - rate('server_requests'));
  const sourceErrors = rate('local_load_errs');
  return {
    requests: reads + rate('puts') + rate('deletes'),
    reads,
    gets,
    hits: rate('cache_hits'),
    sourceLoads: rate('local_loads') + sourceErrors,
    sourceErrors,
    coalesced: rate('loads_coalesced'),
    evictions: rate('evictions'),
    expirations: rate('expirations'),
  };
}

export const addRates = (a: Rates, b: Rates): Rates => ({
  requests: a.requests + b.requests,
  reads: a.reads + b.reads,
  gets: a.gets + b.gets,
  hits: a.hits + b.hits,
  sourceLoads: a.sourceLoads + b.sourceLoads,
  sourceErrors: a.sourceErrors + b.sourceErrors,
  coalesced: a.coalesced + b.coalesced,
  evictions: a.evictions + b.evictions,
  expirations: a.expirations + b.expirations,
});

/** Part of the looks into memory that found something; undefined where nobody looked. */
export const hitRatio = ({ gets, hits }: Rates): number | undefined =>
  gets > 0 ? Math.min(1, hits / gets) : undefined;

/** Part of the callers' reads that took no load from a data source, whichever node's memory answered. */
export const servedRatio = ({ reads, sourceLoads }: Rates): number | undefined =>
  reads > 0 ? Math.max(0, 1 - sourceLoads / reads) : undefined;

/** Of a track, as far as its samples go. */
export function nodeRates({ previous, latest }: Pick<Track, 'previous' | 'latest'>): Rates | undefined {
  const ms = spanMs(previous, latest);
  return ms === undefined ? undefined : ratesOf(previous!.node.totals, latest!.node.totals, ms);
}
