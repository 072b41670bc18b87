import { assert } from '../base/assert.js';
import type { Dialer, FrameStream } from '../transport/frame-stream.js';

/** Stands in for the dialer until gRPC is loaded, which only a node that listens needs. Nothing is dialled before. */
export class LazyDialer implements Dialer {
  #dialer: Dialer | undefined;

  use(dialer: Dialer): void {
    this.#dialer = dialer;
  }

  dial(address: string): FrameStream {
    assert(this.#dialer !== undefined, 'dialled before the node listens');
    return this.#dialer.dial(address);
  }
}
