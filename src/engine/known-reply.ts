import type { Outcome, PeerReply } from '../ports/peers.js';
import type { Entry } from '../store/entry.js';
import type { Keyspace } from './keyspace.js';
import type { HeldEntry, Spared } from './spared.js';

/** What an entry and an answer have in common. */
export type Known = Pick<Entry, 'value' | 'version' | 'expiresAtMs' | 'wasPut' | 'sourceVersion' | 'tags'>;

/** Told of each entry that a node has taken in as its owner. */
export type Kept = (space: Keyspace, key: string, hash: number, known: Known) => void;

/** How new a node's knowledge is: of writes to a slot, and of clears of the keyspace. */
export interface Knowledge {
  readonly floor: number;
  readonly generation: number;
}

export const knowledgeOf = ({ slots, generation }: Keyspace, hash: number): Knowledge => ({
  floor: slots.floor(slots.slotOf(hash)),
  generation,
});

/** As `knowledgeOf`, of what memory holds. */
export const knowledgeOfHeld = (spared: Spared, space: Keyspace, hash: number, held: HeldEntry): Knowledge => {
  const { floor, generation } = knowledgeOf(space, hash);
  return { floor: spared.floorOf(held, floor), generation };
};

export function knownReply(known: Known, outcome: Outcome, { floor, generation }: Knowledge, nowMs: number): PeerReply {
  const { version, wasPut, value, expiresAtMs, sourceVersion, tags } = known;
  const leftMs = remainingLifeMs(expiresAtMs, nowMs);
  const lifeMs = outcome === 'stale' ? leftMs : Math.max(0, leftMs);
  return value === null
    ? { is: 'absent', version, lifeMs, outcome, floor, generation }
    : { is: 'value', value, version, lifeMs, outcome, wasPut, sourceVersion, tags, floor, generation };
}

/** Lifetimes travel as durations. Below zero: it expired so long ago. */
export const remainingLifeMs = (expiresAtMs: number, nowMs: number): number => expiresAtMs - nowMs;
