import type { Member, Membership, NodeInfo } from '../ports/membership.js';

/** A node that is alone, looks for nobody, and is found by nobody. */
export class AloneMembership implements Membership {
  readonly #self: () => NodeInfo;
  #serving = true;

  constructor(self: () => NodeInfo) {
    this.#self = self;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  drain(): void {
    this.#serving = false;
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  members(): readonly Member[] {
    return [{ ...this.#self(), state: this.#serving ? 'alive' : 'draining', serving: this.#serving }];
  }

  counts(): Readonly<Record<string, number>> {
    return {};
  }

  onChange(): () => void {
    return () => {};
  }
}
