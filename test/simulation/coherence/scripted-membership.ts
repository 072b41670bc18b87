import type { Cancel, Wait } from '../../../src/ports/clock.js';
import type { Member, MemberChange, MemberState, Membership, NodeInfo } from '../../../src/ports/membership.js';
import type { PeerNetwork } from '../../../src/ports/peers.js';
import type { ProcessClock } from '../../support/membership-pool.js';

/** What a node has been told of another. */
interface Told {
  readonly info: NodeInfo;
  state: MemberState;
  serving: boolean;
}

export interface RumourMill {
  /** Everybody else hears it, each after a while of its own. */
  spread(from: string, info: NodeInfo, state: MemberState, serving: boolean): void;
  /** Nodes that run, for who looks for the cluster. */
  running(by: string): readonly NodeInfo[];
}

/** How often a joiner looks whether all links stand, and how long it waits for them. */
const lookMs = 20;
const joinWithinMs = 5000;

/**
 * A membership that knows what it is told, when it is told: news reaches each node in its own time, so views differ for a
 * while after each change. A node that joins links with everybody first, and says only then that it serves.
 */
export class ScriptedMembership implements Membership {
  readonly #told = new Map<string, Told>();
  readonly #listeners = new Set<(change: MemberChange) => void>();
  #phase: 'joining' | 'serving' | 'draining' | 'left' = 'joining';
  #incarnation: number;

  constructor(
    readonly self: NodeInfo,
    private readonly clock: ProcessClock,
    private readonly peers: PeerNetwork,
    private readonly mill: RumourMill,
  ) {
    this.#incarnation = self.incarnation;
  }

  async start(wait: Wait): Promise<void> {
    const others = this.mill.running(this.self.name).filter(({ id }) => id !== this.self.id);
    for (const other of others) this.hear(other, 'alive', true);
    this.mill.spread(this.self.name, this.info(), 'alive', false);
    const endMs = Math.min(wait.deadlineMs, this.clock.nowMs() + joinWithinMs);
    while (this.clock.nowMs() < endMs) {
      const linked = new Set(this.peers.linked().map(({ id }) => id));
      const due = [...this.#told.values()].filter(({ state }) => state === 'alive');
      if (due.every(({ info }) => linked.has(info.id))) break;
      await new Promise<void>((resolve) => {
        this.clock.after(lookMs, resolve);
      });
    }
    this.#enter('serving');
  }

  drain(): void {
    if (this.#phase === 'serving') this.#enter('draining');
  }

  async stop(): Promise<void> {
    this.#phase = 'left';
    this.mill.spread(this.self.name, this.info(), 'left', false);
    for (const { info } of this.#told.values()) this.peers.undial(info.address);
  }

  members(): readonly Member[] {
    const state: MemberState = this.#phase === 'draining' ? 'draining' : 'alive';
    const own: Member = { ...this.info(), state, serving: this.#phase === 'serving' };
    const others = [...this.#told.values()].map(({ info, state, serving }): Member => ({ ...info, state, serving }));
    return [own, ...others].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  onChange(listener: (change: MemberChange) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  counts(): Readonly<Record<string, number>> {
    return {};
  }

  info(): NodeInfo {
    return { ...this.self, incarnation: this.#incarnation };
  }

  get isServing(): boolean {
    return this.#phase === 'serving';
  }

  stateOf(name: string): MemberState | undefined {
    return this.#told.get(name)?.state;
  }

  /** News of another member. Of two lives of one name the later one counts. */
  hear(info: NodeInfo, state: MemberState, serving: boolean): void {
    if (this.#phase === 'left' || info.name === this.self.name) return;
    const known = this.#told.get(info.name);
    if (known !== undefined && known.info.id !== info.id && (state === 'dead' || state === 'left')) return;
    if (known?.state === 'left' && known.info.id === info.id) return;
    const isGone = state === 'dead' || state === 'left';
    const lived = known !== undefined && known.state !== 'dead' && known.state !== 'left';
    const restarted = lived && known.info.id !== info.id;
    if (restarted) {
      // Another process under the same name: its predecessor is gone, whether anybody saw it go or not.
      known.state = 'left';
      known.serving = false;
      this.#tell({ is: 'left', member: { ...known.info, state: 'left', serving: false } });
    }
    this.#told.set(info.name, { info, state, serving });
    if (state === 'alive') this.peers.dial(info.address);
    if (state === 'left' || state === 'dead') this.peers.undial(info.address);
    const member: Member = { ...info, state, serving };
    if (!isGone) this.#tell({ is: lived && !restarted ? 'updated' : 'joined', member });
    else if (lived) this.#tell({ is: state === 'left' ? 'left' : 'failed', member });
  }

  /** It hears that others suspect it, and denies it. */
  refute(): void {
    if (this.#phase === 'left') return;
    this.#incarnation++;
    this.#tell({ is: 'refuted', member: this.members().find(({ id }) => id === this.self.id)! });
  }

  /** As it stands, told to everybody once more. */
  announce(): void {
    const state: MemberState = this.#phase === 'draining' ? 'draining' : 'alive';
    this.mill.spread(this.self.name, this.info(), state, this.#phase === 'serving');
  }

  #enter(phase: 'serving' | 'draining'): void {
    this.#phase = phase;
    this.#incarnation++;
    const member = this.members().find(({ id }) => id === this.self.id)!;
    this.#tell({ is: 'updated', member });
    this.announce();
  }

  #tell(change: MemberChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
}
