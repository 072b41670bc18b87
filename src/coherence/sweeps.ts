import { tagFault, textFault } from '../base/tags.js';
import type { Sweep } from '../ports/keyspace-record.js';
import { skewLimit } from './hybrid-clock.js';

/** Of one keyspace. Who was away while more of them were made drops all that is older than the first it missed. */
export const sweepsMax = 64;

/** Bytes of a prefix: with `sweepsMax` of them a record stays small, however long keys may be. */
export const prefixBytesMax = 4096;

/** What is wrong with what is to be deleted, in words; undefined: nothing. */
export const sweepFault = (by: Sweep['by'], text: unknown): string | undefined =>
  by === 'tag' ? tagFault(text) : textFault(text, prefixBytesMax);

export const isSameSweep = (a: Sweep, b: Sweep): boolean =>
  a.version === b.version && a.by === b.by && a.text === b.text;

/** In an order that all nodes share. */
export const compareSweeps = (a: Sweep, b: Sweep): number =>
  a.version - b.version || (`${a.by}${a.text}` < `${b.by}${b.text}` ? -1 : 1);

export interface Swept {
  readonly key: string;
  readonly version: number;
  readonly wasPut: boolean;
  readonly tags: readonly string[];
}

/** As with any write that is heard of: what was put later stays, and what was loaded may be older than it says. */
export const isPutAfter = (version: number, entry: Pick<Swept, 'version' | 'wasPut'>): boolean =>
  entry.wasPut && entry.version > version;

export const matches = (
  { by, text }: Pick<Sweep, 'by' | 'text'>,
  { key, tags }: Pick<Swept, 'key' | 'tags'>,
): boolean => (by === 'tag' ? tags.includes(text) : key.startsWith(text));

/**
 * The entry is from before the sweep. What was loaded bears its owner's clock, which may be ahead of the sweep's by the skew
 * that is allowed: within it an entry counts as older, and costs a load at most.
 */
export const isVoidBy = (sweep: Sweep, entry: Swept): boolean =>
  (entry.wasPut ? entry.version <= sweep.version : entry.version < sweep.version + skewLimit) && matches(sweep, entry);

/** Whether any of them, the latest last, voids the entry. Most entries are later than all, which one look tells. */
export function voidedBy(sweeps: readonly Sweep[], entry: Swept): boolean {
  for (let i = sweeps.length - 1; i >= 0; i--) {
    const sweep = sweeps[i]!;
    if (entry.version >= sweep.version + skewLimit) return false;
    if (isVoidBy(sweep, entry)) return true;
  }
  return false;
}
