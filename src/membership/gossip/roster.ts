import { joinAddress } from '../../base/addresses.js';
import { ipOfBytes } from '../../base/ip.js';
import type { Member, MemberChange, MemberState, NodeInfo } from '../../ports/membership.js';
import type { NodeName } from '../messages.js';
import { nameOfText, textOfName } from '../names.js';
import type { SwimMember } from '../swim/effects.js';
import { decodeMeta, type NodeMeta, type NodePhase } from './node-meta.js';

interface Row {
  readonly member: Member;
  /** A cache node, not another program of the pool. */
  readonly ours: boolean;
  readonly phase: NodePhase;
  /** When it was found gone; undefined while it lives. */
  readonly goneAtMs: number | undefined;
}

/**
 * Members gone for longer than this are no longer listed; beyond `goneMax` the one gone longest is not. Until then a node may
 * know itself to be in the smaller part of a split.
 */
const rememberGoneMs = 600_000;
const goneMax = 1000;

/**
 * The members as the engine sees them, advanced by one event of the core at a time: between two events of one step the
 * core's own table is ahead already, and what is told must be what is listed. This node itself is not in it. As many
 * living members as the core knows, at most.
 */
export class Roster {
  readonly #selfId: string;
  readonly #rows = new Map<NodeName, Row>();
  /** In the order in which they went. */
  readonly #gone = new Set<NodeName>();

  constructor(selfId: string) {
    this.#selfId = selfId;
  }

  /**
   * Takes over what the core says of a member. The changes are to be told in order, each by itself: `told` is called when
   * the list is as the change says.
   */
  take(swim: SwimMember, nowMs: number, told: (change: MemberChange) => void): void {
    const before = this.#rows.get(swim.name);
    const after = this.#rowOf(swim, nowMs);
    const lived = before !== undefined && before.goneAtMs === undefined;
    if (after.goneAtMs !== undefined) {
      if (!lived) return;
      this.#put(swim.name, after);
      told({ is: after.member.state === 'left' ? 'left' : 'failed', member: after.member });
      return;
    }
    const restarted = lived && before.member.id !== after.member.id;
    if (restarted) {
      // Another process under the same name: its predecessor is gone, whether anybody saw it go or not.
      const member: Member = { ...before.member, state: 'left', serving: false };
      this.#put(swim.name, { ...before, member, goneAtMs: nowMs });
      told({ is: 'left', member });
    }
    this.#put(swim.name, after);
    const { member } = after;
    if (!lived || restarted) told({ is: 'joined', member });
    else if (!sameMember(before.member, member)) told({ is: 'updated', member });
  }

  /** In no order; each name once, though two names of bytes may read the same. */
  list(nowMs: number): readonly Member[] {
    for (const name of this.#gone) {
      if (nowMs - this.#rows.get(name)!.goneAtMs! <= rememberGoneMs) break;
      this.#forget(name);
    }
    const byText = new Map<string, Row>();
    for (const row of this.#rows.values()) {
      const other = byText.get(row.member.name);
      if (other === undefined || (row.ours && !other.ours)) byText.set(row.member.name, row);
    }
    return [...byText.values()].map(({ member }) => member);
  }

  /** Somebody else is alive or may be, of whatever program. */
  get hasCompany(): boolean {
    return this.#rows.size > this.#gone.size;
  }

  /** Other cache nodes that are alive and no more in doubt, and do not go. */
  get countable(): number {
    let count = 0;
    for (const row of this.#rows.values()) if (row.ours && row.member.state === 'alive') count++;
    return count;
  }

  /** Other cache nodes to which links are due, those in doubt and those that drain included. */
  linkable(): readonly Member[] {
    return [...this.#rows.values()].filter((row) => row.ours && row.goneAtMs === undefined).map(({ member }) => member);
  }

  #put(name: NodeName, row: Row): void {
    this.#rows.set(name, row);
    this.#gone.delete(name);
    if (row.goneAtMs === undefined) return;
    this.#gone.add(name);
    if (this.#gone.size > goneMax) this.#forget(this.#gone.values().next().value!);
  }

  #forget(name: NodeName): void {
    this.#gone.delete(name);
    this.#rows.delete(name);
  }

  #rowOf(swim: SwimMember, nowMs: number): Row {
    const name = textOfName(swim.name);
    const meta = decodeMeta(swim.meta);
    // Our names are UTF-8, and our id is ours alone.
    const ours = meta !== undefined && nameOfText(name) === swim.name && meta.id !== this.#selfId;
    const phase = ours ? meta.phase : 'joining';
    const gone = swim.state === 'dead' || swim.state === 'left';
    const state: MemberState = !gone && phase === 'draining' ? 'draining' : swim.state;
    const serving = phase === 'serving' && !gone;
    const member: Member = { ...nodeOf(name, swim, ours ? meta : foreign), state, serving };
    return { member, ours, phase, goneAtMs: gone ? nowMs : undefined };
  }
}

const foreign = { id: '', address: '', admin: '', version: '', weight: 1 } as const;

function nodeOf(name: string, swim: SwimMember, meta: Omit<NodeMeta, 'phase'>): NodeInfo {
  const { id, address, admin, version, weight } = meta;
  const gossip = joinAddress(ipOfBytes(swim.addr) ?? '', swim.port);
  return { id, name, address, admin, gossip, version, weight, incarnation: swim.incarnation };
}

const sameMember = (a: Member, b: Member): boolean =>
  (Object.keys(a) as (keyof Member)[]).every((field) => a[field] === b[field]);
