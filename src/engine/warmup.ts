import { messageOf } from '../base/errors.js';
import { Stop } from '../base/stop-signal.js';
import type { Cancel, Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { Random } from '../ports/random.js';
import type { Keyspace } from './keyspace.js';
import type { Keyspaces } from './keyspaces.js';
import type { Reads } from './reads.js';
import type { Topology } from './topology.js';
import { type WarmTask, warmAll } from './warm-keys.js';
import type { ResolvedWarmup } from './warmup-options.js';

export interface WarmUpDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly spaces: Keyspaces;
  readonly topology: Topology;
  readonly reads: Pick<Reads, 'refresh'>;
  readonly options: ResolvedWarmup;
  /** Whoever is out of touch with the others loads and may keep nothing, so nothing is loaded ahead of need. */
  readonly inTouch: () => boolean;
  /** The keys that callers of other nodes ask for most. Never rejects. */
  readonly hotElsewhere: (space: Keyspace) => Promise<readonly string[]>;
}

/** Several changes of the ring that come together are one; and nodes do not ask their source all at once. */
const settleMs = 100;
const jitterMs = 200;
/** Keys of one round: the rest is loaded when it is asked for. */
const tasksMax = 100_000;
/** What could not be kept yet, as links have just come up or this node is out of touch, is looked at again after so long. */
const postponeMs = 500;
/** Copies of others' keys are asked for anew when they are read at least so often. */
const copyHitsPerSecondMin = 1;

interface Round {
  readonly tasksOf: (elsewhere: readonly WarmTask[]) => readonly WarmTask[];
  readonly isDue: (task: WarmTask) => boolean;
}

export interface Progress {
  readonly done: number;
  readonly total: number;
}

/**
 * Loads what will be asked for before it is: warm keys and hot keys, when the ring has changed and now and then, each by
 * the node that owns it. A load asks the key's previous owner first, as all loads do after a change, so that the data
 * source sees those keys only that nobody held.
 */
export class WarmUp {
  readonly #deps: WarmUpDeps;
  #members: ReadonlySet<string> = new Set();
  #progress: Progress | undefined;
  #isWarm = false;
  #isRunning = false;
  /** The ring has changed while a round ran. */
  #isAgain = false;
  /** Something could not be kept yet. */
  #isPostponed = false;
  #stop = new Stop();
  #cancels: { round?: Cancel; deadline?: Cancel; refresh?: Cancel } = {};

  constructor(deps: WarmUpDeps) {
    this.#deps = deps;
  }

  /** The first round is over, or has taken too long. */
  get isWarm(): boolean {
    return this.#isWarm;
  }

  /** Of the round that runs. */
  get progress(): Progress | undefined {
    return this.#progress;
  }

  /** This node serves: it has joined. */
  start(): void {
    const { clock, options, topology } = this.#deps;
    this.#members = namesOf(topology);
    this.#armRefresh();
    if (!options.onJoin || options.deadlineMs === 0 || (this.#members.size <= 1 && this.#tasks([]).length === 0)) {
      this.#isWarm = true;
      return;
    }
    this.#cancels.deadline = clock.after(options.deadlineMs, () => this.#warm(), { background: true });
    this.#behind(this.#run());
  }

  stop(): void {
    this.#stop.abort('the engine stops');
    for (const cancel of Object.values(this.#cancels)) cancel();
    this.#cancels = {};
  }

  /** Called after each change of the ring. */
  ringChanged(): void {
    const { random, topology, options } = this.#deps;
    // Before it serves there is nothing to do: what is there when it does is looked at then.
    if (this.#members.size === 0 || this.#stop.aborted) return;
    const before = this.#members;
    this.#members = namesOf(topology);
    const isJoined = [...this.#members].some((name) => !before.has(name));
    const isLeft = [...before].some((name) => !this.#members.has(name));
    if (!(isJoined && options.onJoin) && !(isLeft && options.onLeave)) return;
    this.#arm(this.#isWarm ? settleMs + jitterMs * random.next() : 0);
  }

  #arm(afterMs: number): void {
    if (this.#stop.aborted) return;
    this.#cancels.round?.();
    this.#cancels.round = this.#deps.clock.after(afterMs, () => this.#behind(this.#run()), { background: true });
  }

  #warm(): void {
    this.#isWarm = true;
    this.#cancels.deadline?.();
  }

  #behind(work: Promise<void>): void {
    work.catch((error) => this.#deps.log.write('error', 'loading ahead of need failed', { error: messageOf(error) }));
  }

  async #run(): Promise<void> {
    this.#isAgain = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#isAgain && !this.#stop.aborted) {
        this.#isAgain = false;
        await this.#round({ tasksOf: (elsewhere) => this.#tasks(elsewhere), isDue: (task) => this.#isAbsent(task) });
      }
    } finally {
      this.#isRunning = false;
      if (this.#isPostponed) this.#arm(postponeMs);
      // Before the others have taken it in, no key is this node's: the change of the ring that does it begins another round.
      else if (this.#deps.topology.isOwner) this.#warm();
    }
  }

  async #round({ tasksOf, isDue }: Round): Promise<void> {
    const { log, spaces, hotElsewhere, options } = this.#deps;
    const gathered = await Promise.all(
      [...spaces.values()].map(async (space) => (await hotElsewhere(space)).map((key): WarmTask => ({ space, key }))),
    );
    if (this.#stop.aborted) return;
    const tasks = tasksOf(gathered.flat());
    this.#progress = { done: 0, total: tasks.length };
    let failed = 0;
    let firstFailure = '';
    await warmAll(this.#deps, tasks, { ...options, signal: this.#stop, isDue }, (outcome) => {
      this.#progress = { done: (this.#progress?.done ?? 0) + 1, total: tasks.length };
      if (outcome.is !== 'failed') return;
      if (failed++ === 0)
        firstFailure = `'${outcome.task.key}' of '${outcome.task.space.name}': ${outcome.error.message}`;
    });
    this.#progress = undefined;
    if (failed > 0)
      log.write('warn', `${failed} of ${tasks.length} keys were not loaded ahead of need; the first: ${firstFailure}`);
  }

  #tasks(elsewhere: readonly WarmTask[]): readonly WarmTask[] {
    const { topology, clock, inTouch } = this.#deps;
    const nowMs = clock.nowMs();
    this.#isPostponed = !inTouch();
    if (this.#isPostponed) return [];
    return this.#candidates(elsewhere).filter((task) => {
      if (!this.#isAbsent(task)) return false;
      const { slots } = task.space;
      const isContested = slots.isContested(slots.slotOf(topology.hash(task.key)), nowMs);
      this.#isPostponed ||= isContested;
      return !isContested;
    });
  }

  /** This node owns it and does not hold it. Held entries of which it is in doubt count: the first read makes them its own. */
  #isAbsent({ space, key }: WarmTask): boolean {
    const { topology, clock } = this.#deps;
    if (!topology.place(key).mine) return false;
    const entry = space.store.peek(key);
    return entry === undefined || entry.expiresAtMs <= clock.nowMs();
  }

  /** Of what this node owns, what expires before the next round; and copies of others' that are read all the time. */
  #isRefreshDue({ space, key }: WarmTask): boolean {
    const { topology, clock, options } = this.#deps;
    const nowMs = clock.nowMs();
    const entry = space.store.peek(key);
    const isDue = entry === undefined || entry.expiresAtMs <= nowMs + 2 * options.refreshIntervalMs;
    if (topology.place(key).mine) return isDue && entry?.wasPut !== true;
    if (entry === undefined || !isDue || entry.isHeld) return false;
    const perSecond = (1000 * space.hotKeys.hits(key)) / space.hotKeys.windowMs(nowMs);
    return perSecond >= copyHitsPerSecondMin;
  }

  #candidates(elsewhere: readonly WarmTask[]): readonly WarmTask[] {
    const { spaces, options } = this.#deps;
    const found: WarmTask[] = [];
    for (const space of spaces.values()) {
      const keys = new Set(space.options.warmKeys);
      for (const { key } of space.hotKeys.top(options.maxHotKeys, options.minHits)) keys.add(key);
      for (const told of elsewhere) if (told.space === space) keys.add(told.key);
      for (const key of keys) found.push({ space, key });
    }
    return found.slice(0, tasksMax);
  }

  #armRefresh(): void {
    const { clock, random, options, inTouch } = this.#deps;
    if (options.refreshIntervalMs === 0 || this.#stop.aborted) return;
    // Up to a tenth earlier, so that nodes that started together do not ask their source together.
    const afterMs = options.refreshIntervalMs * (1 - 0.1 * random.next());
    const round = async (): Promise<void> => {
      const isDue = (task: WarmTask): boolean => this.#isRefreshDue(task);
      const tasksOf = (elsewhere: readonly WarmTask[]): readonly WarmTask[] =>
        inTouch() ? this.#candidates(elsewhere).filter(isDue) : [];
      if (!this.#isRunning) await this.#round({ tasksOf, isDue });
      this.#armRefresh();
    };
    this.#cancels.refresh = clock.after(afterMs, () => this.#behind(round()), { background: true });
  }
}

const namesOf = (topology: Topology): ReadonlySet<string> => new Set(topology.ring().members.map(({ name }) => name));
