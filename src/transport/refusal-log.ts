import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { Goodbye } from '../wire/frames.js';

/** The same refusal of the same sender is logged at most this often: who is refused dials again every few seconds. */
const repeatMs = 60_000;
/** Different refusals logged in that time; of further ones only the number is told, with the next line. */
const toldMax = 32;

/** Tells of the streams that this node refused, without letting strangers fill its log. */
export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #toldAtMs = new Map<string, number>();
  #untold = 0;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `remote` is `host:port` of the stream; `name` that of the node, where it gave one. */
  report(remote: string, { reason, detail }: Goodbye, name: string | undefined): void {
    const nowMs = this.#clock.nowMs();
    const sender = name ?? remote.slice(0, remote.lastIndexOf(':'));
    if (!this.#isNew(`${reason} ${sender}`, nowMs)) {
      this.#untold++;
      return;
    }
    const others = this.#untold === 0 ? {} : { untold: this.#untold };
    this.#untold = 0;
    this.#log.write('warn', `refused a link from ${remote}: ${detail}`, { reason, peer: name, ...others });
  }

  #isNew(what: string, nowMs: number): boolean {
    const atMs = this.#toldAtMs.get(what);
    if (atMs !== undefined && nowMs - atMs < repeatMs) return false;
    for (const [told, toldAtMs] of this.#toldAtMs) if (nowMs - toldAtMs >= repeatMs) this.#toldAtMs.delete(told);
    if (this.#toldAtMs.size >= toldMax) return false;
    this.#toldAtMs.set(what, nowMs);
    return true;
  }
}
