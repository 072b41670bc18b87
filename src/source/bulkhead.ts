import { aborted, DistcacheError } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';

interface Queued {
  enter(): void;
  signal: StopSignal;
  onAbort(): void;
}

/** At most `places` bodies run at once; `queueMax` more wait in order of arrival; the next is refused with OVERLOADED. */
export class Bulkhead {
  readonly #places: number;
  readonly #queueMax: number;
  readonly #name: string;
  readonly #queue = new Set<Queued>();
  #inside = 0;

  constructor(name: string, places: number, queueMax: number) {
    this.#name = name;
    this.#places = places;
    this.#queueMax = queueMax;
  }

  get inside(): number {
    return this.#inside;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Runs `body` when there is a place. Rejects with ABORTED where `signal` ends the wait first. */
  async run<T>(signal: StopSignal, body: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#places) await this.#place(signal);
    else this.#inside++;
    try {
      return await body();
    } finally {
      this.#leave();
    }
  }

  /** A leaving body hands its place to the first in the queue, so nobody who comes later overtakes. */
  #leave(): void {
    const [first] = this.#queue;
    if (first === undefined) {
      this.#inside--;
      return;
    }
    this.#queue.delete(first);
    first.signal.removeEventListener('abort', first.onAbort);
    first.enter();
  }

  #place(signal: StopSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(aborted(`a load of ${this.#name}`, signal.reason));
    if (this.#queue.size >= this.#queueMax) {
      return Promise.reject(
        new DistcacheError(
          'OVERLOADED',
          `${this.#name}: ${this.#places} loads are running and ${this.#queueMax} wait; raise source.maxConcurrent or ` +
            'source.maxQueued, or ask for fewer cold keys at once',
        ),
      );
    }
    return new Promise((resolve, reject) => {
      const queued: Queued = {
        enter: resolve,
        signal,
        onAbort: () => {
          this.#queue.delete(queued);
          reject(aborted(`a load of ${this.#name}`, signal.reason));
        },
      };
      this.#queue.add(queued);
      signal.addEventListener('abort', queued.onAbort, { once: true });
    });
  }
}
