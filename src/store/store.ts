/**
 * The entries of one keyspace on one node, bounded in bytes. Knows no network and no clock: the time is handed in.
 *
 * Idea. One budget, two parts: entries that this node owns or holds for their owners (replicas, and what moved to another
 * node that may still ask for it), and hot copies of what others own, which may take `hotShare` of it, so that copies of a few popular keys never push out what the cluster relies on this node for. Each
 * part has its own eviction index. A lookup asks the owned part first: a hit there, the common kind, costs one map lookup;
 * a hot copy and a miss cost a second one (6 ns and up), beside the call to a peer that the first saves and the second
 * pays anyway. A key is in one part at a time.
 *
 * Bounds. After every call each part's accounted bytes are within its limit. What does not fit alone is refused and
 * changes nothing. Expired entries are no longer than a second or two over their time in the way: `expire`.
 *
 * Versions. A stored version is never overwritten by a lower one. An equal version is the same write: it takes the
 * place of the stored one only if it lives longer or has changed hands.
 */
import { assert } from '../base/assert.js';
import { noTags, uniqueTags } from '../base/tags.js';
import { copyBytes, entryBytes } from './bytes.js';
import {
  type Entry,
  type EvictionIndexFactory,
  type NewEntry,
  type RemovalReason,
  removalReasons,
  StoredEntry,
} from './entry.js';
import { ExpiryWheel } from './expiry-wheel.js';
import { Part } from './part.js';
import { supersedes } from './supersedes.js';
import { TagIndex } from './tag-index.js';

export interface StoreOptions {
  /** Of all entries together: keys, values and overhead. A whole number above zero. */
  readonly maxBytes: number;
  /** Part of `maxBytes` that hot copies may take and owned entries may not; in [0, 0.5]. 0: none are kept. */
  readonly hotShare: number;
  readonly index: EvictionIndexFactory;
  /** Told of every removal once it is accounted. Must neither throw nor call the store. */
  readonly onRemoved?: (key: string, reason: RemovalReason, entry: Entry) => void;
}

/**
 * `too-large`: more than its part of the budget. `older`: what is stored is at least as new. Either changed nothing, so
 * whoever must not serve the stored one any more deletes it.
 */
export type PutOutcome = 'stored' | 'too-large' | 'older';

/** Law: stored = ownedEntries + heldEntries + hotEntries + the sum of `removed`. Held entries count in `ownedBytes`. Refused puts are `tooLarge` and `older`. */
export interface StoreCounts {
  readonly stored: number;
  readonly tooLarge: number;
  readonly older: number;
  readonly ownedEntries: number;
  readonly heldEntries: number;
  readonly hotEntries: number;
  readonly ownedBytes: number;
  readonly hotBytes: number;
  readonly removed: Readonly<Record<RemovalReason, number>>;
}

export class Store {
  readonly #owned: Part;
  readonly #hot: Part;
  readonly #wheel = new ExpiryWheel<StoredEntry>();
  readonly #tags = new TagIndex();
  readonly #onRemoved: StoreOptions['onRemoved'];
  #maxBytes = 0;
  #hotShare = 0;
  #stored = 0;
  #held = 0;
  #tooLarge = 0;
  #older = 0;
  readonly #removed = Object.fromEntries(removalReasons.map((reason) => [reason, 0])) as Record<RemovalReason, number>;

  constructor(options: StoreOptions) {
    const evicted = (part: Part, entry: StoredEntry, reason: RemovalReason): void => this.#account(part, entry, reason);
    this.#owned = new Part(options.index(), evicted);
    this.#hot = new Part(options.index(), evicted);
    this.#onRemoved = options.onRemoved;
    this.resize(options.maxBytes, options.hotShare);
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Accounted bytes of all entries. */
  get bytes(): number {
    return this.#owned.bytes + this.#hot.bytes;
  }

  get size(): number {
    return this.#owned.index.size + this.#hot.index.size;
  }

  /** The entry of this key, fresh or not: compare `expiresAtMs` with the time. Counts as a use. */
  get(key: string): Entry | undefined {
    return this.#owned.index.get(key) ?? this.#hot.index.get(key);
  }

  /** As `get`, but does not count as a use. */
  peek(key: string): Entry | undefined {
    return this.#peek(key);
  }

  /** Whether `put` would take a value of this length, as an owned entry or as a copy from `owner`. */
  fits(key: string, valueBytes: number, tags: readonly string[] = noTags, owner = ''): boolean {
    return entryBytes(key, valueBytes, tags) <= this.#partOf(owner).limitBytes;
  }

  /** Whether a hot copy with a value of this length would push out no other. */
  hasRoomForCopy(key: string, valueBytes: number): boolean {
    return this.#hot.bytes + entryBytes(key, valueBytes) <= this.#hot.limitBytes;
  }

  /** Keeps a copy of the value, giving up others where it needs room. */
  put(given: NewEntry): PutOutcome {
    const { key, value, version, expiresAtMs, keepUntilMs = expiresAtMs, wasPut, sourceVersion, owner } = given;
    const tags = uniqueTags(given.tags);
    const isHeld = given.isHeld ?? false;
    assert(!isHeld || owner !== '', 'a held entry without an owner');
    assert(keepUntilMs >= expiresAtMs, 'keepUntilMs lies before expiresAtMs, or one of them is NaN');
    assert(!Number.isNaN(version), 'version is NaN');
    const part = this.#partOf(owner, isHeld);
    const bytes = entryBytes(key, value === null ? 0 : value.byteLength, tags);
    if (bytes > part.limitBytes) {
      this.#tooLarge++;
      return 'too-large';
    }
    const old = this.#peek(key);
    if (old !== undefined && !supersedes(given, old)) {
      this.#older++;
      return 'older';
    }
    const kept = value === null ? null : copyBytes(value);
    const entry = new StoredEntry(
      key,
      kept,
      version,
      expiresAtMs,
      keepUntilMs,
      wasPut,
      sourceVersion,
      tags,
      owner,
      isHeld,
      bytes,
    );
    entry.wasPassed = given.wasPassed ?? false;
    const oldPart = old === undefined ? undefined : this.#partOf(old.owner, old.isHeld);
    if (old !== undefined && oldPart !== part) oldPart!.index.delete(key);
    part.index.set(key, entry);
    part.bytes += bytes;
    this.#wheel.add(entry);
    this.#tags.add(entry);
    this.#stored++;
    if (isHeld) this.#held++;
    if (old !== undefined) this.#account(oldPart!, old, 'replaced');
    part.fit('evicted');
    return 'stored';
  }

  /** False when there was none. */
  delete(key: string, reason: RemovalReason): boolean {
    const entry = this.#peek(key);
    if (entry === undefined) return false;
    this.#drop(entry, reason);
    return true;
  }

  /** Drops what `isVoid` says, of those with this tag or, looking at each, of all. Returns how many of them this node owned. */
  sweep(isVoid: (entry: Entry) => boolean, tag?: string): number {
    const looked = tag === undefined ? this.#entries() : this.#tags.bearersOf(tag);
    const voided = looked.filter(isVoid);
    for (const entry of voided) this.#drop(entry, 'invalidated');
    return voided.filter(({ owner }) => owner === '').length;
  }

  /** Drops all, or all but what `keeps` says. */
  clear(reason: RemovalReason = 'cleared', keeps: (entry: Entry) => boolean = () => false): void {
    for (const part of [this.#owned, this.#hot]) {
      const entries = part.entries();
      part.index.clear();
      // Backwards, so that the ones most worth keeping are the last set.
      for (const entry of entries.reverse()) {
        if (keeps(entry)) part.index.set(entry.key, entry);
        else this.#account(part, entry, reason);
      }
    }
  }

  /**
   * Drops what may be kept no longer. Call it about once a second.
   * @param nowMs monotonic
   * @param budget entries to look at, at most
   * @returns how many were looked at; as many as the budget when there may be more
   */
  expire(nowMs: number, budget: number): number {
    return this.#wheel.advance(nowMs, budget, (entry) => this.#drop(entry, 'expired'));
  }

  /**
   * Changes the budget. `hotShare` stays as it is when left out. What no longer fits is evicted, `evictedMax` entries at
   * most: call again while the answer is false. Until then the budget is what has been reached, and holds as ever.
   */
  resize(maxBytes: number, hotShare = this.#hotShare, evictedMax = Number.POSITIVE_INFINITY): boolean {
    assert(Number.isSafeInteger(maxBytes) && maxBytes > 0, `maxBytes is ${maxBytes}, must be a whole number above 0`);
    assert(hotShare >= 0 && hotShare <= 0.5, `hotShare is ${hotShare}, must lie in [0, 0.5]`);
    this.#hotShare = hotShare;
    const hotBytes = Math.floor(maxBytes * hotShare);
    const left = this.#hot.shrinkTowards(hotBytes, evictedMax);
    this.#owned.shrinkTowards(maxBytes - hotBytes, left);
    const isReached = this.#hot.limitBytes <= hotBytes && this.#owned.limitBytes <= maxBytes - hotBytes;
    if (isReached) {
      // A part grows when the other has made room.
      this.#hot.limitBytes = hotBytes;
      this.#owned.limitBytes = maxBytes - hotBytes;
    }
    this.#maxBytes = this.#hot.limitBytes + this.#owned.limitBytes;
    return isReached;
  }

  /**
   * After a change of the ring. Own entries that moved are held for their new owners. Held entries of other keys are this
   * node's own now, or held for whom they moved to, where `mayOwn` says that nothing of their former owner was missed;
   * else they are dropped, as are hot copies whose owner changed.
   * @returns `moved`: those that are held for another node than before
   * @param ownerOf the id of a key's owner, '' for this node; `former` and `wasDoubted` are those of the entry
   * @param isSure nobody else can have written what is this node's own; else nothing of that is answered with any more
   */
  reassign(
    ownerOf: (key: string, former: string, wasDoubted: boolean) => string,
    mayOwn: (entry: Entry) => boolean,
    isSure = true,
  ): { readonly moved: readonly Entry[]; readonly regained: number; readonly dropped: number } {
    const outdated: StoredEntry[] = [];
    const changing: { readonly entry: StoredEntry; readonly owner: string }[] = [];
    this.#owned.index.forEach((entry) => {
      const owner = ownerOf(entry.key, entry.owner, entry.wasDoubted);
      if (owner === entry.owner) return;
      if (entry.owner === '' || mayOwn(entry)) changing.push({ entry, owner });
      else outdated.push(entry);
    });
    this.#hot.index.forEach((entry) => {
      if (ownerOf(entry.key, '', false) !== entry.owner) outdated.push(entry);
    });
    const moved: Entry[] = [];
    let regained = 0;
    for (const { entry, owner } of changing) {
      if (owner !== '') moved.push(entry);
      else regained++;
      this.#pass(entry, owner, isSure);
    }
    for (const entry of outdated) this.#drop(entry, 'demoted');
    return { moved, regained, dropped: outdated.length };
  }

  /** What belongs to `from` is held for `to` from now on, '' being this node: own entries that are in doubt, and back. */
  pass(from: string, to: string, isDoubted = false): void {
    for (const entry of this.#owned.entries(({ owner }) => owner === from)) {
      this.#pass(entry, to);
      entry.wasDoubted ||= isDoubted;
    }
  }

  /**
   * Held entries that need not be kept become hot copies, the ones most worth keeping first, as long as there is room
   * without pushing out others; the rest is dropped, and with it what no copy may answer with, as what has expired.
   */
  releaseHeld(keep: (entry: Entry) => boolean, nowMs: number): void {
    const leaving = this.#owned.entries((entry) => entry.isHeld && !keep(entry));
    const staying: StoredEntry[] = [];
    for (const entry of leaving) {
      if (entry.expiresAtMs <= nowMs || entry.wasPassed || this.#hot.bytes + entry.bytes > this.#hot.limitBytes) {
        this.#drop(entry, 'demoted');
        continue;
      }
      this.#owned.index.delete(entry.key);
      this.#owned.bytes -= entry.bytes;
      entry.isHeld = false;
      this.#held--;
      this.#hot.bytes += entry.bytes;
      staying.push(entry);
    }
    // Backwards, so that the ones most worth keeping are the last set.
    for (const entry of staying.reverse()) this.#hot.index.set(entry.key, entry);
  }

  /** Up to `count` hot copies, chosen at random. Looks at all of them: for now and then. */
  sample(count: number, random: () => number): readonly Entry[] {
    const chosen: StoredEntry[] = [];
    let seen = 0;
    this.#hot.index.forEach((entry) => {
      seen++;
      if (chosen.length < count) {
        chosen.push(entry);
        return;
      }
      const place = Math.floor(random() * seen);
      if (place < count) chosen[place] = entry;
    });
    return chosen;
  }

  /** Drops all copies from an owner whose invalidations no longer arrive, or all that is held for it. Returns how many. */
  dropOwnedBy(ownerId: string, isHeld = false): number {
    const dropped = this.#partOf(ownerId, isHeld).entries(({ owner }) => owner === ownerId);
    for (const entry of dropped) this.#drop(entry, 'demoted');
    return dropped.length;
  }

  /** Visits all entries, the owned first, and of each part the ones most worth keeping first. The visitor changes nothing. */
  forEach(visit: (entry: Entry) => void): void {
    this.#owned.index.forEach(visit);
    this.#hot.index.forEach(visit);
  }

  counts(): StoreCounts {
    return Object.freeze({
      stored: this.#stored,
      tooLarge: this.#tooLarge,
      older: this.#older,
      ownedEntries: this.#owned.index.size - this.#held,
      heldEntries: this.#held,
      hotEntries: this.#hot.index.size,
      ownedBytes: this.#owned.bytes,
      hotBytes: this.#hot.bytes,
      removed: Object.freeze({ ...this.#removed }),
    });
  }

  /** Recounts everything the slow way and throws where it differs from the totals. For tests. */
  check(): void {
    const keys = new Set<string>();
    let expiring = 0;
    let held = 0;
    for (const [part, isHot] of [
      [this.#owned, false],
      [this.#hot, true],
    ] as const) {
      for (const entry of part.recounted()) {
        if (entry.slot !== -1) expiring++;
        assert(!keys.has(entry.key), `${JSON.stringify(entry.key)} is stored twice`);
        keys.add(entry.key);
        assert((entry.owner !== '' && !entry.isHeld) === isHot, `${JSON.stringify(entry.key)} is in the wrong part`);
        assert(!entry.isHeld || entry.owner !== '', `${JSON.stringify(entry.key)} is held for nobody`);
        if (entry.isHeld) held++;
        assert((entry.slot === -1) === (entry.keepUntilMs === Number.POSITIVE_INFINITY), 'an entry would never expire');
      }
    }
    assert(this.#owned.limitBytes + this.#hot.limitBytes === this.#maxBytes, 'the parts are not the whole');
    assert(held === this.#held, `accounted ${this.#held} held entries, found ${held}`);
    assert(expiring === this.#wheel.size, `the wheel holds ${this.#wheel.size} entries, ${expiring} hang in it`);
    this.#wheel.check();
    this.#tags.check(this.#entries());
    const removed = Object.values(this.#removed).reduce((sum, count) => sum + count, 0);
    assert(
      this.#stored === keys.size + removed,
      `${this.#stored} stored, but ${keys.size} here and ${removed} removed`,
    );
  }

  #entries(): readonly StoredEntry[] {
    return [...this.#owned.entries(), ...this.#hot.entries()];
  }

  #peek(key: string): StoredEntry | undefined {
    return this.#owned.index.peek(key) ?? this.#hot.index.peek(key);
  }

  #pass(entry: StoredEntry, to: string, isSure = true): void {
    this.#held += Number(to !== '') - Number(entry.isHeld);
    entry.wasPassed = to !== '' && (entry.owner !== '' || !isSure);
    entry.wasDoubted = to !== '' && (entry.wasDoubted || !isSure);
    entry.owner = to;
    entry.isHeld = to !== '';
  }

  #partOf(owner: string, isHeld = false): Part {
    return owner === '' || isHeld ? this.#owned : this.#hot;
  }

  #drop(entry: StoredEntry, reason: RemovalReason): void {
    const part = this.#partOf(entry.owner, entry.isHeld);
    part.index.delete(entry.key);
    this.#account(part, entry, reason);
  }

  /** Of an entry that has left its index. */
  #account(part: Part, entry: StoredEntry, reason: RemovalReason): void {
    part.bytes -= entry.bytes;
    if (entry.isHeld) this.#held--;
    this.#wheel.remove(entry);
    this.#tags.remove(entry);
    this.#removed[reason]++;
    this.#onRemoved?.(entry.key, reason, entry);
  }
}
