/*
 * The guards of the protocol, each with the failure it prevents (docs/coherence.md tells how they work together). All are
 * on, always; the simulation switches them off one at a time, to show that each is needed and that its checkers can fire.
 */

export const guardNames = [
  /** A value that was loaded before a write is not stored after it. */
  'fill-token',
  /** A caller who came after a write joins no flight that began before it. */
  'join-token',
  /** A write is answered only when the peers have applied it. */
  'peer-acks',
  /** A copy is served only under a live lease from its owner. */
  'lease',
  /** A write waits for the lease of a peer that does not confirm. */
  'lease-wait',
  /** Without a lease only flights that begin after the reader came are joined. */
  'join-later',
  /** Two nodes that meet again drop what may be older than the writes the other knows of. */
  'floor-exchange',
  /** No lease before what was missed is made good. */
  'repair-first',
  /** An answer of an owner that knows of fewer writes than the asking node is not stored. */
  'reply-floor',
  /** What comes from a node that has not heard of the latest clear is neither stored nor answered with. */
  'generation',
  /** What comes from before a sweep that this node knows of is not stored, and who waits for it is not joined for a while. */
  'sweep',
  /** A slot that another node than its owner writes to keeps no fills for a while. */
  'embargo',
  /** Who may not have heard of writes that this node was told of late is believed once it has vouched for them. */
  'vouch',
  /** A copy bears the version of its owner's entry, a load the clock of its start. */
  'copy-version',
  'load-version',
  /** An owner that lost touch with the others neither answers from memory nor writes. */
  'owner-lease',
] as const;

export type GuardName = (typeof guardNames)[number];

/** Which guards are on. */
export type Guards = Readonly<Record<GuardName, boolean>>;

export const allGuards: Guards = guardsWithout();

export function guardsWithout(...off: readonly GuardName[]): Guards {
  return Object.fromEntries(guardNames.map((name) => [name, !off.includes(name)])) as Record<GuardName, boolean>;
}
