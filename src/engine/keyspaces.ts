import { ArgumentTypeError, DistcacheError, messageOf, notStarted } from '../base/errors.js';
import type { KeyspaceStatus } from '../ports/cache.js';
import type { Clock, Wait } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { Entry, EvictionIndexFactory } from '../store/entry.js';
import type { EventHub } from './events.js';
import { Keyspace, type KeyspaceDeps } from './keyspace.js';
import type { EngineLimits, ResolvedKeyspace, ResolvedOptions } from './options.js';
import { doubtful, type Topology } from './topology.js';
import { within } from './within.js';

/** Data sources get this long to close, at least: also when there was no time left for what used them. */
const closeMs = 1000;

export interface KeyspacesDeps extends Omit<KeyspaceDeps, 'evictionIndex' | 'circuitChanged' | 'maxHotKeys'> {
  readonly log: Log;
  readonly events: Pick<EventHub, 'publish'>;
  readonly evictionPolicies: ReadonlyMap<string, EvictionIndexFactory>;
}

/** What is to become of entries that were held for an owner, by its id. */
export interface OwnersChange {
  /** Their keys are this node's now: whose they are to be said to be. */
  readonly becomes: (former: string, wasDoubted: boolean) => string;
  /** Their keys are a third node's now. */
  readonly passes: (former: string) => void;
}

/** The keyspaces of one node: by name, and what happens to all of them at once. */
export class Keyspaces {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #events: KeyspacesDeps['events'];
  readonly #deps: KeyspacesDeps;
  readonly #limits: EngineLimits;
  readonly #maxHotKeys: number;
  readonly #spaces = new Map<string, Keyspace>();
  /** No source is opened any more. */
  #closing = false;

  constructor(deps: KeyspacesDeps, { keyspaces, limits, warmup }: ResolvedOptions) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#deps = deps;
    this.#events = deps.events;
    this.#limits = limits;
    this.#maxHotKeys = warmup.maxHotKeys;
    for (const keyspace of keyspaces) this.#spaces.set(keyspace.name, this.#made(keyspace));
  }

  get(name: string): Keyspace | undefined {
    return this.#spaces.get(name);
  }

  /** Throws KEYSPACE_NOT_FOUND. */
  existing(name: string): Keyspace {
    if (typeof name !== 'string') throw new ArgumentTypeError(`keyspace is of type ${typeof name}, must be a string`);
    const space = this.#spaces.get(name);
    if (space !== undefined) return space;
    const known = this.names();
    throw new DistcacheError(
      'KEYSPACE_NOT_FOUND',
      `there is no keyspace '${name}'; ${known.length === 0 ? 'this node has none' : `there are: ${known.slice(0, 20).join(', ')}`}`,
    );
  }

  /** Names, in the order they were given. */
  names(): readonly string[] {
    return [...this.#spaces.keys()];
  }

  values(): Iterable<Keyspace> {
    return this.#spaces.values();
  }

  status(): readonly KeyspaceStatus[] {
    return [...this.#spaces.values()].map((space) => space.status());
  }

  /** Counters and gauges, by keyspace. */
  stats(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries([...this.#spaces].map(([name, space]) => [name, space.stats()]));
  }

  /** Opens its source, then has it. Rejects with what opening threw, and has it not. */
  async add(options: ResolvedKeyspace, wait: Wait): Promise<Keyspace> {
    const space = this.#made(options);
    const { name, source } = space;
    try {
      if (this.#closing) throw notStarted('adding a keyspace');
      await within(this.#clock, wait, `opening the data source of keyspace '${name}'`, source.open());
      if (this.#closing || this.#spaces.has(name)) throw notStarted('adding a keyspace');
    } catch (error) {
      source.close().catch((fault) => this.#notClosed(name, fault));
      throw error;
    }
    this.#spaces.set(name, space);
    return space;
  }

  /** Ends its reads, drops its entries, closes its source and tells of it; false when there was none of this name. */
  remove(name: string): boolean {
    const space = this.#spaces.get(name);
    if (space === undefined) return false;
    this.#spaces.delete(name);
    abortReads(space, new DistcacheError('KEYSPACE_NOT_FOUND', `keyspace '${name}' was deleted meanwhile`));
    space.store.clear('cleared');
    space.source.close().catch((error) => this.#notClosed(name, error));
    this.#events.publish({ type: 'keyspace-deleted', keyspace: name });
    return true;
  }

  /** Rejects with what opening a misconfigured source threw, or with TIMEOUT or ABORTED for one that takes too long. */
  async openSources(wait: Wait): Promise<void> {
    for (const { name, source } of this.#spaces.values()) {
      if (this.#closing) throw notStarted('start');
      await within(this.#clock, wait, `opening the data source of keyspace '${name}'`, source.open());
    }
  }

  /** Never rejects: a source that fails to close, or takes too long, is logged and left behind. */
  async closeSources({ deadlineMs }: Wait): Promise<void> {
    this.#closing = true;
    const wait: Wait = { deadlineMs: Math.max(deadlineMs, this.#clock.nowMs() + closeMs) };
    const closing = [...this.#spaces.values()].map(async ({ name, source }) => {
      try {
        await within(this.#clock, wait, `closing the data source of keyspace '${name}'`, source.close());
      } catch (error) {
        this.#notClosed(name, error);
      }
    });
    await Promise.all(closing);
  }

  /** Fails everyone who waits for a load or a fetch. */
  abortReads(error: DistcacheError): void {
    for (const space of this.#spaces.values()) abortReads(space, error);
  }

  /**
   * The ring has changed. Own entries that moved are held for their new owners, who ask for them; held entries whose key
   * is this node's now are its own where `isFresh` says of their former owner that nothing of it was missed.
   * @param isSure see `Store.reassign`
   */
  reassign(
    topology: Topology,
    isFresh: (ownerId: string) => boolean,
    { becomes, passes }: OwnersChange,
    isSure: boolean,
    moved: (space: Keyspace, entries: readonly Entry[]) => void,
  ): void {
    const ownerOf = (key: string, former: string, wasDoubted: boolean): string => {
      const { owner, mine } = topology.place(key);
      if (mine) return becomes(former, wasDoubted);
      if (former !== owner.id) passes(former);
      return owner.id;
    };
    for (const space of this.#spaces.values()) {
      // Of a put there may be no other: what was missed of its owner, others are asked for.
      const mayOwn = ({ owner, wasPut }: Entry): boolean => wasPut || isFresh(owner);
      const { moved: entries } = space.store.reassign(ownerOf, mayOwn, isSure);
      if (entries.length > 0) moved(space, entries);
    }
  }

  /** Nobody asks any more for what has moved: only replicas go on being held, and what is this node's own, in doubt. */
  release(topology: Topology): void {
    const stays = ({ key, owner }: Entry): boolean => owner === doubtful || topology.isReplica(topology.hash(key));
    for (const space of this.#spaces.values()) space.store.releaseHeld(stays, this.#clock.nowMs());
  }

  /** Invalidations of a peer that is out of reach don't arrive, so nothing it owns is served or stored any more. */
  linkLost(peerId: string): void {
    for (const space of this.#spaces.values()) {
      space.slots.bumpAll();
      space.store.dropOwnedBy(peerId);
    }
  }

  /** Throws where a store's totals are wrong. */
  check(): void {
    for (const space of this.#spaces.values()) space.store.check();
  }

  clear(): void {
    for (const space of this.#spaces.values()) space.store.clear('cleared');
  }

  #made(options: ResolvedKeyspace): Keyspace {
    const evictionIndex = this.#deps.evictionPolicies.get(options.eviction)!;
    const circuitChanged: KeyspaceDeps['circuitChanged'] = (keyspace, from, to) =>
      this.#events.publish({ type: 'breaker-changed', keyspace, from, to });
    const deps = { ...this.#deps, evictionIndex, circuitChanged, maxHotKeys: this.#maxHotKeys };
    return new Keyspace(options, this.#limits, deps);
  }

  #notClosed(name: string, error: unknown): void {
    this.#log.write('warn', `the data source of '${name}' did not close cleanly`, { error: messageOf(error) });
  }
}

function abortReads(space: Keyspace, error: DistcacheError): void {
  space.loads.abortAll(error);
  space.fetches.abortAll(error);
}
