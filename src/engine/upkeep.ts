import { messageOf } from '../base/errors.js';
import type { Cancel, Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { Keyspace } from './keyspace.js';

const everyMs = 1000;
/** Entries removed in one go before other work gets its turn. */
const removedPerStep = 5000;

/** Frees the bytes of what has expired although nobody reads it: one timer for all entries of all keyspaces. */
export class Upkeep {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #spaces: () => Iterable<Keyspace>;
  readonly #tidy: () => void;
  #cancel: Cancel | undefined;

  /** @param tidy whatever else is to be looked at once a second */
  constructor(clock: Clock, log: Log, spaces: () => Iterable<Keyspace>, tidy: () => void) {
    this.#clock = clock;
    this.#log = log;
    this.#spaces = spaces;
    this.#tidy = tidy;
  }

  start(): void {
    this.#arm(everyMs);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => this.#arm(this.#step() ? 0 : everyMs), { background: true });
  }

  /** True when there is more to remove. */
  #step(): boolean {
    let more = false;
    try {
      this.#tidy();
      for (const space of this.#spaces()) {
        if (space.store.expire(this.#clock.nowMs(), removedPerStep) >= removedPerStep) more = true;
      }
    } catch (error) {
      this.#log.write('error', 'upkeep failed', { error: messageOf(error) });
    }
    return more;
  }
}
