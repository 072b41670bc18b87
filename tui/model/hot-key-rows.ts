import type { Track } from './track.js';

/** One key over all nodes that answer: each counts the reads of its own callers. */
export interface HotKeyRow {
  readonly id: string;
  readonly keyspace: string;
  readonly key: string;
  readonly perSecond: number;
  /** Part of all reads of the keyspace. */
  readonly share: number;
  readonly owner: string;
  readonly nodes: readonly { readonly node: string; readonly perSecond: number }[];
}

interface Found {
  readonly keyspace: string;
  readonly key: string;
  readonly owners: string[];
  hits: number;
  readonly nodes: { readonly node: string; readonly perSecond: number }[];
}

/** The hottest first. */
export function hotKeyRows(answering: readonly Track[]): readonly HotKeyRow[] {
  const keys = new Map<string, Found>();
  const totals = new Map<string, number>();
  for (const { name: node, latest } of answering) {
    for (const keyspace of latest?.hotKeys?.keyspaces ?? []) {
      totals.set(keyspace.name, (totals.get(keyspace.name) ?? 0) + keyspace.hits);
      for (const { key, hits, hits_per_second: perSecond, owner } of keyspace.keys) {
        const id = hotKeyId(keyspace.name, key);
        const found: Found = keys.get(id) ?? { keyspace: keyspace.name, key, owners: [], hits: 0, nodes: [] };
        found.hits += hits;
        found.owners.push(owner);
        found.nodes.push({ node, perSecond });
        keys.set(id, found);
      }
    }
  }
  return [...keys]
    .map(([id, found]): HotKeyRow => {
      const total = totals.get(found.keyspace) ?? 0;
      return {
        id,
        keyspace: found.keyspace,
        key: found.key,
        perSecond: found.nodes.reduce((sum, { perSecond }) => sum + perSecond, 0),
        share: total > 0 ? Math.min(1, found.hits / total) : 0,
        owner: mostFrequent(found.owners),
        nodes: found.nodes,
      };
    })
    .sort((a, b) => b.perSecond - a.perSecond || (a.id < b.id ? -1 : 1));
}

/** Keyspaces and keys may hold anything; JSON keeps them apart. */
export const hotKeyId = (keyspace: string, key: string): string => JSON.stringify([keyspace, key]);

/** Nodes may see different rings for a moment. */
function mostFrequent(values: readonly string[]): string {
  const votes = (value: string): number => values.filter((other) => other === value).length;
  return values.reduce((best, value) => (votes(value) > votes(best) ? value : best), values[0] ?? '');
}
