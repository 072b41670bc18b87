import type { Cancel, Wait } from '../../../src/ports/clock.js';
import type { Member, MemberChange, MemberState, Membership, NodeInfo } from '../../../src/ports/membership.js';
import type { PeerNetwork } from '../../../src/ports/peers.js';
import type { ProcessClock } from '../../support/membership-pool.js';

/** What is said of a node. */
export interface News {
  readonly info: NodeInfo;
  readonly state: MemberState;
  readonly serving: boolean;
}

export interface RumourMill {
  /** Everybody else hears it, each after a while of its own. */
  spread(from: string, news: News): void;
  /** Nodes that run, for who looks for the cluster. */
  running(by: string): readonly News[];
}

/** How often a joiner looks whether all links stand, and how long it waits for them. */
const lookMs = 20;
const joinWithinMs = 5000;

/**
 * A membership that knows what it is told, when it is told: news reaches each node in its own time, so views differ for a
 * while after each change. A node that joins links with everybody first, and says only then that it serves.
 */
export class ScriptedMembership implements Membership {
  readonly #told = new Map<string, News>();
  /** Ids of lives that others of the same name have followed: what was said of them comes late. */
  readonly #former = new Set<string>();
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
    const others = this.mill.running(this.self.name).filter(({ info }) => info.id !== this.self.id);
    for (const other of others) this.hear(other);
    this.announce();
    const endMs = Math.min(wait.deadlineMs, this.clock.nowMs() + joinWithinMs);
    while (this.clock.nowMs() < endMs) {
      const linked = new Set(this.peers.linked().map(({ id }) => id));
      const due = [...this.#told.values()].filter(({ state }) => state === 'alive' || state === 'draining');
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
    this.mill.spread(this.self.name, { info: this.info(), state: 'left', serving: false });
    for (const { info } of this.#told.values()) this.peers.undial(info.address);
  }

  members(): readonly Member[] {
    const all = [this.news(), ...this.#told.values()].map(memberOf);
    return all.sort((a, b) => (a.name < b.name ? -1 : 1));
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

  /** What it says of itself. */
  news(): News {
    const state: MemberState = this.#phase === 'draining' ? 'draining' : 'alive';
    return { info: this.info(), state, serving: this.isServing };
  }

  get isServing(): boolean {
    return this.#phase === 'serving';
  }

  get isDraining(): boolean {
    return this.#phase === 'draining';
  }

  stateOf(name: string): MemberState | undefined {
    return this.#told.get(name)?.state;
  }

  /** News of another member. Of two lives of one name the later one counts. */
  hear(news: News): void {
    const { info, state } = news;
    if (this.#phase === 'left' || info.name === this.self.name) return;
    const known = this.#told.get(info.name);
    if (this.#former.has(info.id)) return;
    if (known !== undefined && known.info.id !== info.id && (state === 'dead' || state === 'left')) return;
    if (known?.state === 'left' && known.info.id === info.id) return;
    const isGone = state === 'dead' || state === 'left';
    const lived = known !== undefined && known.state !== 'dead' && known.state !== 'left';
    const restarted = lived && known.info.id !== info.id;
    if (restarted) {
      // Another process under the same name: its predecessor is gone, whether anybody saw it go or not.
      const gone: News = { info: known.info, state: 'left', serving: false };
      this.#told.set(info.name, gone);
      this.#tell({ is: 'left', member: memberOf(gone) });
    }
    if (known !== undefined && known.info.id !== info.id) this.#former.add(known.info.id);
    this.#told.set(info.name, news);
    if (state === 'alive' || state === 'draining') this.peers.dial(info.address);
    if (state === 'left' || state === 'dead') this.peers.undial(info.address);
    const member = memberOf(news);
    if (!isGone) this.#tell({ is: lived && !restarted ? 'updated' : 'joined', member });
    else if (lived) this.#tell({ is: state === 'left' ? 'left' : 'failed', member });
  }

  /** It hears that others suspect it, and denies it. */
  refute(): void {
    if (this.#phase === 'left') return;
    this.#incarnation++;
    this.#tell({ is: 'refuted', member: memberOf(this.news()) });
  }

  /** As it stands, told to everybody once more. */
  announce(): void {
    this.mill.spread(this.self.name, this.news());
  }

  #enter(phase: 'serving' | 'draining'): void {
    this.#phase = phase;
    this.#incarnation++;
    this.#tell({ is: 'updated', member: memberOf(this.news()) });
    this.announce();
  }

  #tell(change: MemberChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
}

const memberOf = ({ info, state, serving }: News): Member => ({ ...info, state, serving });
