import { Stop } from '../base/stop-signal.js';
import type { Wait } from '../ports/clock.js';
import type { PeerRequest } from '../ports/peers.js';

/** The wait of a request that came over the wire. */
export class InboundWait implements Wait {
  readonly signal = new Stop();

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
