import type { Cancel, Clock } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { DialProblem } from '../ports/peers.js';
import type { Random } from '../ports/random.js';

/*
 * The addresses that a node keeps links to. Each is dialled until a link with the node behind it stands, whichever side
 * opened that link, and again when it breaks: for ever, with exponential back-off and full jitter, so that a restarted
 * node is not met by all others in the same instant.
 */

const backoffFirstMs = 100;
const backoffLastMs = 5_000;
/** A peer that said goodbye to stop is not back sooner than this. */
const leftMs = 1_000;
/** A link that lived shorter than this was no success: the back-off goes on growing. */
const settledMs = 5_000;
/** Addresses that peers asked us to dial, at a time; more are not taken. */
const invitedMax = 256;
/** How often such an address is tried in vain before it is forgotten: its node will ask again. */
const invitedFailuresMax = 6;
/** The same problem of the same address is told once in this time. */
const repeatProblemMs = 60_000;

type Step =
  /** Nothing to do: a link with the node behind the address stands, or it is our own. */
  | { readonly is: 'idle' }
  | { readonly is: 'waiting'; readonly cancel: Cancel }
  | { readonly is: 'dialling'; readonly cancel: Cancel };

export interface Target {
  readonly address: string;
  /** Asked for by `dial`; otherwise a peer invited us. */
  wanted: boolean;
  step: Step;
  failures: number;
  /** Who lived there when it last answered. */
  peerId: string | undefined;
  told: { message: string; atMs: number } | undefined;
}

export interface TargetDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Whether a link stands with the node at this address, or with this id. */
  stands(address: string, peerId: string | undefined): boolean;
  /** Opens a stream to it; ends in one of `linked`, `failed`, `pointless`. The returned function breaks it off. */
  attempt(target: Target): Cancel;
  tell(problem: DialProblem): void;
}

export class DialTargets {
  readonly #deps: TargetDeps;
  readonly #targets = new Map<string, Target>();
  failures = 0;
  /** Invitations that were not taken up for want of room. */
  dropped = 0;

  constructor(deps: TargetDeps) {
    this.#deps = deps;
  }

  want(address: string): void {
    const known = this.#targets.get(address);
    if (known !== undefined) known.wanted = true;
    else this.#add(address, true);
  }

  /** Dials an address because the node there may not dial us. */
  invite(address: string): void {
    const known = this.#targets.get(address);
    if (known !== undefined) {
      if (known.step.is === 'waiting') this.#wait(known, 0);
      return;
    }
    const invited = [...this.#targets.values()].filter((target) => !target.wanted);
    if (invited.length < invitedMax) this.#add(address, false);
    else this.dropped++;
  }

  unwant(address: string): void {
    const target = this.#targets.get(address);
    if (target !== undefined) this.#drop(target);
  }

  /** The attempt led to a link with this peer. */
  linked(target: Target, peer: NodeInfo): void {
    target.peerId = peer.id;
    target.step = { is: 'idle' };
    target.told = undefined;
  }

  /** The attempt led to nothing: again after a while. `message` is undefined where that is in order. */
  failed(target: Target, message: string | undefined, passing: boolean): void {
    if (this.#targets.get(target.address) !== target) return;
    this.failures++;
    target.failures++;
    target.step = { is: 'idle' };
    if (message !== undefined) this.#tell(target, message, passing);
    if (!target.wanted && target.failures >= invitedFailuresMax) this.#drop(target);
    else this.#wait(target, this.#backoffMs(target));
  }

  /** The attempt showed that this address is never to be dialled. */
  pointless(target: Target, message: string): void {
    target.step = { is: 'idle' };
    this.#tell(target, message, false);
  }

  peerUp(peer: NodeInfo): void {
    for (const target of this.#of(peer)) {
      target.peerId = peer.id;
      target.told = undefined;
      if (target.step.is !== 'waiting') continue;
      target.step.cancel();
      target.step = { is: 'idle' };
    }
  }

  peerDown(peer: NodeInfo, leaving: boolean, livedMs: number): void {
    for (const target of this.#of(peer)) {
      if (livedMs >= settledMs) target.failures = 0;
      if (target.step.is !== 'idle') continue;
      if (!target.wanted && leaving) this.#drop(target);
      else this.#wait(target, (leaving ? leftMs : 0) + this.#backoffMs(target));
    }
  }

  close(): void {
    for (const target of [...this.#targets.values()]) this.#drop(target);
  }

  #of({ id, address }: NodeInfo): Target[] {
    return [...this.#targets.values()].filter((target) => target.peerId === id || target.address === address);
  }

  #add(address: string, wanted: boolean): void {
    const step: Step = { is: 'idle' };
    const target: Target = { address, wanted, step, failures: 0, peerId: undefined, told: undefined };
    this.#targets.set(address, target);
    this.#wait(target, 0);
  }

  #drop(target: Target): void {
    this.#targets.delete(target.address);
    if (target.step.is !== 'idle') target.step.cancel();
    target.step = { is: 'idle' };
  }

  #wait(target: Target, delayMs: number): void {
    if (target.step.is !== 'idle') target.step.cancel();
    target.step = {
      is: 'waiting',
      cancel: this.#deps.clock.after(delayMs, () => this.#attempt(target), { background: true }),
    };
  }

  #attempt(target: Target): void {
    target.step = { is: 'idle' };
    if (this.#deps.stands(target.address, target.peerId)) return;
    let cancel: Cancel | undefined;
    target.step = { is: 'dialling', cancel: () => cancel?.() };
    // The attempt may end, and change the step, before it returns.
    cancel = this.#deps.attempt(target);
  }

  /** Full jitter: anything up to a limit that doubles with each failure. */
  #backoffMs(target: Target): number {
    const limitMs = Math.min(backoffLastMs, backoffFirstMs * 2 ** Math.min(target.failures, 16));
    return this.#deps.random.next() * limitMs;
  }

  #tell(target: Target, message: string, passing: boolean): void {
    const nowMs = this.#deps.clock.nowMs();
    const { told } = target;
    if (told !== undefined && told.message === message && nowMs - told.atMs < repeatProblemMs) return;
    target.told = { message, atMs: nowMs };
    this.#deps.tell({ address: target.address, message, passing });
  }
}
