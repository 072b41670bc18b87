import { aborted, DistcacheError } from '../../src/base/errors.js';
import { type Cancel, type Clock, remainingMs, type Wait } from '../../src/ports/clock.js';
import type { Member, MemberChange, MemberState, Membership, NodeInfo } from '../../src/ports/membership.js';
import type { LinkEvent, PeerNetwork } from '../../src/ports/peers.js';

export interface LinkMembershipOptions {
  /** gRPC addresses of the other nodes, `host:port`; this node's own may be among them. */
  readonly addresses: readonly string[];
  /** Members, this node included, without which start fails. */
  readonly minimumPeers: number;
  /** How long start waits for peers that have not answered at all, beyond the wish for `minimumPeers`. */
  readonly firstContactMs: number;
}

export interface LinkMembershipDeps {
  readonly clock: Clock;
  readonly peers: PeerNetwork;
  readonly self: () => NodeInfo;
}

/** Members gone for longer than this are forgotten; beyond `goneMax` the one gone longest is. */
const rememberGoneMs = 600_000;
const goneMax = 1000;

/**
 * Members from a fixed list of addresses: a node counts as alive while its link is up, whoever dialled. Peers that are
 * not listed here but list this node are members too, so one list need not be the mirror of the other.
 */
export class LinkMembership implements Membership {
  readonly #deps: LinkMembershipDeps;
  readonly #options: LinkMembershipOptions;
  readonly #alive = new Map<string, NodeInfo>();
  readonly #gone = new Map<string, { member: Member; atMs: number }>();
  readonly #listeners = new Set<(change: MemberChange) => void>();
  /** Aborts when this stops: whatever start still waits for ends. */
  readonly #stopping = new AbortController();
  #unsubscribe: Cancel[] = [];

  constructor(deps: LinkMembershipDeps, options: LinkMembershipOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * Waits until every listed address has either linked or refused once, at most `firstContactMs`: nodes started together
   * find each other before they serve, and a node started first doesn't wait for those that come later. Rejects with
   * CLUSTER_QUORUM, or with ABORTED when `wait.signal` ends it or it is stopped meanwhile.
   */
  async start(wait: Wait): Promise<void> {
    const { peers } = this.#deps;
    const ending = this.#endings(wait).find((signal) => signal.aborted);
    if (ending !== undefined) throw aborted('joining the cluster', ending.reason);
    this.#unsubscribe.push(peers.onLink((event) => this.#onLink(event)));
    for (const peer of peers.linked()) this.#onLink({ is: 'up', peer });
    await this.#firstContact(wait);
    await this.#quorum(wait);
  }

  drain(): void {}

  counts(): Readonly<Record<string, number>> {
    return {};
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const cancel of this.#unsubscribe.splice(0)) cancel();
    for (const address of this.#options.addresses) this.#deps.peers.undial(address);
  }

  members(): readonly Member[] {
    const nowMs = this.#deps.clock.nowMs();
    for (const [name, gone] of this.#gone) if (nowMs - gone.atMs > rememberGoneMs) this.#gone.delete(name);
    const alive = [this.#deps.self(), ...this.#alive.values()].map((node) => memberOf(node, 'alive'));
    const gone = [...this.#gone.values()].map(({ member }) => member);
    return [...alive, ...gone].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  onChange(listener: (change: MemberChange) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #onLink(event: LinkEvent): void {
    const { peer } = event;
    if (event.is === 'up') {
      // A node that was restarted may be back before the end of its former link was noticed.
      for (const { id, name } of this.#alive.values()) if (name === peer.name) this.#alive.delete(id);
      this.#gone.delete(peer.name);
      this.#alive.set(peer.id, peer);
      this.#tell({ is: 'joined', member: memberOf(peer, 'alive') });
      return;
    }
    if (!this.#alive.delete(peer.id)) return;
    const member = memberOf(peer, event.left ? 'left' : 'dead');
    this.#gone.set(peer.name, { member, atMs: this.#deps.clock.nowMs() });
    if (this.#gone.size > goneMax) this.#gone.delete(this.#gone.keys().next().value!);
    this.#tell({ is: event.left ? 'left' : 'failed', member });
  }

  /** Tells every listener, also after one that throws; what the first of those threw then goes to whoever told of the link. */
  #tell(change: MemberChange): void {
    const errors: unknown[] = [];
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  async #firstContact({ deadlineMs, signal }: Wait): Promise<void> {
    const { clock, peers } = this.#deps;
    const { addresses, firstContactMs } = this.#options;
    const waiting = new Set(addresses);
    const wait: Wait = { deadlineMs: Math.min(deadlineMs, clock.nowMs() + firstContactMs), signal };
    await this.#until(
      () => waiting.size === 0,
      (check) => {
        const heardOf = (address: string): void => {
          waiting.delete(address);
          check();
        };
        const cancels = [
          peers.onLink((event) => heardOf(event.peer.address)),
          peers.onDialProblem((problem) => heardOf(problem.address)),
        ];
        for (const address of addresses) peers.dial(address);
        for (const peer of peers.linked()) waiting.delete(peer.address);
        return cancels;
      },
      wait,
    );
  }

  async #quorum(wait: Wait): Promise<void> {
    const { addresses, minimumPeers } = this.#options;
    const enough = (): boolean => this.#alive.size + 1 >= minimumPeers;
    if (await this.#until(enough, (check) => [this.onChange(check)], wait)) return;
    throw new DistcacheError(
      'CLUSTER_QUORUM',
      `only ${this.#alive.size + 1} of the ${minimumPeers} nodes that cluster.minimumPeers asks for were met in time; ` +
        `check that ${addresses.join(', ') || 'discovery.peers'} can be reached`,
    );
  }

  /** What ends start before its time. */
  #endings({ signal }: Wait): NonNullable<Wait['signal']>[] {
    return signal === undefined ? [this.#stopping.signal] : [signal, this.#stopping.signal];
  }

  /** True once `met`, which is asked whenever what `listen` subscribed to calls back; false at the deadline. */
  #until(met: () => boolean, listen: (check: () => void) => Cancel[], wait: Wait): Promise<boolean> {
    const { clock } = this.#deps;
    return new Promise((resolve, reject) => {
      const cancels: Cancel[] = [];
      const end = (): void => {
        for (const cancel of cancels.splice(0)) cancel();
      };
      const check = (): void => {
        if (!met()) return;
        end();
        resolve(true);
      };
      for (const signal of this.#endings(wait)) {
        const giveUp = (): void => {
          end();
          reject(aborted('joining the cluster', signal.reason));
        };
        if (signal.aborted) return giveUp();
        signal.addEventListener('abort', giveUp, { once: true });
        cancels.push(() => signal.removeEventListener('abort', giveUp));
      }
      cancels.push(
        clock.after(remainingMs(wait, clock), () => {
          end();
          resolve(met());
        }),
        ...listen(check),
      );
      check();
    });
  }
}

const memberOf = (node: NodeInfo, state: MemberState): Member => ({
  ...node,
  state,
  serving: state === 'alive',
});
