import { type EventRow, eventRows } from './event-rows.js';
import { type HotKeyRow, hotKeyRows } from './hot-key-rows.js';
import { type KeyspaceRow, keyspaceRows } from './keyspace-rows.js';
import { type NodeRow, nodeRows } from './node-rows.js';
import { type SourceRow, sourceRows } from './source-rows.js';

import {
  addRates,
  type Feed,
  nodeRates,
  noRates,
  type PollFailure,
  type Rates,
  type Track,
  type Watched,
} from './track.js';

/** The cluster as all nodes together tell it. Holds no ages: those are up to when it is looked at. */
export interface Snapshot {
  readonly label: string;
  readonly nodes: readonly NodeRow[];
  readonly leftOut: number;
  readonly keyspaces: readonly KeyspaceRow[];
  readonly hotKeys: readonly HotKeyRow[];
  readonly sources: readonly SourceRow[];
  readonly events: readonly EventRow[];
  readonly feed: Pick<Feed, 'teller' | 'dropped'>;
  /** Digests of the ring, the one that most nodes see first. More than one: nodes disagree who owns what. */
  readonly ringVersions: readonly string[];
  /** Of all nodes that answer; undefined until two polls were answered. */
  readonly rates: Rates | undefined;
  /** Of the oldest answer among the nodes that answer, or the newest of all where none does; undefined: no answer yet. */
  readonly dataAtMs: number | undefined;
  readonly failure: PollFailure | undefined;
}

/** Rows are made when a view asks for them: 200 keyspaces on 50 nodes are 10,000 to add up, and seldom looked at. */
export function snapshotOf({ tracks, leftOut, feed, failure }: Watched): Snapshot {
  const answering = tracks.filter(({ latest, failure: failed }) => latest !== undefined && failed === undefined);
  const rates = answering.flatMap((track) => nodeRates(track) ?? []);
  const keyspaces = lazy(() => keyspaceRows(answering));
  const hotKeys = lazy(() => hotKeyRows(answering));
  const sources = lazy(() => sourceRows(answering));
  const events = lazy(() => eventRows(feed));
  return {
    label: labelOf(tracks),
    nodes: nodeRows(tracks),
    leftOut,
    get keyspaces() {
      return keyspaces();
    },
    get hotKeys() {
      return hotKeys();
    },
    get sources() {
      return sources();
    },
    get events() {
      return events();
    },
    feed,
    ringVersions: byCount(answering.map(({ latest }) => latest!.node.ring_version)),
    rates: rates.length === 0 ? undefined : rates.reduce(addRates, noRates),
    dataAtMs: dataAtMs(tracks, answering),
    failure,
  };
}

function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

const labelOf = (tracks: readonly Track[]): string =>
  byCount(tracks.flatMap(({ latest }) => latest?.node.label ?? []).filter((label) => label !== ''))[0] ?? '';

function dataAtMs(tracks: readonly Track[], answering: readonly Track[]): number | undefined {
  if (answering.length > 0) return Math.min(...answering.map(({ latest }) => latest!.atMs));
  const last = tracks.flatMap(({ latest }) => latest?.atMs ?? []);
  return last.length === 0 ? undefined : Math.max(...last);
}

/** Each value once, the most frequent first. */
export function byCount(values: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([value]) => value);
}
