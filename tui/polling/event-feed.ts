import type { AdminTarget } from '../../src/client/admin-target.js';
import type { EventDocument } from '../../src/ports/admin.js';
import type { Cancel, Clock } from '../../src/ports/clock.js';
import type { Feed } from '../model/track.js';
import type { AdminApi } from './admin-api.js';

export interface EventFeedDeps {
  readonly api: Pick<AdminApi, 'events'>;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Whom to follow: nodes that answer, the best first. */
  readonly candidates: () => readonly { readonly name: string; readonly target: AdminTarget }[];
  readonly onChange: () => void;
}

/** Events that are kept; older ones are let go and counted. */
const eventsMax = 1_000;
const retryMs = 1_000;

/** Follows the events of one node, and of another one when that ends. */
export class EventFeed {
  #events: { readonly id: number; readonly event: EventDocument }[] = [];
  #nextId = 1;
  #dropped = 0;
  #teller = '';
  #turn = 0;
  #stop = new AbortController();
  /** Of the node that is followed, and what ends that. */
  #following: { readonly name: string; readonly end: AbortController } | undefined;
  #cancel: Cancel = () => {};

  constructor(private readonly deps: EventFeedDeps) {}

  get feed(): Feed {
    return { events: this.#events, dropped: this.#dropped, teller: this.#teller };
  }

  start(): void {
    void this.#follow(this.#stop.signal);
  }

  /** To be called when nodes may have stopped to answer: a frozen one never says that it tells no more. */
  reconsider(): void {
    const followed = this.#following;
    if (followed !== undefined && !this.deps.candidates().some(({ name }) => name === followed.name))
      followed.end.abort();
  }

  stop(): void {
    this.#cancel();
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#teller = '';
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const candidates = this.deps.candidates();
      // The next one after a failure: whoever answers polls may still not tell events.
      const candidate = candidates[this.#turn % Math.max(1, candidates.length)];
      if (candidate !== undefined) await this.#followOne(candidate, signal);
      if (!signal.aborted) await this.#pause(signal);
    }
  }

  async #followOne({ name, target }: { name: string; target: AdminTarget }, signal: AbortSignal): Promise<void> {
    const end = new AbortController();
    this.#following = { name, end };
    const call = { signal: AbortSignal.any([signal, end.signal]), timeoutMs: this.deps.timeoutMs };
    try {
      for await (const event of this.deps.api.events(target, call)) {
        this.#teller = name;
        this.#add(event);
      }
    } catch {
      // Whoever it was shows as unreachable where that is what it is.
    }
    this.#following = undefined;
    this.#turn++;
    this.#teller = '';
    if (!signal.aborted) this.deps.onChange();
  }

  #add(event: EventDocument): void {
    const events = [...this.#events, { id: this.#nextId++, event }];
    this.#dropped += Math.max(0, events.length - eventsMax);
    this.#events = events.slice(-eventsMax);
    this.deps.onChange();
  }

  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#cancel = this.deps.clock.after(retryMs, resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}
