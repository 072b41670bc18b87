import type { KeyspaceDocument } from '../../src/ports/admin.js';
import { addRates, noRates, type Rates, ratesOf, type Stats, spanMs, type Track } from './track.js';

export interface KeyspaceOnNode {
  readonly node: string;
  readonly document: KeyspaceDocument;
  readonly usedBytes: number;
  readonly rates: Rates | undefined;
}

/** One keyspace over all nodes that answer. */
export interface KeyspaceRow {
  readonly id: string;
  readonly name: string;
  /** What a node was told for it; nodes may differ while a change is on its way. */
  readonly document: KeyspaceDocument;
  readonly usedBytes: number;
  readonly maxBytes: number;
  readonly entries: number;
  readonly rates: Rates | undefined;
  readonly nodes: readonly KeyspaceOnNode[];
  /** Nodes that answer and don't have it. */
  readonly missingOn: readonly string[];
}

export const usedBytesOf = (document: KeyspaceDocument): number => document.main_cache_bytes + document.hot_cache_bytes;

export function keyspaceRows(answering: readonly Track[]): readonly KeyspaceRow[] {
  const telling = answering.filter(({ latest }) => latest?.keyspaces !== undefined);
  const found = new Map<string, KeyspaceOnNode[]>();
  for (const track of telling) {
    const ms = spanMs(track.previous, track.latest);
    const before = statsByName(track.previous?.keyspaces?.keyspaces);
    for (const document of track.latest!.keyspaces!.keyspaces) {
      const previous = before.get(document.name);
      const rates = ms === undefined || previous === undefined ? undefined : ratesOf(previous, document.stats, ms);
      const entry = { node: track.name, document, usedBytes: usedBytesOf(document), rates };
      const list = found.get(document.name);
      if (list === undefined) found.set(document.name, [entry]);
      else list.push(entry);
    }
  }
  const names = telling.map(({ name }) => name);
  return [...found].map(([name, nodes]) => rowOf(name, nodes, names)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

const statsByName = (documents: readonly KeyspaceDocument[] = []): ReadonlyMap<string, Stats> =>
  new Map(documents.map(({ name, stats }) => [name, stats]));

function rowOf(name: string, nodes: readonly KeyspaceOnNode[], telling: readonly string[]): KeyspaceRow {
  const rates = nodes.flatMap((node) => node.rates ?? []);
  const on = new Set(nodes.map(({ node }) => node));
  return {
    id: name,
    name,
    document: nodes[0]!.document,
    usedBytes: sum(nodes, ({ usedBytes }) => usedBytes),
    maxBytes: sum(nodes, ({ document }) => document.max_bytes),
    entries: sum(nodes, ({ document }) => document.stats.entries ?? 0),
    rates: rates.length === 0 ? undefined : rates.reduce(addRates, noRates),
    nodes,
    missingOn: telling.filter((node) => !on.has(node)),
  };
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);
