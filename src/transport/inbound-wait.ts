import { Stop } from '../base/stop-signal.js';
import type { Wait } from '../ports/clock.js';
import type { PeerRequest } from '../ports/peers.js';
import { requestBound } from '../wire/operations.js';
import type { Share } from './held-bytes.js';

/** About what a text takes in memory, and what its bytes on the wire were. */
const charsOf = ({ length }: string): number => length;

/** The wait of a request that came over the wire. */
export class InboundWait implements Wait {
  readonly signal = new Stop();

  /** Of the request, while it stays in memory. */
  bytes = 0;

  constructor(readonly deadlineMs: number) {}

  /** True once nobody waits for the answer. */
  get over(): boolean {
    return this.signal.aborted;
  }

  end(why: string): void {
    if (!this.signal.aborted) this.signal.abort(new Error(why));
  }
}

/** A request of the peer that waits until answers before it have left. */
export interface Held {
  readonly id: number;
  readonly request: PeerRequest;
  readonly wait: InboundWait;
}

/** Requests of the peer whose handler has gone asynchronous, or that are held. They stay in memory meanwhile. */
export class Asked {
  readonly #waits = new Map<number, InboundWait>();
  readonly #share: Share;
  #bytes = 0;

  constructor(share: Share) {
    this.#share = share;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(id: number): boolean {
    return this.#waits.has(id);
  }

  /** Whether one more may be added; where not, that is counted. Most are answered at once, so none is measured before. */
  hasRoom(): boolean {
    return this.#share.hasRoom(1);
  }

  add(id: number, request: PeerRequest, wait: InboundWait): void {
    wait.bytes = requestBound(request, charsOf);
    this.#waits.set(id, wait);
    this.#take(wait.bytes);
  }

  remove(id: number): void {
    const wait = this.#waits.get(id);
    if (wait === undefined) return;
    this.#waits.delete(id);
    this.#take(-wait.bytes);
  }

  /** The peer waits for it no longer; false where it was not there. */
  cancel(id: number): boolean {
    const wait = this.#waits.get(id);
    wait?.end('cancelled by the asking node');
    this.remove(id);
    return wait !== undefined;
  }

  end(why: string): void {
    for (const wait of this.#waits.values()) wait.end(why);
    this.#waits.clear();
    this.#take(-this.#bytes);
  }

  #take(bytes: number): void {
    this.#bytes += bytes;
    this.#share.take(bytes);
  }
}
