import type { Wait } from '../ports/clock.js';

/**
 * The wait of a request that came over the wire. Its signal is made when somebody first looks at it: a hit answers at once
 * and never does, and an AbortController costs more than all the rest of a hit.
 */
export class InboundWait implements Wait {
  #controller: AbortController | undefined;
  #endedBy: string | undefined;

  constructor(readonly deadlineMs: number) {}

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#endedBy !== undefined) this.#controller.abort(new Error(this.#endedBy));
    }
    return this.#controller.signal;
  }

  /** True once nobody waits for the answer. */
  get over(): boolean {
    return this.#endedBy !== undefined;
  }

  end(why: string): void {
    if (this.#endedBy !== undefined) return;
    this.#endedBy = why;
    this.#controller?.abort(new Error(why));
  }
}
