import { splitAddress } from '../base/addresses.js';
import {
  ArgumentTypeError,
  aborted,
  codeOf,
  DistcacheError,
  type KeyFailure,
  messageOf,
  notStarted,
  PartialFailure,
} from '../base/errors.js';
import type { HybridClock } from '../coherence/hybrid-clock.js';
import type {
  CacheService,
  CallOptions,
  FailedLookup,
  Found,
  GetOptions,
  KeyspaceStatus,
  Lookup,
  NodeStatus,
  PeerStatus,
  PutEntry,
  WriteManyResult,
  WriteResult,
} from '../ports/cache.js';
import type { Cancel, Clock, Wait } from '../ports/clock.js';
import type { Hasher } from '../ports/hasher.js';
import type { LoadContext } from '../ports/load-context.js';
import type { Log } from '../ports/log.js';
import type { MemberChange, Membership, NodeInfo } from '../ports/membership.js';
import type { LinkEvent, PeerNetwork } from '../ports/peers.js';
import type { Random } from '../ports/random.js';
import { copyOut } from '../store/bytes.js';
import type { EvictionIndexFactory } from '../store/entry.js';
import { checkBatch, checkKey, checkTimeout, lifeOf, ownValue } from './arguments.js';
import { type EngineEvent, EventHub } from './events.js';
import { type Answer, Keyspace } from './keyspace.js';
import type { ResolvedOptions } from './options.js';
import { PeerRequests } from './peer-requests.js';
import { answerOf, Reads } from './reads.js';
import { Topology } from './topology.js';
import { Upkeep } from './upkeep.js';
import { type Change, Writes } from './writes.js';

export interface EngineDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly hasher: Hasher;
  readonly context: LoadContext;
  readonly membership: Membership;
  readonly peers: PeerNetwork;
  readonly hybrid: HybridClock;
  /** Who this node is; asked again after start, when the port it listens on is known. */
  readonly self: () => NodeInfo;
  readonly label: string;
  readonly evictionPolicies: ReadonlyMap<string, EvictionIndexFactory>;
}

type State = NodeStatus['state'];

/**
 * The cache engine of one node: joins store, ring, flights, sources, membership and peers into the read and write paths.
 * Everything from outside (time, chance, network, members) is passed in.
 */
export class CacheEngine implements CacheService {
  readonly #deps: EngineDeps;
  readonly #options: ResolvedOptions;
  readonly #spaces = new Map<string, Keyspace>();
  readonly #topology: Topology;
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #events = new EventHub();
  readonly #upkeep: Upkeep;
  #state: State = 'starting';
  #startedAtMs = 0;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #cancels: Cancel[] = [];
  /** Operations under way that are more than a look into memory. */
  #inflight = 0;
  #idle: (() => void) | undefined;

  constructor(deps: EngineDeps, options: ResolvedOptions) {
    this.#deps = deps;
    this.#options = options;
    for (const keyspace of options.keyspaces) {
      const evictionIndex = deps.evictionPolicies.get(keyspace.eviction)!;
      this.#spaces.set(keyspace.name, new Keyspace(keyspace, options.limits, { ...deps, evictionIndex }));
    }
    this.#topology = new Topology(deps.membership, deps.hasher, options.virtualNodes, () => deps.self().id);
    const path = {
      clock: deps.clock,
      hybrid: deps.hybrid,
      peers: deps.peers,
      topology: this.#topology,
      self: deps.self,
    };
    this.#reads = new Reads(path);
    this.#writes = new Writes(path);
    this.#upkeep = new Upkeep(deps.clock, deps.log, () => this.#spaces.values());
    const requests = new PeerRequests({
      clock: deps.clock,
      reads: this.#reads,
      writes: this.#writes,
      limits: options.limits,
      self: deps.self,
      serving: () => this.#state === 'serving',
      keyspace: (name) => this.#spaces.get(name),
      dropKeyspace: (name) => this.#drop(name),
    });
    deps.peers.serve((from, request, wait) => requests.handle(from, request, wait));
  }

  /**
   * Opens the data sources, meets the other nodes, then serves. A source that is down is logged and does not keep the
   * node down. Rejects with CLUSTER_QUORUM, or with what opening a misconfigured source threw.
   */
  start(wait: Wait): Promise<void> {
    if (this.#stopping !== undefined) return Promise.reject(notStarted('start'));
    this.#starting ??= this.#start(wait);
    return this.#starting;
  }

  /** Refuses new operations, waits for those under way, leaves the cluster and frees everything. Idempotent. */
  stop(wait: Wait): Promise<void> {
    this.#stopping ??= this.#stop(wait);
    return this.#stopping;
  }

  /** Rejects with NOT_FOUND when the data source has no such key. */
  async get(keyspace: string, key: string, options?: GetOptions): Promise<Found> {
    const space = this.#spaces.get(keyspace);
    if (
      space !== undefined &&
      this.#state === 'serving' &&
      (options === undefined || options.signal?.aborted !== true)
    ) {
      const entry = space.fresh(key);
      if (entry !== undefined && entry.value !== null) {
        space.countHit(entry);
        return this.#found(key, entry.value, answerOf(entry, this.#deps.self().name), options);
      }
    }
    const lookup = await this.lookup(keyspace, key, options);
    if (lookup.found) return lookup;
    throw new DistcacheError('NOT_FOUND', `keyspace '${keyspace}' has no key '${key}', says its data source`);
  }

  async lookup(keyspace: string, key: string, options?: GetOptions): Promise<Lookup> {
    const space = this.#space(keyspace, 'get');
    checkKey(key, this.#options.limits);
    checkTimeout(options?.timeoutMs);
    if (options?.signal?.aborted === true) throw aborted(`get '${key}'`, options.signal.reason);
    return this.#lookup(space, key, options);
  }

  async getMany(keyspace: string, keys: readonly string[], options?: GetOptions): Promise<readonly Lookup[]> {
    const lookups = await this.lookupMany(keyspace, keys, options);
    const failed = lookups.filter((lookup): lookup is FailedLookup => 'error' in lookup);
    if (failed.length === 0) return lookups as readonly Lookup[];
    throw partialFailure(
      'read',
      keys.length,
      failed.map(({ key, error }) => failureOf(key, error)),
      failed[0]!.error,
    );
  }

  async lookupMany(
    keyspace: string,
    keys: readonly string[],
    options?: GetOptions,
  ): Promise<readonly (Lookup | FailedLookup)[]> {
    const space = this.#space(keyspace, 'getMany');
    checkBatch('keys', keys, this.#options.limits);
    for (const key of keys) checkKey(key, this.#options.limits);
    checkTimeout(options?.timeoutMs);
    if (options?.signal?.aborted === true) throw aborted('getMany', options.signal.reason);
    return Promise.all(
      keys.map((key) =>
        this.#lookup(space, key, options).catch((error): FailedLookup => ({ key, error: asDistcacheError(error) })),
      ),
    );
  }

  async put(keyspace: string, entry: PutEntry, options?: CallOptions): Promise<WriteResult> {
    const space = this.#space(keyspace, 'put');
    const change = this.#checkedPut(entry);
    return this.#write(space, entry.key, change, this.#writeWait(space, `put '${entry.key}'`, options));
  }

  async putMany(keyspace: string, entries: readonly PutEntry[], options?: CallOptions): Promise<WriteManyResult> {
    const space = this.#space(keyspace, 'putMany');
    checkBatch('entries', entries, this.#options.limits);
    const changes = entries.map((entry) => ({ key: entry?.key, change: this.#checkedPut(entry) }));
    return this.#writeMany(space, changes, this.#writeWait(space, 'putMany', options));
  }

  async delete(keyspace: string, key: string, options?: CallOptions): Promise<WriteResult> {
    const space = this.#space(keyspace, 'delete');
    checkKey(key, this.#options.limits);
    return this.#write(space, key, { do: 'delete' }, this.#writeWait(space, `delete '${key}'`, options));
  }

  async deleteMany(keyspace: string, keys: readonly string[], options?: CallOptions): Promise<WriteManyResult> {
    const space = this.#space(keyspace, 'deleteMany');
    checkBatch('keys', keys, this.#options.limits);
    for (const key of keys) checkKey(key, this.#options.limits);
    const changes = keys.map((key) => ({ key, change: { do: 'delete' } as const }));
    return this.#writeMany(space, changes, this.#writeWait(space, 'deleteMany', options));
  }

  /** Removes a keyspace and all its entries on every node that can be reached; names those that did not confirm. */
  async deleteKeyspace(name: string, options?: CallOptions): Promise<{ readonly unreached: readonly string[] }> {
    const space = this.#space(name, 'deleteKeyspace');
    const wait = this.#writeWait(space, `deleteKeyspace '${name}'`, options);
    this.#drop(name);
    const request = { do: 'drop-keyspace', keyspace: name, version: this.#deps.hybrid.next() } as const;
    return { unreached: await this.#tracked(() => this.#writes.confirmed(request, wait)) };
  }

  /** All of them are checked before the first is removed. */
  async deleteKeyspaces(
    names: readonly string[],
    options?: CallOptions,
  ): Promise<{ readonly unreached: readonly string[] }> {
    checkBatch('names', names, this.#options.limits);
    for (const name of names) this.#space(name, 'deleteKeyspaces');
    const results = await Promise.all([...new Set(names)].map((name) => this.deleteKeyspace(name, options)));
    return { unreached: namesOf(results.map((result) => result.unreached)) };
  }

  /** What memory holds of a key while it is fresh, without waiting, loading or asking anybody. */
  peek(keyspace: string, key: string, options?: { readonly shared?: boolean }): Lookup | undefined {
    const space = this.#space(keyspace, 'peek');
    checkKey(key, this.#options.limits);
    const entry = space.fresh(key);
    return entry && this.#shape(key, answerOf(entry, this.#deps.self().name), options);
  }

  /** Names, in the order they were given. */
  keyspaces(): readonly string[] {
    return [...this.#spaces.keys()];
  }

  describeKeyspaces(): readonly KeyspaceStatus[] {
    return [...this.#spaces.values()].map((space) => space.status());
  }

  describeKeyspace(name: string): KeyspaceStatus {
    return this.#existing(name).status();
  }

  /** Counters and gauges of this node, by keyspace. */
  stats(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries([...this.#spaces].map(([name, space]) => [name, space.stats()]));
  }

  /** The name of the node that owns a key now. */
  owner(keyspace: string, key: string): string {
    this.#space(keyspace, 'owner');
    checkKey(key, this.#options.limits);
    return this.#topology.place(key).owner.name;
  }

  /** What happens in the cluster from now on, as this node sees it. Ends with the engine, or when the loop is left. */
  events(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<EngineEvent> {
    return this.#events.subscribe(options?.signal);
  }

  status(): NodeStatus {
    const self = this.#deps.self();
    const serving = this.#state === 'serving';
    return {
      node: self.name,
      version: self.version,
      healthy: this.#state !== 'stopped',
      ready: serving,
      uptimeMs: this.#state === 'starting' ? 0 : this.#deps.clock.nowMs() - this.#startedAtMs,
      ringShare: this.#topology.shares().get(self.name) ?? 0,
      peers: this.#topology.serving,
      grpc: self.address === '' ? 'off' : self.address,
      admin: self.admin === '' ? 'off' : self.admin,
      gossip: self.gossip === '' ? 'none' : self.gossip,
      state: this.#state,
      label: this.#deps.label,
    };
  }

  peers(): readonly PeerStatus[] {
    const self = this.#deps.self();
    const shares = this.#topology.shares();
    return this.#topology.members().map((member) => {
      const bind = splitAddress(member.address);
      const owns = member.state === 'alive' || member.state === 'suspect';
      return {
        id: member.id,
        name: member.name,
        state: member.state,
        isSelf: member.id === self.id,
        bindAddr: bind.host,
        bindPort: bind.port,
        discoveryPort: splitAddress(member.gossip).port,
        admin: member.admin === '' ? 'off' : member.admin,
        ringShare: owns ? (shares.get(member.name) ?? 0) : 0,
        incarnation: member.incarnation,
        version: member.version,
      };
    });
  }

  async #start(wait: Wait): Promise<void> {
    const { clock, membership, peers } = this.#deps;
    try {
      for (const space of this.#spaces.values()) await space.source.open();
      this.#cancels.push(
        membership.onChange((change) => this.#onMember(change)),
        peers.onLink((event) => this.#onLink(event)),
      );
      await membership.start(wait);
      this.#topology.refresh();
    } catch (error) {
      await this.stop({ deadlineMs: clock.nowMs() });
      throw error;
    }
    if (this.#stopping !== undefined) throw notStarted('start');
    this.#startedAtMs = clock.nowMs();
    this.#state = 'serving';
    this.#upkeep.start();
  }

  async #stop(wait: Wait): Promise<void> {
    const { membership, peers, log } = this.#deps;
    this.#state = 'draining';
    this.#upkeep.stop();
    await this.#quiet(wait);
    const end = notStarted('the engine has stopped');
    for (const space of this.#spaces.values()) {
      space.loads.abortAll(end);
      space.fetches.abortAll(end);
    }
    const settle = async (what: string, work: Promise<void>): Promise<void> => {
      try {
        await work;
      } catch (error) {
        log.write('warn', `${what} did not stop cleanly`, { error: messageOf(error) });
      }
    };
    await settle('membership', membership.stop(wait));
    await settle('the peer links', peers.close());
    for (const cancel of this.#cancels.splice(0)) cancel();
    for (const space of this.#spaces.values()) await settle(`the data source of '${space.name}'`, space.source.close());
    for (const space of this.#spaces.values()) space.store.clear('cleared');
    this.#events.close();
    this.#state = 'stopped';
  }

  /** Until nothing is under way, at most until the deadline. */
  #quiet(wait: Wait): Promise<void> {
    if (this.#inflight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#deps.clock.after(wait.deadlineMs - this.#deps.clock.nowMs(), resolve);
      this.#idle = () => {
        cancel();
        resolve();
      };
    });
  }

  #onMember(change: MemberChange): void {
    const types = { joined: 'peer-joined', left: 'peer-left', failed: 'peer-failed', updated: 'peer-updated' } as const;
    if (this.#topology.refresh()) this.#reassign();
    this.#events.publish({ type: types[change.is], peer: change.member });
  }

  /** Own entries that moved become hot copies of their new owners; copies whose owner changed go. */
  #reassign(): void {
    const self = this.#deps.self().id;
    const ownerOf = (key: string): string => {
      const { owner } = this.#topology.place(key);
      return owner.id === self ? '' : owner.id;
    };
    for (const space of this.#spaces.values()) space.store.demote(ownerOf);
  }

  /** Invalidations of a peer that is out of reach don't arrive, so nothing it owns is served or stored any more. */
  #onLink(event: LinkEvent): void {
    if (event.is === 'up') return;
    for (const space of this.#spaces.values()) {
      space.slots.bumpAll();
      space.store.dropOwnedBy(event.peer.id);
    }
  }

  async #lookup(space: Keyspace, key: string, options: GetOptions | undefined): Promise<Lookup> {
    const entry = space.fresh(key);
    if (entry !== undefined) {
      space.countHit(entry);
      return this.#shape(key, answerOf(entry, this.#deps.self().name), options);
    }
    const wait: Wait = {
      deadlineMs: this.#deps.clock.nowMs() + (options?.timeoutMs ?? space.options.readTimeoutMs),
      signal: options?.signal,
    };
    const answer = await this.#tracked(() => this.#reads.read(space, key, wait, this.#deps.context.current()));
    return this.#shape(key, answer, options);
  }

  #shape(key: string, answer: Answer, options: { readonly shared?: boolean | undefined } | undefined): Lookup {
    if (answer.value !== null) return this.#found(key, answer.value, answer, options);
    const { version, outcome, node } = answer;
    return { found: false, key, outcome, node, version, expiresAt: this.#date(answer.expiresAtMs) };
  }

  #found(
    key: string,
    value: Uint8Array,
    answer: Answer,
    options: { readonly shared?: boolean | undefined } | undefined,
  ): Found {
    return {
      found: true,
      key,
      value: options?.shared === true ? value : copyOut(value),
      outcome: answer.outcome,
      node: answer.node,
      version: answer.version,
      expiresAt: this.#date(answer.expiresAtMs),
    };
  }

  #date(expiresAtMs: number): Date | undefined {
    if (expiresAtMs === Number.POSITIVE_INFINITY) return undefined;
    const { clock } = this.#deps;
    return new Date(clock.wallMs() + expiresAtMs - clock.nowMs());
  }

  #checkedPut(entry: PutEntry): Change {
    if (entry === null || typeof entry !== 'object')
      throw new ArgumentTypeError('entry is not an object { key, value }');
    checkKey(entry.key, this.#options.limits);
    return { do: 'put', value: ownValue(entry.value, this.#options.limits), ttlMs: lifeOf(entry, this.#deps.clock) };
  }

  #writeWait(space: Keyspace, what: string, options: CallOptions | undefined): Wait {
    checkTimeout(options?.timeoutMs);
    if (options?.signal?.aborted === true) throw aborted(what, options.signal.reason);
    return {
      deadlineMs: this.#deps.clock.nowMs() + (options?.timeoutMs ?? space.options.writeTimeoutMs),
      signal: options?.signal,
    };
  }

  #write(space: Keyspace, key: string, change: Change, wait: Wait): Promise<WriteResult> {
    return this.#tracked(() => this.#writes.write(space, key, change, wait));
  }

  async #writeMany(
    space: Keyspace,
    changes: readonly { readonly key: string; readonly change: Change }[],
    wait: Wait,
  ): Promise<WriteManyResult> {
    const outcomes = await Promise.allSettled(changes.map(({ key, change }) => this.#write(space, key, change, wait)));
    const failures: KeyFailure[] = [];
    const unreached: (readonly string[])[] = [];
    let first: DistcacheError | undefined;
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') unreached.push(outcome.value.unreached);
      else {
        const error = asDistcacheError(outcome.reason);
        first ??= error;
        failures.push(failureOf(changes[index]!.key, error));
      }
    }
    if (first !== undefined) throw partialFailure('written', changes.length, failures, first);
    return { written: changes.length, unreached: namesOf(unreached) };
  }

  /** Counts an operation while it is under way, so that stop can wait for it. */
  async #tracked<T>(body: () => Promise<T>): Promise<T> {
    if (this.#inflight >= this.#options.limits.maxInflight) {
      throw new DistcacheError(
        'OVERLOADED',
        `${this.#inflight} operations are under way; limits.maxInflight allows no more; try again in a moment`,
      );
    }
    this.#inflight++;
    try {
      return await body();
    } finally {
      this.#inflight--;
      if (this.#inflight === 0) this.#idle?.();
    }
  }

  #space(name: string, what: string): Keyspace {
    if (this.#state !== 'serving') throw notStarted(what);
    return this.#existing(name);
  }

  #existing(name: string): Keyspace {
    if (typeof name !== 'string') throw new ArgumentTypeError(`keyspace is of type ${typeof name}, must be a string`);
    const space = this.#spaces.get(name);
    if (space !== undefined) return space;
    const known = this.keyspaces();
    throw new DistcacheError(
      'KEYSPACE_NOT_FOUND',
      `there is no keyspace '${name}'; ${known.length === 0 ? 'this node has none' : `there are: ${known.slice(0, 20).join(', ')}`}`,
    );
  }

  #drop(name: string): void {
    const space = this.#spaces.get(name);
    if (space === undefined) return;
    this.#spaces.delete(name);
    const gone = new DistcacheError('KEYSPACE_NOT_FOUND', `keyspace '${name}' was deleted meanwhile`);
    space.loads.abortAll(gone);
    space.fetches.abortAll(gone);
    space.store.clear('cleared');
    space.source.close().catch((error) => {
      this.#deps.log.write('warn', `the data source of '${name}' did not close cleanly`, { error: messageOf(error) });
    });
    this.#events.publish({ type: 'keyspace-deleted', keyspace: name });
  }
}

const asDistcacheError = (error: unknown): DistcacheError =>
  error instanceof DistcacheError
    ? error
    : new DistcacheError(codeOf(error) ?? 'DATA_SOURCE_FAILED', messageOf(error), { cause: error });

const failureOf = (key: string, error: DistcacheError): KeyFailure => ({
  key,
  code: error.code,
  message: error.message,
  node: error.node ?? '',
});

/** A batch that failed whole for one reason is that reason; otherwise the keys that failed are listed. */
const partialFailure = (
  what: string,
  total: number,
  failures: readonly KeyFailure[],
  first: DistcacheError,
): DistcacheError => {
  const alike = failures.length === total && failures.every((failure) => failure.code === first.code);
  if (alike) return first;
  return new PartialFailure(
    `${failures.length} of ${total} keys were not ${what}; the first: '${failures[0]!.key}': ${failures[0]!.message}`,
    failures,
  );
};

const namesOf = (lists: readonly (readonly string[])[]): readonly string[] => [...new Set(lists.flat())].sort();
