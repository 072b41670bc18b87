import { codeOf } from '../base/errors.js';
import { Latest } from '../base/latest.js';
import type { Missed } from '../coherence/heard.js';
import type { Heard } from '../ports/peers.js';
import type { PathDeps } from './path.js';
import { handoffMs } from './topology.js';

/** It is answered at once, or the peer is in trouble. */
const toldWithinMs = 1000;
/** Nodes whose writes were told late; of more than this the latest are asked after. */
const lateMax = 1024;
/** Peers that have vouched; of more than this the earliest are asked once more. */
const vouchedMax = 1024;

type VouchDeps = Pick<PathDeps, 'clock' | 'peers' | 'topology' | 'guards'>;

interface Late {
  readonly version: number;
  readonly untilMs: number;
  /** How often something had been told late by then. */
  readonly told: number;
  /** This node has taken it for gone all the while, and it writes: on another side of a split, which heals. */
  isElsewhere: boolean;
}

/**
 * What a peer hands over, unasked or as a key's former owner, must know of every write that this node knows of. Its floor tells,
 * where writes were heard of in one order everywhere. It does not for writes of which this node was told late, as two sides of
 * a split meet or a node joins: the peer may have heard of later ones to other keys of the slot, and of these not. So a peer has
 * to vouch for them once before it is believed. After a minute nobody is a former owner any more.
 */
export class Vouches {
  readonly #deps: VouchDeps;
  /** By the id of who wrote them. */
  readonly #late = new Latest<string, Late>(lateMax);
  /** How often something was told late. */
  #told = 0;
  /** What had been told when a peer last vouched for all of it, by the peer's id. */
  readonly #vouched = new Latest<string, number>(vouchedMax);
  readonly #asking = new Map<string, { readonly told: number; readonly answer: Promise<boolean> }>();

  constructor(deps: VouchDeps) {
    this.#deps = deps;
  }

  /** Of these writes others may not have heard: they came by the floors of another node, or were made by who is no owner. */
  toldLate(writes: readonly Pick<Missed, 'id' | 'to'>[]): void {
    const { clock, topology, guards } = this.#deps;
    if (!guards.vouch) return;
    const untilMs = clock.nowMs() + handoffMs;
    for (const { id, to } of writes) {
      if (to <= (this.#late.get(id)?.version ?? 0)) continue;
      this.#late.set(id, { version: to, untilMs, told: ++this.#told, isElsewhere: !topology.isThere(id) });
    }
  }

  /** Writers of which it is asked whether peers have heard. */
  get size(): number {
    return this.#late.size;
  }

  /** It has written, and was told of late, within a minute. */
  isLate(id: string): boolean {
    const late = this.#late.get(id);
    return late !== undefined && this.#isOpen(late, this.#deps.topology.isThere(id));
  }

  /** The peer has heard of all writes of which this node was told late. */
  isSure(peerId: string): boolean {
    if (this.#late.size === 0 || this.#vouched.get(peerId) === this.#told) return true;
    if (this.#openTo(peerId).length > 0) return false;
    this.#vouched.set(peerId, this.#told);
    return true;
  }

  /**
   * To be called before the peer is asked for what it knows, so that its answer is from after that. undefined: it is sure. Else
   * one question is put to it; who does not say within a second has not heard of all. Never rejects.
   */
  before(peerId: string): Promise<boolean> | undefined {
    const asking = this.#asking.get(peerId);
    if (asking?.told === this.#told) return asking.answer;
    return this.isSure(peerId) ? undefined : this.#put(peerId);
  }

  #put(peerId: string): Promise<boolean> {
    const told = this.#told;
    const answer = this.#ask(peerId, told).finally(() => {
      if (this.#asking.get(peerId)?.answer === answer) this.#asking.delete(peerId);
    });
    this.#asking.set(peerId, { told, answer });
    return answer;
  }

  async #ask(peerId: string, told: number): Promise<boolean> {
    const { peers, clock } = this.#deps;
    const heard: Heard = { versions: this.#openTo(peerId), isWhole: true };
    const isSure = await peers.call(peerId, { do: 'vouch', heard }, { deadlineMs: clock.nowMs() + toldWithinMs }).then(
      ({ is }) => is === 'applied',
      // A node of an earlier release cannot say.
      (error) => codeOf(error) === 'INVALID_ARGUMENT',
    );
    if (isSure) this.#vouched.set(peerId, told);
    return isSure;
  }

  linkLost(peerId: string): void {
    this.#vouched.delete(peerId);
  }

  /** Once it is gone nobody hears of it any more, and whoever needs to has asked (see `Takeovers`). */
  #isOpen(late: Late, isThere: boolean): boolean {
    if (late.untilMs <= this.#deps.clock.nowMs()) return false;
    if (isThere) late.isElsewhere = false;
    return isThere || late.isElsewhere;
  }

  /** What it may not have heard of. */
  #openTo(peerId: string): Heard['versions'] {
    if (this.#late.size === 0) return [];
    const vouched = this.#vouched.get(peerId) ?? 0;
    const there = this.#deps.topology.there();
    const open: [string, number][] = [];
    for (const [id, late] of this.#late) {
      if (!this.#isOpen(late, there.has(id))) this.#late.delete(id);
      else if (id !== peerId && late.told > vouched) open.push([id, late.version]);
    }
    if (this.#late.size === 0) this.#vouched.clear();
    return open;
  }
}
