import { aborted, DistcacheError } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';

interface Queued {
  enter(): void;
  refuse(error: DistcacheError): void;
  signal: StopSignal;
  onAbort(): void;
}

/** At most `places` bodies run at once; `queueMax` more wait in order of arrival; the next is refused with OVERLOADED. */
export class Bulkhead {
  #places: number;
  #queueMax: number;
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

  /** In force at once: places that are added are taken by those who wait; those in a place that is gone stay to their end. */
  retune(places: number, queueMax: number): void {
    this.#places = places;
    this.#queueMax = queueMax;
    for (const queued of this.#queue) {
      if (this.#inside >= this.#places) return;
      this.#inside++;
      this.#admit(queued);
    }
  }

  /** All who wait are refused; those inside stay. */
  refuseAll(error: DistcacheError): void {
    for (const queued of this.#queue) {
      this.#unqueue(queued);
      queued.refuse(error);
    }
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
    if (first === undefined || this.#inside > this.#places) this.#inside--;
    else this.#admit(first);
  }

  #admit(queued: Queued): void {
    this.#unqueue(queued);
    queued.enter();
  }

  #unqueue(queued: Queued): void {
    this.#queue.delete(queued);
    queued.signal.removeEventListener('abort', queued.onAbort);
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
        refuse: reject,
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
