import type { Member } from '../ports/membership.js';

export type EngineEvent =
  | { readonly type: 'peer-joined' | 'peer-left' | 'peer-failed' | 'peer-updated'; readonly peer: Member }
  | { readonly type: 'keyspace-deleted'; readonly keyspace: string }
  /** This subscriber was too slow: so many events are missing here. */
  | { readonly type: 'gap'; readonly missed: number };

/** Events that wait for one subscriber; the newest beyond this are dropped and counted in a gap marker. */
const queueMax = 1024;
/** Subscribers at once; one more is refused, since each holds a queue. */
const subscribersMax = 1000;

interface Subscriber {
  queue: EngineEvent[];
  missed: number;
  wake: (() => void) | undefined;
  ended: boolean;
}

/** Hands every event to every subscriber. A slow one delays nobody: it finds a gap marker where its queue overflowed. */
export class EventHub {
  readonly #subscribers = new Set<Subscriber>();

  publish(event: EngineEvent): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.queue.length >= queueMax) subscriber.missed++;
      else subscriber.queue.push(event);
      subscriber.wake?.();
    }
  }

  /** Events from this call on; ends after `close`, or when the consumer leaves the loop or aborts `signal`. */
  subscribe(signal?: AbortSignal): AsyncIterableIterator<EngineEvent> {
    if (this.#subscribers.size >= subscribersMax) {
      throw new RangeError(`${subscribersMax} subscribers follow the events already; end one first`);
    }
    const subscriber: Subscriber = { queue: [], missed: 0, wake: undefined, ended: signal?.aborted === true };
    this.#subscribers.add(subscriber);
    const end = (): void => {
      subscriber.ended = true;
      this.#subscribers.delete(subscriber);
      signal?.removeEventListener('abort', end);
      subscriber.wake?.();
    };
    signal?.addEventListener('abort', end, { once: true });
    const iterator: AsyncIterableIterator<EngineEvent> = {
      next: async () => {
        while (subscriber.queue.length === 0 && subscriber.missed === 0 && !subscriber.ended) {
          await new Promise<void>((resolve) => {
            subscriber.wake = resolve;
          });
          subscriber.wake = undefined;
        }
        const event = subscriber.queue.shift();
        if (event !== undefined) return { value: event, done: false };
        if (subscriber.missed > 0) {
          const missed = subscriber.missed;
          subscriber.missed = 0;
          return { value: { type: 'gap', missed }, done: false };
        }
        return { value: undefined, done: true };
      },
      return: async () => {
        end();
        return { value: undefined, done: true };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  close(): void {
    for (const subscriber of [...this.#subscribers]) {
      subscriber.ended = true;
      subscriber.wake?.();
    }
    this.#subscribers.clear();
  }
}
