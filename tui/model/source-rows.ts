import type { SourceDocument } from '../../src/ports/admin.js';
import { spanMs, type Track } from './track.js';

export interface SourceOnNode {
  readonly node: string;
  readonly document: SourceDocument;
  readonly loadsPerSecond: number | undefined;
  readonly errorsPerSecond: number | undefined;
}

/** What stands before one keyspace's data source, over all nodes that answer: each has a breaker of its own. */
export interface SourceRow {
  readonly id: string;
  readonly keyspace: string;
  /** The gravest of all nodes. */
  readonly state: SourceDocument['state'];
  /** How many nodes are in that state. */
  readonly inState: number;
  /** In a row, on the node that has most. */
  readonly failures: number;
  readonly failuresToOpen: number | null;
  /** The earliest. */
  readonly nextProbeMs: number | null;
  /** The emptiest; null: none has one. */
  readonly bucket: SourceDocument['bucket'];
  readonly inFlight: number;
  readonly queued: number;
  readonly opened: number;
  readonly loadsPerSecond: number | undefined;
  readonly errorsPerSecond: number | undefined;
  readonly nodes: readonly SourceOnNode[];
}

export const breakerGravity: readonly SourceDocument['state'][] = ['off', 'closed', 'half-open', 'open'];
const graveness = (state: SourceDocument['state']): number => breakerGravity.indexOf(state);

export function sourceRows(answering: readonly Track[]): readonly SourceRow[] {
  const found = new Map<string, SourceOnNode[]>();
  for (const { name: node, latest, previous } of answering) {
    const seconds = (spanMs(previous, latest) ?? Number.NaN) / 1000;
    const before = new Map((previous?.breakers?.sources ?? []).map((source) => [source.keyspace, source]));
    for (const document of latest?.breakers?.sources ?? []) {
      const old = before.get(document.keyspace);
      const rate = (now: number, then: number | undefined): number | undefined =>
        then === undefined || Number.isNaN(seconds) ? undefined : Math.max(0, now - then) / seconds;
      const entry: SourceOnNode = {
        node,
        document,
        loadsPerSecond: rate(document.loads + document.load_errors, old && old.loads + old.load_errors),
        errorsPerSecond: rate(document.load_errors, old?.load_errors),
      };
      const list = found.get(document.keyspace);
      if (list === undefined) found.set(document.keyspace, [entry]);
      else list.push(entry);
    }
  }
  return [...found].map(([keyspace, nodes]) => rowOf(keyspace, nodes)).sort((a, b) => (a.id < b.id ? -1 : 1));
}

function rowOf(keyspace: string, nodes: readonly SourceOnNode[]): SourceRow {
  const documents = nodes.map(({ document }) => document);
  const state = documents.map((document) => document.state).reduce((a, b) => (graveness(b) > graveness(a) ? b : a));
  const probes = documents.flatMap(({ next_probe_ms: ms }) => ms ?? []);
  const buckets = documents.flatMap(({ bucket }) => bucket ?? []);
  const total = (of: (document: SourceDocument) => number): number => documents.reduce((sum, one) => sum + of(one), 0);
  return {
    id: keyspace,
    keyspace,
    state,
    inState: documents.filter((document) => document.state === state).length,
    failures: Math.max(...documents.map(({ failures }) => failures)),
    failuresToOpen: documents[0]!.failures_to_open,
    nextProbeMs: probes.length === 0 ? null : Math.min(...probes),
    bucket: buckets.length === 0 ? null : buckets.reduce((a, b) => (b.level / b.burst < a.level / a.burst ? b : a)),
    inFlight: total(({ in_flight: n }) => n),
    queued: total(({ queued: n }) => n),
    opened: total(({ opened: n }) => n),
    loadsPerSecond: sumOf(nodes.map(({ loadsPerSecond }) => loadsPerSecond)),
    errorsPerSecond: sumOf(nodes.map(({ errorsPerSecond }) => errorsPerSecond)),
    nodes,
  };
}

function sumOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0);
}
