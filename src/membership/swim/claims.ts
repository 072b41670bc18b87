import type { Alive, Dead, NodeName, Suspect, U32, Vsn } from '../messages.js';
import { type Context, can, type Due } from './context.js';
import { sameBytes, sameEndpoint } from './effects.js';
import { type Entry, isGone, type Standing, viewOf } from './members.js';
import { confirmed, newSuspicion, suspicionEndsMs } from './suspicion.js';

/**
 * What is believed of each member, and why it changes. Three claims travel: alive, suspect, dead, each about an
 * incarnation that only the member itself raises. A higher incarnation beats a lower one; at the same incarnation
 * suspect beats alive and dead beats both, so a member that is accused wrongly has to raise its own to be believed.
 *
 * | known / claim | alive, higher | suspect, same or higher | dead, same or higher |
 * |---|---|---|---|
 * | alive   | alive (data updated) | suspect            | dead, or left if it says so itself |
 * | suspect | alive                | one more accuser   | dead, or left |
 * | dead    | alive (joins)        | -                  | - |
 * | left    | alive (joins)        | -                  | - |
 * | unknown | alive (joins)        | -                  | - |
 *
 * Lower incarnations are ignored throughout, as is alive at the same. A name is bound to its endpoint until it left, or
 * was dead for `deadReclaimMs`, or is forgotten. Source: Das et al., "SWIM" (2002), and hashicorp/memberlist.
 */

const suspicionKey = (name: NodeName): string => `suspicion:${name}`;
const pleaKey = (name: NodeName): string => `plea:${name}`;

/** Names longer than this are refused: a table of members must not be filled by a few messages. */
const nameCharsMax = 512;

/** The one way in which a member's standing changes; keeps the suspicion's timer in step with it. */
function move(context: Context, entry: Entry, standing: Standing): void {
  entry.standing = standing;
  const { schedule } = context;
  if (standing.is === 'suspect') {
    const endMs = suspicionEndsMs(standing.suspicion);
    schedule.set(suspicionKey(entry.name), endMs, { is: 'suspicionEnd', entry });
    planPlea(context, entry, endMs);
  } else {
    schedule.clear(suspicionKey(entry.name));
    schedule.clear(pleaKey(entry.name));
  }
}

/** Each in the middle of the time that is left, as long as an answer could come in time: about five in all. */
function planPlea({ config, schedule, nowMs }: Context, entry: Entry, endMs: number): void {
  const waitMs = (endMs - nowMs) / 2;
  if (waitMs >= config.probeTimeoutMs) schedule.set(pleaKey(entry.name), nowMs + waitMs, { is: 'plea', entry });
}

/**
 * Tells a suspect to its face what is held against it. memberlist leaves that to gossip and to the chance that the suspect
 * is probed next; on a lossy network a denial then misses one member in some thousand, and a healthy node is declared dead.
 * Whoever lives answers this ping, and its denial rides on the answer.
 */
export function onPlea(context: Context, { entry }: Extract<Due, { is: 'plea' }>): void {
  const { standing, name: node, incarnation } = entry;
  if (standing.is !== 'suspect' || context.members.get(node) !== entry) return;
  const ping = context.ping(context.nextSeqNo(), node);
  context.send(entry, [ping, { is: 'suspect', incarnation, node, from: context.self.name }], can(entry, 'checksums'));
  planPlea(context, entry, suspicionEndsMs(standing.suspicion));
}

function credible(context: Context, claim: Alive): boolean {
  const { node, addr, port, meta, vsn } = claim;
  const { self } = context;
  const [pMin, pMax] = vsn;
  return (
    node !== '' &&
    node.length <= nameCharsMax &&
    (addr.length === 4 || addr.length === 16) &&
    port > 0 &&
    meta.length <= context.config.metaBytesMax &&
    pMin > 0 &&
    pMax >= pMin &&
    // Who cannot talk with us would make every later exchange of state fail its check, whoever it is with.
    (node === self.name || (fits(vsn, self.vsn, 0) && fits(vsn, self.vsn, 3)))
  );
}

/** Each speaks the version that the other uses: of the protocol, from 0 on, or of the application, from 3 on. */
const fits = (a: Vsn, b: Vsn, at: 0 | 3): boolean => {
  const [aMin, aMax, aCur] = a.slice(at) as [number, number, number];
  const [bMin, bMax, bCur] = b.slice(at) as [number, number, number];
  return aMin <= bCur && bCur <= aMax && bMin <= aCur && aCur <= bMax;
};

/** A member is alive, so says itself or somebody who heard it. */
export function onAlive(context: Context, claim: Alive): void {
  const { counts, config, self, members } = context;
  if (claim.node === self.name && context.leaving) return;
  if (!credible(context, claim)) {
    counts.malformed++;
    return;
  }
  const known = members.get(claim.node);
  if (known === undefined) {
    join(context, claim);
    return;
  }
  const moved = !sameEndpoint(known, claim);
  if (moved && !mayMove(known, config.deadReclaimMs, context.nowMs)) {
    counts.conflicts++;
    context.tell({ is: 'conflict', member: viewOf(known), claimed: { addr: claim.addr, port: claim.port } });
    return;
  }
  if (known === self) onAliveSelf(context, claim);
  else if (claim.incarnation <= known.incarnation && !(moved && claim.incarnation > 0)) counts.stale++;
  else accept(context, known, claim);
}

function mayMove(known: Entry, deadReclaimMs: number, nowMs: number): boolean {
  const { is, sinceMs } = known.standing;
  return is === 'left' || (is === 'dead' && deadReclaimMs > 0 && nowMs - sinceMs > deadReclaimMs);
}

function join(context: Context, claim: Alive): void {
  const { addr, port, incarnation, meta, vsn } = claim;
  if (incarnation === 0) {
    context.counts.stale++;
    return;
  }
  const standing = { is: 'alive', sinceMs: context.nowMs } as const;
  const entry: Entry = { name: claim.node, addr, port, incarnation, meta, vsn, standing };
  if (!context.members.add(entry)) {
    context.counts.membersRefused++;
    return;
  }
  context.broadcasts.queue(claim);
  context.tell({ is: 'joined', member: viewOf(entry) });
}

function accept(context: Context, entry: Entry, claim: Alive): void {
  const before = entry.standing.is;
  const changed = !sameBytes(entry.meta, claim.meta);
  const { addr, port, incarnation, meta, vsn } = claim;
  Object.assign(entry, { addr, port, incarnation, meta, vsn });
  if (before !== 'alive') move(context, entry, { is: 'alive', sinceMs: context.nowMs });
  context.broadcasts.queue(claim);
  if (before === 'dead' || before === 'left') context.tell({ is: 'joined', member: viewOf(entry) });
  else {
    if (before === 'suspect') context.tell({ is: 'recovered', member: viewOf(entry) });
    // Among the living a higher incarnation alone is news, too: the member denied what this node never heard of.
    if (changed || before === 'alive') context.tell({ is: 'updated', member: viewOf(entry) });
  }
}

/** Somebody spreads a state of ours: if it isn't the one we are in (an earlier life's, perhaps), we outbid it. */
function onAliveSelf(context: Context, claim: Alive): void {
  const { self } = context;
  const same = claim.incarnation === self.incarnation;
  const equal = sameBytes(claim.meta, self.meta) && claim.vsn.every((version, i) => version === self.vsn[i]);
  if (claim.incarnation < self.incarnation || (same && equal)) context.counts.stale++;
  else refute(context, claim.incarnation);
}

/** `from` could not reach a member. */
export function onSuspect(context: Context, claim: Suspect): void {
  const { counts, config, members } = context;
  const known = members.get(claim.node);
  if (known === undefined || claim.incarnation < known.incarnation) {
    onStaleAccusation(context, known);
    return;
  }
  const { standing } = known;
  if (standing.is === 'suspect') {
    const suspicion = confirmed(standing.suspicion, claim.from);
    if (suspicion === undefined) return;
    move(context, known, { ...standing, suspicion });
    context.broadcasts.queue(claim);
    return;
  }
  if (standing.is !== 'alive') {
    counts.stale++;
    return;
  }
  if (known === context.self) {
    refute(context, claim.incarnation);
    return;
  }
  known.incarnation = claim.incarnation;
  const suspicion = newSuspicion(config, members.size, claim.from, context.nowMs);
  move(context, known, { is: 'suspect', sinceMs: context.nowMs, suspicion });
  context.broadcasts.queue(claim);
  context.tell({ is: 'suspect', member: viewOf(known) });
}

/** A member's time to refute is over, or it leaves and says so itself. */
export function onDead(context: Context, claim: Dead): void {
  const known = context.members.get(claim.node);
  if (known === undefined || claim.incarnation < known.incarnation || isGone(known)) {
    onStaleAccusation(context, known);
    return;
  }
  if (known === context.self && !context.leaving) {
    refute(context, claim.incarnation);
    return;
  }
  known.incarnation = claim.incarnation;
  const left = claim.node === claim.from;
  move(context, known, { is: left ? 'left' : 'dead', sinceMs: context.nowMs });
  context.broadcasts.queue(claim);
  if (known !== context.self) context.tell({ is: left ? 'left' : 'failed', member: viewOf(known) });
}

/** The suspicion of a member ran out. Void when it was refuted or forgotten meanwhile. */
export function onSuspicionEnd(context: Context, { entry }: Extract<Due, { is: 'suspicionEnd' }>): void {
  if (entry.standing.is !== 'suspect' || context.members.get(entry.name) !== entry) return;
  onDead(context, { is: 'dead', incarnation: entry.incarnation, node: entry.name, from: context.self.name });
}

/**
 * An accusation of a life or a doubt that is past. Where it is about this node, its sender has missed that we denied it
 * (each sends a denial a limited number of times, and all of those can be lost): so it is said again.
 */
function onStaleAccusation(context: Context, known: Entry | undefined): void {
  const { counts, broadcasts, self } = context;
  counts.stale++;
  if (known !== self || context.leaving || broadcasts.hasAbout(self.name)) return;
  counts.reminded++;
  announce(context);
}

/** Denies what was claimed of this node at `accused`, by an incarnation above it. To be accused is a sign of being slow. */
function refute(context: Context, accused: U32): void {
  const { self } = context;
  context.counts.refuted++;
  context.awareness.apply(1);
  raise(self, Math.max(self.incarnation, accused));
  announce(context);
  context.tell({ is: 'refuted' });
}

/** Wraps as everybody's 32 bits do, past 0, which never counts as alive. */
function raise(self: Entry, above: U32): void {
  self.incarnation = (above + 1) >>> 0 || 1;
}

/** Spreads this node's state as it is. */
export function announce(context: Context): void {
  const { name, addr, port, incarnation, meta, vsn } = context.self;
  context.broadcasts.queue({ is: 'alive', incarnation, node: name, addr, port, meta, vsn });
}

/** True when it is news. */
export function changeMeta(context: Context, meta: Uint8Array): boolean {
  const { self } = context;
  if (context.leaving || sameBytes(self.meta, meta)) return false;
  self.meta = meta;
  raise(self, self.incarnation);
  announce(context);
  return true;
}
