import { DistcacheError } from '../base/errors.js';
import type { ClusterEvent } from '../ports/cache.js';
import type { MemberChange } from '../ports/membership.js';

export type EngineEvent = ClusterEvent;

/** Events that wait for one subscriber; the newest beyond this are dropped and counted in a gap marker. */
const queueMax = 1024;
/** Subscribers at once; one more is refused, since each holds a queue. */
const subscribersMax = 1000;

/** Whoever waits has found the queue empty, so one of `queue` and `waiting` is empty at any time. */
interface Subscriber {
  readonly queue: EngineEvent[];
  /** Calls of `next` without an answer yet, in order: a consumer may make several. */
  readonly waiting: ((result: IteratorResult<EngineEvent, undefined>) => void)[];
  /** Dropped since the queue was full, and until what is in it was taken. */
  missed: number;
  end(): void;
}

export interface EventCounts {
  readonly subscribers: number;
  /** Events that wait for them, together. */
  readonly queued: number;
  /** Since start: events that a subscriber was too slow for, and subscribers that were turned away. */
  readonly missed: number;
  readonly refused: number;
}

const types = { joined: 'peer-joined', left: 'peer-left', failed: 'peer-failed', updated: 'peer-updated' } as const;

export const memberEvent = ({ is, member }: Exclude<MemberChange, { is: 'refuted' }>): EngineEvent => ({
  type: types[is],
  peer: member,
});

const done = { value: undefined, done: true } as const;

/** Hands every event to every subscriber. A slow one delays nobody: it finds a gap marker where its queue overflowed. */
export class EventHub {
  readonly #subscribers = new Set<Subscriber>();
  #closed = false;
  #missed = 0;
  #refused = 0;

  publish(event: EngineEvent): void {
    for (const subscriber of this.#subscribers) {
      const next = subscriber.waiting.shift();
      if (next !== undefined) next({ value: event, done: false });
      else if (subscriber.missed === 0 && subscriber.queue.length < queueMax) subscriber.queue.push(event);
      else {
        subscriber.missed++;
        this.#missed++;
      }
    }
  }

  /**
   * Events from this call on. Ends after `close`, or when the consumer leaves the loop or aborts `signal`. Throws
   * OVERLOADED where too many follow already.
   */
  subscribe(signal?: AbortSignal): AsyncIterableIterator<EngineEvent> {
    if (this.#subscribers.size >= subscribersMax) {
      this.#refused++;
      throw new DistcacheError('OVERLOADED', `${subscribersMax} subscribers follow the events already; end one first`);
    }
    let ended = false;
    const subscriber: Subscriber = {
      queue: [],
      waiting: [],
      missed: 0,
      end: () => {
        ended = true;
        this.#subscribers.delete(subscriber);
        signal?.removeEventListener('abort', subscriber.end);
        for (const next of subscriber.waiting.splice(0)) next(done);
      },
    };
    if (this.#closed || signal?.aborted === true) {
      ended = true;
    } else {
      this.#subscribers.add(subscriber);
      signal?.addEventListener('abort', subscriber.end, { once: true });
    }
    const iterator: AsyncIterableIterator<EngineEvent> = {
      next: async () => {
        const event = subscriber.queue.shift();
        if (event !== undefined) return { value: event, done: false };
        if (subscriber.missed > 0) {
          const { missed } = subscriber;
          subscriber.missed = 0;
          return { value: { type: 'gap', missed }, done: false };
        }
        return ended ? done : new Promise((resolve) => subscriber.waiting.push(resolve));
      },
      return: async () => {
        subscriber.end();
        return done;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  counts(): EventCounts {
    let queued = 0;
    for (const subscriber of this.#subscribers) queued += subscriber.queue.length;
    return { subscribers: this.#subscribers.size, queued, missed: this.#missed, refused: this.#refused };
  }

  /** What is queued may still be read. */
  close(): void {
    this.#closed = true;
    for (const subscriber of [...this.#subscribers]) subscriber.end();
  }
}
