import type { PeerReply } from '../ports/peers.js';

/** Of all peers together; whoever asks again does so within milliseconds of a link's reset, or a second or two after a cut. */
const rememberedMax = 8192;

/**
 * What came of writes that peers have asked for, so that one whose answer was lost is not made twice: it would take the place
 * of what others have written since. Beyond the latest 8,192 a write that is asked for again is made again.
 */
export class Once {
  readonly #outcomes = new Map<string, Promise<PeerReply>>();

  /**
   * Makes the write, or gives what came of it before. One that failed, or was not this node's to make, is made anew.
   * @param once the peer's own number for it, the same each time
   */
  run(peerId: string, once: number, write: () => Promise<PeerReply>): Promise<PeerReply> {
    const id = `${once} ${peerId}`;
    const before = this.#outcomes.get(id);
    if (before !== undefined) return before.catch(() => this.#begin(id, write));
    return this.#begin(id, write);
  }

  get size(): number {
    return this.#outcomes.size;
  }

  #begin(id: string, write: () => Promise<PeerReply>): Promise<PeerReply> {
    const outcome = write();
    this.#outcomes.set(id, outcome);
    if (this.#outcomes.size > rememberedMax) this.#outcomes.delete(this.#outcomes.keys().next().value!);
    const forget = (): void => {
      if (this.#outcomes.get(id) === outcome) this.#outcomes.delete(id);
    };
    outcome.then(({ is }) => {
      if (is !== 'written') forget();
    }, forget);
    return outcome;
  }
}
