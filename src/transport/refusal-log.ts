import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { Goodbye } from '../wire/frames.js';
import { Rarely } from './rarely.js';

/** The same refusal of the same sender is logged at most this often: who is refused dials again every few seconds. */
const repeatMs = 60_000;
/** Different refusals logged in that time; of further ones only the number is told, with the next line. */
const toldMax = 32;

/** Tells of the streams that this node refused, without letting strangers fill its log. */
export class RefusalLog {
  readonly #log: Log;
  readonly #rarely: Rarely;
  #untold = 0;

  constructor(clock: Clock, log: Log) {
    this.#log = log;
    this.#rarely = new Rarely(clock, repeatMs, toldMax);
  }

  /** `remote` is `host:port` of the stream; `name` that of the node, where it gave one. */
  report(remote: string, { reason, detail }: Goodbye, name: string | undefined): void {
    const sender = name ?? remote.slice(0, remote.lastIndexOf(':'));
    if (!this.#rarely.isDue(`${reason} ${sender}`)) {
      this.#untold++;
      return;
    }
    const others = this.#untold === 0 ? {} : { untold: this.#untold };
    this.#untold = 0;
    this.#log.write('warn', `refused a link from ${remote}: ${detail}`, { reason, peer: name, ...others });
  }
}
