import { DistcacheError, messageOf } from '../base/errors.js';
import { Latest } from '../base/latest.js';
import { Slots } from '../coherence/slots.js';
import { isPutAfter } from '../coherence/sweeps.js';
import { SingleFlight } from '../flight/single-flight.js';
import { HotKeys } from '../hotkeys/hot-keys.js';
import type { KeyspaceStatus } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import type { LoadContext } from '../ports/load-context.js';
import type { Outcome } from '../ports/peers.js';
import type { Random } from '../ports/random.js';
import type { Recorder } from '../ports/recorder.js';
import type { CircuitState } from '../ports/source-status.js';
import { GuardedSource } from '../source/guarded-source.js';
import type { Entry, EvictionIndexFactory } from '../store/entry.js';
import { Store } from '../store/store.js';
import { noCounts } from './keyspace-counts.js';
import { KeyspaceSweeps } from './keyspace-sweeps.js';
import type { EngineLimits, KeyspaceOptions, ResolvedKeyspace } from './options.js';
import { sourceLimits } from './source-limits.js';
import { named, percentileStats, Timings } from './timings.js';

/** What a read came to, before it is given the shape that callers see. */
export interface Answer {
  /** null: the data source has no such key. Shared bytes: copied before a caller gets them. */
  readonly value: Uint8Array | null;
  readonly version: number;
  /** On this node's monotonic clock; Infinity: does not expire. */
  readonly expiresAtMs: number;
  readonly outcome: Outcome;
  readonly wasPut: boolean;
  /** The data source's own; undefined: none. */
  readonly sourceVersion: number | undefined;
  readonly tags: readonly string[];
  /** Name of the node whose memory or source answered. */
  readonly node: string;
}

/** Entries evicted in one go where the budget was lowered: a millisecond or two. */
const evictedPerSlice = 2000;

/** Of an entry that memory answers with. */
export const outcomeOf = (entry: Entry): Outcome =>
  entry.value === null ? 'negative' : entry.owner === '' ? 'hit' : 'hot';

export interface KeyspaceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly context: LoadContext;
  readonly recorder?: Recorder | undefined;
  readonly evictionIndex: EvictionIndexFactory;
  readonly circuitChanged: (keyspace: string, from: CircuitState, to: CircuitState) => void;
  /** Keys that may be told to be hot. */
  readonly maxHotKeys: number;
}

/** Of the seconds in which nodes may disagree about who owns them. */
const passedOnMax = 8192;

/** Counters for each key that may be told to be hot: the more, the surer is the order of those that are. */
const countersPerHotKey = 4;
const hotKeysMin = 64;
/** Hits of a minute ago count half. */
const hotHalfLifeMs = 60_000;

/** One keyspace on one node: its entries, what it remembers of writes, the loads under way, and its data source. */
export class Keyspace {
  readonly store: Store;
  readonly slots = new Slots();
  readonly sweeps: KeyspaceSweeps;
  readonly source: GuardedSource;
  /** Loads by this node as the owner. */
  readonly loads: SingleFlight<Answer>;
  /** Fetches from owners, and loads in their stead. */
  readonly fetches: SingleFlight<Answer>;
  /** By key the id of the node that has taken its entry over from this one, the latest of them. After `untilMs` nobody asks for it. */
  readonly passedOn = new Latest<string, { readonly to: string; readonly untilMs: number }>(passedOnMax);
  readonly counts = noCounts();
  readonly timings = new Timings();
  readonly hotKeys: HotKeys;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: EngineLimits;
  /** What this node's own file, or its caller, says of it: changes at run time are laid over this. */
  given: KeyspaceOptions;
  #options: ResolvedKeyspace;
  #generation = 0;
  /** Under way while a smaller budget is not reached yet. */
  #resizing: Promise<void> | undefined;

  constructor(options: ResolvedKeyspace, limits: EngineLimits, deps: KeyspaceDeps) {
    this.given = options.given;
    this.#options = options;
    this.#limits = limits;
    this.#clock = deps.clock;
    this.#random = deps.random.fork(`ttl:${options.name}`);
    this.hotKeys = new HotKeys({
      capacity: Math.max(hotKeysMin, countersPerHotKey * deps.maxHotKeys),
      halfLifeMs: hotHalfLifeMs,
      random: deps.random.fork(`hot-keys:${options.name}`),
    });
    this.store = new Store({ maxBytes: options.maxBytes, hotShare: options.hotShare, index: deps.evictionIndex });
    this.sweeps = new KeyspaceSweeps(deps.clock, this.slots, this.store);
    this.source = new GuardedSource(
      { ...deps, circuitChanged: (from, to) => deps.circuitChanged(options.name, from, to) },
      options.name,
      options.dataSource,
      sourceLimits(options, limits),
    );
    const overloaded = (limit: number): DistcacheError =>
      new DistcacheError(
        'OVERLOADED',
        `keyspace '${options.name}' has ${limit} keys being read already; limits.maxInflight allows no more`,
      );
    this.loads = new SingleFlight(deps.clock, limits.maxInflight, overloaded);
    this.fetches = new SingleFlight(deps.clock, limits.maxInflight, overloaded);
  }

  get name(): string {
    return this.#options.name;
  }

  /** As they are now: read them anew for each use. */
  get options(): ResolvedKeyspace {
    return this.#options;
  }

  /** Version of the latest clear. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Takes other options of the same keyspace, in force at once for whatever begins from now on. Resolves when the entries
   * are within the budget; those that are valid and fit are kept.
   */
  retune(options: ResolvedKeyspace): Promise<void> {
    this.#options = options;
    this.source.retune(sourceLimits(options, this.#limits));
    this.#resizing ??= this.#resize();
    return this.#resizing;
  }

  /**
   * Everything from before this version is void: what is held goes, what is under way is stored no more, and what other
   * nodes send from before they have heard of it is refused. undefined where that is known already.
   * @returns `newer`: the latest version of what was put later and stays; 0: nothing does
   */
  clear(version: number): { readonly newer: number } | undefined {
    if (version <= this.#generation) return undefined;
    this.#generation = version;
    this.slots.touchAll(version);
    let newer = 0;
    this.store.clear('cleared', (entry) => {
      if (!isPutAfter(version, entry)) return false;
      newer = Math.max(newer, entry.version);
      return true;
    });
    return { newer };
  }

  /** The entry in memory while it is fresh. The hot path: one lookup, no allocation. */
  fresh(key: string): Entry | undefined {
    const entry = this.store.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAtMs !== Number.POSITIVE_INFINITY && entry.expiresAtMs <= this.#clock.nowMs()) return undefined;
    return entry;
  }

  /** The entry in memory, also past its expiry while it is kept for when the data source is slow or fails. */
  kept(key: string): Entry | undefined {
    const entry = this.store.peek(key);
    return entry !== undefined && entry.keepUntilMs > this.#clock.nowMs() ? entry : undefined;
  }

  /** How long this node keeps an entry that it owns, or holds for its owner. An absence is never answered with too late. */
  keepUntilMs(value: Uint8Array | null, expiresAtMs: number): number {
    const { staleWhileRevalidateMs, staleIfErrorMs } = this.options;
    return value === null ? expiresAtMs : expiresAtMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs);
  }

  /**
   * Where copies of other nodes' entries fill their part, another one is taken in when its key was asked for before, lately:
   * by measured rate, so that a long row of keys that are asked for once pushes out nothing that is hot.
   */
  admitsCopy(key: string, value: Uint8Array | null): boolean {
    return this.store.hasRoomForCopy(key, value?.byteLength ?? 0) || this.hotKeys.hits(key) > 1.5;
  }

  /** Counts a read that memory answered. */
  countHit(entry: Entry): void {
    this.counts.gets++;
    this.counts.cacheHits++;
    if (entry.value === null) this.counts.negativeHits++;
    else if (entry.owner !== '') this.counts.hotHits++;
  }

  /** Counts a read that memory answered at once though the entry has expired. */
  countStale(): void {
    this.counts.gets++;
    this.counts.cacheHits++;
    this.counts.stale++;
  }

  /** Counts a read that memory did not answer. */
  countMiss(): void {
    this.counts.gets++;
    this.counts.loads++;
  }

  /**
   * Milliseconds an entry lives: what was said with it, else what the keyspace's `expiresAt` says, else the jittered
   * default. Zero or below: not to be kept.
   */
  lifeMs(key: string, givenMs: number | undefined): number {
    if (givenMs !== undefined) return givenMs;
    const date = this.#expiryOf(key);
    if (date !== undefined) return date.getTime() - this.#clock.wallMs();
    return this.#jittered(this.options.defaultTtlMs);
  }

  /**
   * Another node has written a key: what is held of it goes, but for a put that came later still. What was loaded goes
   * whatever its version: that is of the clock of whoever loaded it, which may be ahead of the writer's.
   */
  overwritten(key: string, slot: number, version: number): void {
    this.counts.invalidations++;
    this.slots.touch(slot, version);
    const entry = this.store.peek(key);
    if (entry !== undefined && !(entry.wasPut && entry.version > version)) this.store.delete(key, 'invalidated');
  }

  /** Milliseconds the absence of a key is remembered; 0: not at all. */
  negativeLifeMs(): number {
    return this.#jittered(this.options.negativeTtlMs);
  }

  noSuchKey(key: string): DistcacheError {
    return new DistcacheError('NOT_FOUND', `keyspace '${this.name}' has no key '${key}', says its data source`);
  }

  status(): KeyspaceStatus {
    const { name, maxBytes, defaultTtlMs, negativeTtlMs, readTimeoutMs, writeTimeoutMs, hotShare, eviction, warmKeys } =
      this.options;
    const { ttlJitter, staleWhileRevalidateMs, staleIfErrorMs } = this.options;
    return {
      name,
      maxBytes,
      defaultTtlMs: defaultTtlMs === Number.POSITIVE_INFINITY ? undefined : defaultTtlMs,
      negativeTtlMs: negativeTtlMs === 0 ? undefined : negativeTtlMs,
      ttlJitter,
      staleWhileRevalidateMs: staleWhileRevalidateMs === 0 ? undefined : staleWhileRevalidateMs,
      staleIfErrorMs: staleIfErrorMs === 0 ? undefined : staleIfErrorMs,
      readTimeoutMs,
      writeTimeoutMs,
      hotShare,
      eviction,
      warmKeys,
      source: this.source.status(),
      stats: this.stats(),
    };
  }

  /**
   * Counters since start and gauges of now, named as in the admin endpoints. Percentiles of durations are there while
   * something was measured lately.
   */
  stats(): Readonly<Record<string, number>> {
    const { counts, store } = this;
    const loads = this.loads.counts();
    const fetches = this.fetches.counts();
    const held = store.counts();
    return {
      gets: counts.gets,
      cache_hits: counts.cacheHits,
      hot_hits: counts.hotHits,
      negative_hits: counts.negativeHits,
      stale_hits: counts.stale,
      refreshes: counts.refreshes,
      loads: counts.loads,
      loads_coalesced: loads.joined + fetches.joined,
      loads_deduped: loads.started + fetches.started,
      loads_abandoned: loads.abandoned + fetches.abandoned,
      reads_refused: loads.refused + fetches.refused,
      reads_running: loads.running + fetches.running,
      peer_loads: counts.peerLoads,
      peer_errors: counts.peerErrors,
      local_loads: counts.localLoads,
      local_load_errs: counts.localLoadErrors,
      unkept_loads: counts.unkeptLoads,
      server_requests: counts.serverRequests,
      puts: counts.puts,
      deletes: counts.deletes,
      remove_keys_requests: counts.deletes,
      invalidations: counts.invalidations,
      sweeps: this.sweeps.heard,
      sweeps_forgotten: this.sweeps.forgotten,
      recalls: counts.recalls,
      stand_ins: counts.standIns,
      ring_disagreements: counts.disagreements,
      entries_received: counts.held,
      keys_passed_on: this.passedOn.size,
      copies_checked: counts.copiesChecked,
      stale_copies: counts.copiesStale,
      loads_running: this.source.running,
      loads_queued: this.source.queued,
      batches: this.source.batches.questions,
      batched_keys: this.source.batches.keys,
      entries: held.ownedEntries + held.heldEntries + held.hotEntries,
      held_entries: held.heldEntries,
      entries_too_large: held.tooLarge,
      main_cache_bytes: held.ownedBytes,
      hot_cache_bytes: held.hotBytes,
      evictions: held.removed.evicted,
      expirations: held.removed.expired,
      removed_keys: held.removed.deleted + held.removed.invalidated,
      ...named('removals_', held.removed),
      ...percentileStats(this.timings, counts.cacheHits),
    };
  }

  /** In slices, between which reads and writes have their turn. */
  async #resize(): Promise<void> {
    const slice = (): boolean => this.store.resize(this.options.maxBytes, this.options.hotShare, evictedPerSlice);
    while (!slice()) await new Promise<void>((resolve) => void this.#clock.after(0, resolve));
    this.#resizing = undefined;
  }

  #expiryOf(key: string): Date | undefined {
    if (this.options.expiresAt === undefined) return undefined;
    let date: Date | undefined;
    try {
      date = this.options.expiresAt(key);
    } catch (error) {
      throw this.#badExpiry(`threw: ${messageOf(error)}`, error);
    }
    if (date === undefined) return undefined;
    if (!(date instanceof Date) || Number.isNaN(date.getTime()))
      throw this.#badExpiry('returned something else than a valid Date');
    return date;
  }

  #badExpiry(what: string, cause?: unknown): DistcacheError {
    return new DistcacheError('DATA_SOURCE_FAILED', `expiresAt of keyspace '${this.name}' ${what}`, { cause });
  }

  #jittered(ttlMs: number): number {
    return this.options.ttlJitter === 0 ? ttlMs : ttlMs * (1 - this.options.ttlJitter * this.#random.next());
  }
}
