import { notStarted } from '../base/errors.js';
import { allGuards } from '../coherence/guards.js';
import type {
  CacheService,
  CallOptions,
  DrainResult,
  FailedLookup,
  Found,
  GetOptions,
  HotKeysOptions,
  HotKeyspace,
  KeyLocation,
  KeyspaceStatus,
  Lookup,
  NodeStatus,
  PeerStatus,
  PutEntry,
  WarmOptions,
  WarmResult,
  WriteManyResult,
  WriteOptions,
  WriteResult,
} from '../ports/cache.js';
import type { Wait } from '../ports/clock.js';
import type { Ack } from '../ports/peers.js';
import type { Entry } from '../store/entry.js';
import { checkBatch, checkKey, putOf, waitOf } from './arguments.js';
import { allRead, asDistcacheError, type KeyChange, writeAll } from './batches.js';
import type { EngineDeps } from './deps.js';
import { type EngineEvent, EventHub } from './events.js';
import { hotElsewhere } from './hot-elsewhere.js';
import { Inflight } from './inflight.js';
import { Insights } from './insights.js';
import type { Keyspace } from './keyspace.js';
import type { KeyspaceControl } from './keyspace-control.js';
import { KeyspaceOperations } from './keyspace-operations.js';
import { Keyspaces } from './keyspaces.js';
import { Lifecycle } from './lifecycle.js';
import type { ResolvedOptions } from './options.js';
import { isNewEnough, termsOf } from './path.js';
import { Peering } from './peering.js';
import type { CallersReads, CallersWrites } from './recorded.js';
import { Shape } from './shape.js';
import type { Topology } from './topology.js';
import { Upkeep } from './upkeep.js';
import { locationOf, peersOf, statusOf } from './views.js';
import { warmCall } from './warm-call.js';
import { WarmUp } from './warmup.js';
import type { Change } from './writes.js';

/** For handing over, unless the caller says otherwise. */
const drainMs = 30_000;

/**
 * The cache engine of one node: joins store, ring, flights, sources, membership and peers into the read and write paths.
 * Everything from outside (time, chance, network, members) is passed in.
 */
export class CacheEngine extends KeyspaceOperations implements CacheService {
  /** What the admin endpoints show. */
  readonly insights: Insights;
  readonly #deps: EngineDeps;
  readonly #options: ResolvedOptions;
  readonly #spaces: Keyspaces;
  readonly #topology: Topology;
  readonly #reads: CallersReads;
  readonly #writes: CallersWrites;
  readonly #peering: Peering;
  readonly #events = new EventHub();
  readonly #shape: Shape;
  /** Operations under way that are more than a look into memory. */
  readonly #inflight: Inflight;
  /** What peers have asked and wait for; each link bounds its own. */
  readonly #served: Inflight;
  readonly #life: Lifecycle;
  readonly #warmUp: WarmUp;

  constructor(deps: EngineDeps, options: ResolvedOptions) {
    super();
    this.#deps = deps;
    this.#options = options;
    this.#spaces = new Keyspaces({ ...deps, events: this.#events }, options);
    this.#inflight = new Inflight(deps.clock, options.limits.maxInflight);
    this.#served = new Inflight(deps.clock, Number.POSITIVE_INFINITY);
    this.#peering = new Peering(
      {
        ...deps,
        guards: deps.guards ?? allGuards,
        spaces: this.#spaces,
        served: this.#served,
        serving: () => this.#life.state === 'serving',
        starting: () => this.#life.state === 'starting',
        inflight: this.#inflight,
        publish: (event) => this.#events.publish(event),
        ringChanged: () => this.#warmUp.ringChanged(),
      },
      options,
    );
    this.#topology = this.#peering.topology;
    this.#reads = this.#peering.reads;
    this.#writes = this.#peering.writes;
    this.#shape = new Shape(deps.clock, deps.self);
    const upkeep = new Upkeep(
      deps.clock,
      deps.log,
      () => this.#spaces.values(),
      () => {
        this.#peering.tidy();
        this.insights.tidy();
      },
    );
    this.#warmUp = new WarmUp({
      ...deps,
      spaces: this.#spaces,
      topology: this.#topology,
      reads: this.#peering.reads,
      options: options.warmup,
      inTouch: () => this.#peering.leases.owns(),
      hotElsewhere: (space) => hotElsewhere({ ...deps, limits: options.limits }, space, options.warmup.maxHotKeys),
    });
    this.insights = new Insights({
      clock: deps.clock,
      spaces: this.#spaces,
      topology: this.#topology,
      inflight: this.#inflight,
      served: this.#served,
      events: this.#events,
      leases: this.#peering.leases,
      handover: this.#peering.handover,
      takeovers: this.#peering.takeovers,
      spared: this.#peering.spared,
      once: this.#peering.once,
      vouches: this.#peering.vouches,
      options,
      state: () => this.#life.state,
      isDraining: () => this.#peering.isDraining,
      warmUp: this.#warmUp,
    });
    this.#life = new Lifecycle({
      ...deps,
      spaces: this.#spaces,
      peering: this.#peering,
      events: this.#events,
      inflight: this.#inflight,
      served: this.#served,
      upkeep,
      warmUp: this.#warmUp,
    });
  }

  /**
   * Opens the data sources, meets the other nodes, then serves. Rejects with CLUSTER_QUORUM, or with what opening a source
   * threw.
   */
  open(wait: Wait): Promise<void> {
    return this.#life.open(wait);
  }

  /** Refuses new operations, waits for those under way, leaves the cluster and frees everything. Idempotent. */
  close(wait: Wait): Promise<void> {
    return this.#life.close(wait);
  }

  /** Rejects with NOT_FOUND when the data source has no such key. */
  get(keyspace: string, key: string, options?: GetOptions): Promise<Found> {
    const space = this.#spaces.get(keyspace);
    // What memory holds was checked when it came in; the arguments are looked at only when it holds nothing.
    if (space !== undefined && this.#life.state === 'serving' && options?.signal?.aborted !== true) {
      const lookup = this.#remembered(space, key, options);
      if (lookup !== undefined) return lookup.found ? Promise.resolve(lookup) : Promise.reject(space.noSuchKey(key));
    }
    return this.#load(keyspace, key, options);
  }

  async lookup(keyspace: string, key: string, options?: GetOptions): Promise<Lookup> {
    const space = this.#spaceOf(keyspace, key, 'get');
    const wait = waitOf(options, space.options.readTimeoutMs, this.#deps.clock, 'get', key);
    return this.#remembered(space, key, options) ?? (await this.#read(space, key, wait, options));
  }

  async getMany(keyspace: string, keys: readonly string[], options?: GetOptions): Promise<readonly Lookup[]> {
    return allRead(await this.lookupMany(keyspace, keys, options));
  }

  async lookupMany(
    keyspace: string,
    keys: readonly string[],
    options?: GetOptions,
  ): Promise<readonly (Lookup | FailedLookup)[]> {
    const space = this.#space(keyspace, 'getMany');
    checkBatch('keys', keys, this.#options.limits);
    for (const key of keys) checkKey(key, this.#options.limits);
    const wait = waitOf(options, space.options.readTimeoutMs, this.#deps.clock, 'getMany');
    return Promise.all(
      keys.map(
        (key) =>
          this.#remembered(space, key, options) ??
          this.#read(space, key, wait, options).catch(
            (error): FailedLookup => ({ key, error: asDistcacheError(error) }),
          ),
      ),
    );
  }

  async put(keyspace: string, entry: PutEntry, options?: WriteOptions): Promise<WriteResult> {
    const space = this.#space(keyspace, 'put');
    const change = putOf(entry, this.#options.limits, this.#deps.clock);
    return this.#write(space, entry.key, change, options?.ack, this.#writeWait(space, options, 'put', entry.key));
  }

  async putMany(keyspace: string, entries: readonly PutEntry[], options?: WriteOptions): Promise<WriteManyResult> {
    const space = this.#space(keyspace, 'putMany');
    checkBatch('entries', entries, this.#options.limits);
    const { limits } = this.#options;
    const changes = entries.map((entry) => ({ key: entry?.key, change: putOf(entry, limits, this.#deps.clock) }));
    return this.#writeMany(space, changes, options?.ack, this.#writeWait(space, options, 'putMany'));
  }

  async delete(keyspace: string, key: string, options?: WriteOptions): Promise<WriteResult> {
    const space = this.#spaceOf(keyspace, key, 'delete');
    return this.#write(space, key, { do: 'delete' }, options?.ack, this.#writeWait(space, options, 'delete', key));
  }

  async deleteMany(keyspace: string, keys: readonly string[], options?: WriteOptions): Promise<WriteManyResult> {
    const space = this.#space(keyspace, 'deleteMany');
    checkBatch('keys', keys, this.#options.limits);
    for (const key of keys) checkKey(key, this.#options.limits);
    const changes = keys.map((key) => ({ key, change: { do: 'delete' } as const }));
    return this.#writeMany(space, changes, options?.ack, this.#writeWait(space, options, 'deleteMany'));
  }

  /** What memory holds of a key while it is fresh, without waiting, loading or asking anybody. */
  peek(keyspace: string, key: string, options?: { readonly shared?: boolean }): Lookup | undefined {
    const entry = this.#spaceOf(keyspace, key, 'peek').fresh(key);
    return entry && this.#peering.mayServe(entry) ? this.#shape.remembered(entry, options) : undefined;
  }

  /** Names, in the order they were given. */
  keyspaces(): readonly string[] {
    return this.#spaces.names();
  }

  describeKeyspaces(): readonly KeyspaceStatus[] {
    return this.#spaces.status();
  }

  describeKeyspace(name: string): KeyspaceStatus {
    return this.#spaces.existing(name).status();
  }

  /** Counters and gauges, by keyspace. */
  stats(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return this.#spaces.stats();
  }

  /** Closes the circuit before a keyspace's data source, on this node. Throws KEYSPACE_NOT_FOUND. */
  resetBreaker(keyspace: string): void {
    this.#spaces.existing(keyspace).source.reset();
  }

  /** Without `timeoutMs` each key has its time, and the whole as much as that comes to. */
  async warm(keyspace: string, keys: readonly string[], options: WarmOptions = {}): Promise<WarmResult> {
    const space = this.#space(keyspace, 'warm');
    checkBatch('keys', keys, this.#options.limits);
    for (const key of keys) checkKey(key, this.#options.limits);
    const wait = waitOf(options, Number.POSITIVE_INFINITY, this.#deps.clock, 'warm');
    const mayServe = (entry: Entry): boolean => this.#peering.mayServe(entry);
    const deps = { clock: this.#deps.clock, reads: this.#peering.reads, defaults: this.#options.warmup, mayServe };
    return this.#inflight.run(() => warmCall(deps, space, keys, options, wait));
  }

  hotKeys(options?: HotKeysOptions): readonly HotKeyspace[] {
    return this.insights.hotKeys(options);
  }

  /** The name of the node that owns a key now. */
  owner(keyspace: string, key: string): string {
    this.#spaceOf(keyspace, key, 'owner');
    return this.#topology.place(key).owner.name;
  }

  locate(keyspace: string, key: string): KeyLocation {
    this.#spaceOf(keyspace, key, 'locate');
    return locationOf(this.#topology, key);
  }

  /** Recounts what the keyspaces hold and throws where it differs from their totals. For tests. */
  check(): void {
    this.#spaces.check();
  }

  /** What happens in the cluster from now on, as this node sees it. Ends with the engine, or when the loop is left. */
  events(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<EngineEvent> {
    return this.#events.subscribe(options?.signal);
  }

  /** Takes this node out of the ring and hands what it holds to the owners to come; it goes on answering. */
  drain(options?: CallOptions): Promise<DrainResult> {
    if (this.#life.state !== 'serving') return Promise.reject(notStarted('drain'));
    return this.#peering.drain(waitOf(options, drainMs, this.#deps.clock, 'drain'));
  }

  status(): NodeStatus {
    const { ready, state } = this.insights.readiness();
    return statusOf(this.#deps, this.#topology, { state, ready, uptimeMs: this.#life.uptimeMs });
  }

  peers(): readonly PeerStatus[] {
    return peersOf(this.#deps, this.#topology);
  }

  protected override get control(): KeyspaceControl {
    return this.#peering.control;
  }

  #remembered(space: Keyspace, key: string, options: GetOptions | undefined): Lookup | undefined {
    const entry = space.fresh(key);
    if (entry === undefined || !this.#peering.mayServe(entry)) return undefined;
    if (options !== undefined && !isNewEnough(entry, options)) return undefined;
    space.countHit(entry);
    space.hotKeys.touch(key);
    return this.#shape.remembered(entry, options);
  }

  /** The rest of `get`, where memory holds nothing. */
  async #load(keyspace: string, key: string, options: GetOptions | undefined): Promise<Found> {
    const space = this.#spaceOf(keyspace, key, 'get');
    const wait = waitOf(options, space.options.readTimeoutMs, this.#deps.clock, 'get', key);
    const lookup = await this.#read(space, key, wait, options);
    if (lookup.found) return lookup;
    throw space.noSuchKey(key);
  }

  async #read(space: Keyspace, key: string, wait: Wait, options: GetOptions | undefined): Promise<Lookup> {
    this.#inflight.enter();
    space.hotKeys.touch(key);
    const startedMs = this.#deps.clock.nowMs();
    try {
      const answer = await this.#reads.read(space, key, wait, termsOf(this.#deps.context.current(), options));
      return this.#shape.answered(key, answer, options);
    } finally {
      this.#inflight.leave();
      space.timings.misses.record(this.#deps.clock.nowMs() - startedMs);
    }
  }

  #writeWait(space: Keyspace, options: CallOptions | undefined, what: string, name?: string): Wait {
    return waitOf(options, space.options.writeTimeoutMs, this.#deps.clock, what, name);
  }

  #write(space: Keyspace, key: string, change: Change, ack: Ack | undefined, wait: Wait): Promise<WriteResult> {
    return this.#inflight.run(() =>
      space.timings.writes.timed(this.#deps.clock, () =>
        this.#writes.write(space, key, change, ack ?? 'applied', wait),
      ),
    );
  }

  #writeMany(
    space: Keyspace,
    changes: readonly KeyChange[],
    ack: Ack | undefined,
    wait: Wait,
  ): Promise<WriteManyResult> {
    return writeAll(changes, ({ key, change }) => this.#write(space, key, change, ack, wait));
  }

  #space(name: string, what: string): Keyspace {
    if (this.#life.state !== 'serving') throw notStarted(what);
    return this.#spaces.existing(name);
  }

  #spaceOf(keyspace: string, key: string, what: string): Keyspace {
    const space = this.#space(keyspace, what);
    checkKey(key, this.#options.limits);
    return space;
  }
}
