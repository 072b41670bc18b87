import type { Member } from '../../ports/membership.js';
import type { PeerNetwork } from '../../ports/peers.js';

/** Keeps the peer network dialling exactly the members that links are due to. Two members may name one address. */
export class Links {
  readonly #peers: Pick<PeerNetwork, 'dial' | 'undial' | 'linked'>;
  readonly #ownAddress: string;
  #dialled: ReadonlySet<string> = new Set();

  constructor(peers: Pick<PeerNetwork, 'dial' | 'undial' | 'linked'>, ownAddress: string) {
    this.#peers = peers;
    this.#ownAddress = ownAddress;
  }

  /** As many addresses as members, at most. */
  follow(members: readonly Member[]): void {
    const wanted = new Set(members.map(({ address }) => address));
    wanted.delete(this.#ownAddress);
    const before = this.#dialled;
    this.#dialled = wanted;
    for (const address of before) if (!wanted.has(address)) this.#peers.undial(address);
    for (const address of wanted) if (!before.has(address)) this.#peers.dial(address);
  }

  /** Those to whom no link is up, the suspects left out. */
  missing(members: readonly Member[]): readonly Member[] {
    const linked = new Set(this.#peers.linked().map(({ id }) => id));
    return members.filter(
      ({ id, state, address }) => state !== 'suspect' && address !== this.#ownAddress && !linked.has(id),
    );
  }
}
