import type { Clock } from '../../ports/clock.js';
import type { Log, LogLevel } from '../../ports/log.js';

const minuteMs = 60_000;

/** Says each kind of thing at most once a minute, and then how often it happened unsaid. The kinds are few and fixed. */
export class MinuteLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #said = new Map<string, { atMs: number; unsaid: number }>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  write(kind: string, level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const nowMs = this.#clock.nowMs();
    const last = this.#said.get(kind);
    if (last !== undefined && nowMs - last.atMs < minuteMs) {
      last.unsaid++;
      return;
    }
    const unsaid = last?.unsaid ?? 0;
    this.#said.set(kind, { atMs: nowMs, unsaid: 0 });
    const more = unsaid === 0 ? '' : ` (and ${unsaid} more since this was last said)`;
    this.#log.write(level, `${message}${more}`, { ...fields, ...(unsaid === 0 ? {} : { unsaid }) });
  }

  /** The next of this kind is said at once. */
  forget(kind: string): void {
    this.#said.delete(kind);
  }
}
