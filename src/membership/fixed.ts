import { aborted, DistcacheError } from '../base/errors.js';
import { type Cancel, type Clock, remainingMs, type Wait } from '../ports/clock.js';
import type { Member, MemberChange, MemberState, Membership, NodeInfo } from '../ports/membership.js';
import type { LinkEvent, PeerNetwork } from '../ports/peers.js';

export interface FixedMembershipOptions {
  /** gRPC addresses of the other nodes, `host:port`; this node's own may be among them. */
  readonly addresses: readonly string[];
  /** Members, this node included, without which start fails. */
  readonly minimumPeers: number;
  /** How long start waits for peers that have not answered at all, beyond the wish for `minimumPeers`. */
  readonly firstContactMs: number;
}

export interface FixedMembershipDeps {
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
export class FixedMembership implements Membership {
  readonly #deps: FixedMembershipDeps;
  readonly #options: FixedMembershipOptions;
  readonly #alive = new Map<string, NodeInfo>();
  readonly #gone = new Map<string, { member: Member; atMs: number }>();
  readonly #listeners = new Set<(change: MemberChange) => void>();
  #unsubscribe: Cancel[] = [];

  constructor(deps: FixedMembershipDeps, options: FixedMembershipOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * Waits until every listed address has either linked or refused once, at most `firstContactMs`: nodes started together
   * find each other before they serve, and a node started first doesn't wait for those that come later. Rejects with
   * CLUSTER_QUORUM at the deadline, with ABORTED when the wait's signal fires.
   */
  async start(wait: Wait): Promise<void> {
    const { peers } = this.#deps;
    this.#unsubscribe.push(peers.onLink((event) => this.#onLink(event)));
    for (const peer of peers.linked()) this.#onLink({ is: 'up', peer });
    await this.#firstContact(wait);
    await this.#quorum(wait);
  }

  async stop(): Promise<void> {
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

  #tell(change: MemberChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  #firstContact(wait: Wait): Promise<void> {
    const { clock, peers } = this.#deps;
    const waiting = new Set(this.#options.addresses);
    return new Promise((resolve) => {
      const cancels: Cancel[] = [() => wait.signal?.removeEventListener('abort', done)];
      const done = (): void => {
        for (const cancel of cancels.splice(0)) cancel();
        resolve();
      };
      wait.signal?.addEventListener('abort', done, { once: true });
      const heardOf = (address: string): void => {
        waiting.delete(address);
        if (waiting.size === 0) done();
      };
      cancels.push(
        clock.after(Math.min(this.#options.firstContactMs, remainingMs(wait, clock)), done),
        peers.onLink((event) => heardOf(event.peer.address)),
        peers.onDialProblem((problem) => heardOf(problem.address)),
      );
      for (const address of this.#options.addresses) peers.dial(address);
      for (const peer of peers.linked()) waiting.delete(peer.address);
      if (waiting.size === 0 || wait.signal?.aborted === true) done();
    });
  }

  #quorum(wait: Wait): Promise<void> {
    const { clock } = this.#deps;
    const enough = (): boolean => this.#alive.size + 1 >= this.#options.minimumPeers;
    const endedByCaller = (): Error => aborted('the wait for other nodes', wait.signal?.reason);
    if (wait.signal?.aborted === true) return Promise.reject(endedByCaller());
    if (enough()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = (): void => {
        unlisten();
        cancelTimer();
        wait.signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        end();
        reject(endedByCaller());
      };
      const tooFew = (): void => {
        end();
        const met = this.#alive.size + 1;
        reject(
          new DistcacheError(
            'CLUSTER_QUORUM',
            `only ${met} of the ${this.#options.minimumPeers} nodes that cluster.minimumPeers asks for were met in time; ` +
              `check that ${this.#options.addresses.join(', ') || 'discovery.peers'} can be reached`,
          ),
        );
      };
      const unlisten = this.onChange(() => {
        if (!enough()) return;
        end();
        resolve();
      });
      const cancelTimer = clock.after(remainingMs(wait, clock), tooFew);
      wait.signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}

const memberOf = (node: NodeInfo, state: MemberState): Member => ({ ...node, state });
