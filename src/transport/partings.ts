import type { Cancel, Clock } from '../ports/clock.js';
import type { FrameStream } from './frame-stream.js';

/** How long a stream that was ended may take to carry its last frames. */
const partingMs = 500;

/** Streams that were ended and are not closed yet; none of them outlives its time. */
export class Partings {
  readonly #clock: Clock;
  readonly #leaving = new Map<FrameStream, Cancel>();
  #onEmpty: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the stream, by force if it takes too long. `gone` is to be called when it tells that it closed. */
  part(stream: FrameStream): void {
    if (this.#leaving.has(stream)) return;
    this.#leaving.set(
      stream,
      this.#clock.after(partingMs, () => this.#force(stream)),
    );
    stream.end();
  }

  gone(stream: FrameStream): void {
    this.#leaving.get(stream)?.();
    if (!this.#leaving.delete(stream) || this.#leaving.size > 0) return;
    const waiting = this.#onEmpty;
    this.#onEmpty = [];
    for (const resolve of waiting) resolve();
  }

  /** Resolves when every stream has closed, which takes `partingMs` at most. */
  async settled(): Promise<void> {
    if (this.#leaving.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  #force(stream: FrameStream): void {
    stream.destroy();
    // A stream that was destroyed counts as gone, whether it tells or not.
    this.gone(stream);
  }
}
