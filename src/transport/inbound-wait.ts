import { Stop } from '../base/stop-signal.js';
import type { Wait } from '../ports/clock.js';
import type { PeerRequest } from '../ports/peers.js';
import type { Share } from './held-bytes.js';

/** The wait of a request that came over the wire. */
export class InboundWait implements Wait {
  readonly signal = new Stop();

  constructor(
    readonly deadlineMs: number,
    /** Of the request. */
    readonly bytes: number,
  ) {}

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

  /** Whether one of this size may be added; where not, that is counted. */
  hasRoom(bytes: number): boolean {
    return this.#share.hasRoom(bytes);
  }

  add(id: number, wait: InboundWait): void {
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
