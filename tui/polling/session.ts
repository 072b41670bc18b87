import type { AdminTarget } from '../../src/client/admin-target.js';
import type { Cancel, Clock } from '../../src/ports/clock.js';
import type { Action } from '../model/actions.js';
import { type Snapshot, snapshotOf } from '../model/snapshot.js';
import type { Message } from '../model/ui.js';
import { act } from './acting.js';
import type { AdminApi } from './admin-api.js';
import { EventFeed } from './event-feed.js';
import { Poller } from './poller.js';

export interface SessionOptions {
  readonly api: AdminApi;
  readonly clock: Clock;
  /** The node that was named. */
  readonly seed: AdminTarget;
  readonly timeoutMs: number;
  readonly intervalMs: number;
}

/** What is to be shown, and when that was. A new object at each change, and once a second, for ages grow. */
export interface Seen {
  readonly snapshot: Snapshot;
  readonly nowMs: number;
}

/** Answers of many nodes come close together: they are shown together. */
const gatherMs = 60;
/** Times as long as showing took is waited before showing again, so that many nodes cannot take all of a processor. */
const restTimes = 4;
const tickMs = 1_000;

/** Watches a cluster, from `start` to `stop`. */
export class Session {
  readonly #poller: Poller;
  readonly #feed: EventFeed;
  readonly #listeners = new Set<() => void>();
  readonly #over = new AbortController();
  #cancelGather: Cancel | undefined;
  #cancelTick: Cancel = () => {};
  #isStale = false;
  #isPaused = false;
  #tookMs = 0;
  #seen: Seen;

  constructor(private readonly options: SessionOptions) {
    const { clock } = options;
    const onChange = (): void => this.#gather();
    this.#poller = new Poller({ ...options, onChange }, options.intervalMs);
    this.#feed = new EventFeed({ ...options, candidates: () => this.#poller.answering, onChange });
    this.#seen = { snapshot: this.#watched(), nowMs: clock.nowMs() };
  }

  get seen(): Seen {
    return this.#seen;
  }

  subscribe(listener: () => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    this.#poller.start();
    this.#feed.start();
    this.#tick();
  }

  /** Stops asking, and shows nothing new. Ages go on growing, for what is shown goes on getting older. */
  pause(): void {
    this.#isPaused = true;
    this.#poller.stop();
  }

  resume(): void {
    this.#isPaused = false;
    this.#poller.start();
  }

  pace(intervalMs: number): void {
    this.#poller.pace(intervalMs);
  }

  /** Asks all nodes once; resolves when each has answered or failed, and that is seen. */
  async refresh(): Promise<void> {
    await this.#poller.refresh();
    this.#show();
  }

  act(action: Action): Promise<Message> {
    const { api, timeoutMs } = this.options;
    return act(action, {
      api,
      timeoutMs,
      signal: this.#over.signal,
      answering: () => this.#poller.answering,
      targetOf: (name) => this.#poller.targetOf(name),
    });
  }

  stop(): void {
    this.#over.abort();
    this.#poller.stop();
    this.#feed.stop();
    this.#cancelGather?.();
    this.#cancelTick();
    this.#listeners.clear();
  }

  #gather(): void {
    this.#isStale = true;
    this.#feed.reconsider();
    if (this.#over.signal.aborted || this.#isPaused) return;
    const waitMs = Math.max(gatherMs, restTimes * this.#tookMs);
    this.#cancelGather ??= this.options.clock.after(waitMs, () => this.#show());
  }

  #tick(): void {
    this.#cancelTick = this.options.clock.after(tickMs, () => {
      this.#show();
      this.#tick();
    });
  }

  #show(): void {
    this.#cancelGather?.();
    this.#cancelGather = undefined;
    const startMs = this.options.clock.nowMs();
    const isNew = this.#isStale && !this.#isPaused;
    const snapshot = isNew ? this.#watched() : this.#seen.snapshot;
    if (isNew) this.#isStale = false;
    this.#seen = { snapshot, nowMs: startMs };
    for (const listener of this.#listeners) listener();
    this.#tookMs = this.options.clock.nowMs() - startMs;
  }

  #watched(): Snapshot {
    const { tracks, leftOut, failure } = this.#poller;
    return snapshotOf({ tracks, leftOut, feed: this.#feed.feed, failure });
  }
}
