import type { Outcome, PeerReply } from '../ports/peers.js';
import type { Entry } from '../store/entry.js';

/** What an entry and an answer have in common. */
export type Known = Pick<Entry, 'value' | 'version' | 'expiresAtMs' | 'wasPut' | 'sourceVersion'>;

/** @param floor how new this node's knowledge of writes to the key's slot is */
export function knownReply(known: Known, outcome: Outcome, floor: number, nowMs: number): PeerReply {
  const { version, wasPut, value, expiresAtMs, sourceVersion } = known;
  const leftMs = remainingLifeMs(expiresAtMs, nowMs);
  const lifeMs = outcome === 'stale' ? leftMs : Math.max(0, leftMs);
  return value === null
    ? { is: 'absent', version, lifeMs, outcome, floor }
    : { is: 'value', value, version, lifeMs, outcome, wasPut, sourceVersion, floor };
}

/** Lifetimes travel as durations. Below zero: it expired so long ago. */
export const remainingLifeMs = (expiresAtMs: number, nowMs: number): number => expiresAtMs - nowMs;
