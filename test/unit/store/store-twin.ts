import { entryBytes } from '../../../src/store/bytes.js';
import type { NewEntry, RemovalReason } from '../../../src/store/entry.js';
import type { PutOutcome } from '../../../src/store/store.js';

export interface TwinEntry extends NewEntry {
  readonly isHeld: boolean;
  readonly sourceVersion: number | undefined;
  readonly tags: readonly string[];
  readonly keepUntilMs: number;
  readonly bytes: number;
  /** The second in which it hangs, never one that was walked already. */
  readonly hangsIn: number;
}

interface Part {
  /** Least recently used first. */
  entries: TwinEntry[];
  limitBytes: number;
}

const bytesOf = (entries: readonly TwinEntry[]): number => entries.reduce((sum, entry) => sum + entry.bytes, 0);

const kindOf = ({ owner, isHeld }: TwinEntry): 'own' | 'held' | 'copy' =>
  owner === '' ? 'own' : isHeld ? 'held' : 'copy';

/** The dumbest store: two lists in the order of use, searched from end to end, nothing counted that can be recounted. */
export class StoreTwin {
  #owned: Part = { entries: [], limitBytes: 0 };
  #hot: Part = { entries: [], limitBytes: 0 };
  #walkedUntil = 0;
  readonly removed: [string, RemovalReason][] = [];

  get(key: string): TwinEntry | undefined {
    const entry = this.peek(key);
    if (entry !== undefined) {
      const part = this.#partOf(entry);
      part.entries = [...part.entries.filter((other) => other !== entry), entry];
    }
    return entry;
  }

  peek(key: string): TwinEntry | undefined {
    return [...this.#owned.entries, ...this.#hot.entries].find((entry) => entry.key === key);
  }

  put(given: NewEntry): PutOutcome {
    const keepUntilMs = given.keepUntilMs ?? given.expiresAtMs;
    const hangsIn = Math.max(this.#walkedUntil, Math.floor(keepUntilMs / 1000));
    const { isHeld = false, sourceVersion } = given;
    const tags = [...new Set(given.tags)];
    const entry = {
      ...given,
      isHeld,
      sourceVersion,
      tags,
      keepUntilMs,
      bytes: entryBytes(given.key, given.value?.length ?? 0, tags),
      hangsIn,
    };
    const part = this.#partOf(entry);
    if (entry.bytes > part.limitBytes) return 'too-large';
    const old = this.peek(given.key);
    if (old !== undefined) {
      const bothRows = given.sourceVersion !== undefined && old.sourceVersion !== undefined;
      if (bothRows && !given.wasPut && !old.wasPut && given.sourceVersion! < old.sourceVersion!) return 'older';
      const lesser = kindOf(entry) === 'copy' && kindOf(old) !== 'copy';
      const other = given.owner !== old.owner || isHeld !== old.isHeld;
      const sameWriteForLonger = !lesser && (given.expiresAtMs > old.expiresAtMs || other);
      if (given.version < old.version || (given.version === old.version && !sameWriteForLonger)) return 'older';
      this.#drop(old, 'replaced');
    }
    part.entries.push(entry);
    this.#shrink(part, 'evicted');
    return 'stored';
  }

  delete(key: string, reason: RemovalReason): boolean {
    const entry = this.peek(key);
    if (entry !== undefined) this.#drop(entry, reason);
    return entry !== undefined;
  }

  /** Looks at every entry, also for a tag. */
  sweep(isVoid: (entry: TwinEntry) => boolean): number {
    const voided = [...this.#owned.entries, ...this.#hot.entries].filter(isVoid);
    for (const entry of voided) this.#drop(entry, 'invalidated');
    return voided.filter((entry) => kindOf(entry) === 'own').length;
  }

  clear(): void {
    for (const entry of [...this.#owned.entries, ...this.#hot.entries]) this.#drop(entry, 'cleared');
  }

  expire(nowMs: number): void {
    this.#walkedUntil = Math.floor(nowMs / 1000);
    for (const entry of [...this.#owned.entries, ...this.#hot.entries]) {
      if (entry.hangsIn < this.#walkedUntil) this.#drop(entry, 'expired');
    }
  }

  resize(maxBytes: number, hotShare: number): boolean {
    this.#hot.limitBytes = Math.floor(maxBytes * hotShare);
    this.#owned.limitBytes = maxBytes - this.#hot.limitBytes;
    this.#shrink(this.#owned, 'shrunk');
    this.#shrink(this.#hot, 'shrunk');
    return true;
  }

  reassign(ownerOf: (key: string) => string, mayOwn: (entry: TwinEntry) => boolean): void {
    for (const entry of [...this.#hot.entries]) {
      if (ownerOf(entry.key) !== entry.owner) this.#drop(entry, 'demoted');
    }
    for (const entry of [...this.#owned.entries]) {
      const owner = ownerOf(entry.key);
      if (entry.isHeld && owner !== entry.owner && !mayOwn(entry)) this.#drop(entry, 'demoted');
    }
    this.#owned.entries = this.#owned.entries.map((entry) => {
      const owner = ownerOf(entry.key);
      return { ...entry, owner, isHeld: owner !== '' };
    });
  }

  releaseHeld(keep: (entry: TwinEntry) => boolean, nowMs: number): void {
    const leaving = this.#owned.entries.filter((entry) => entry.isHeld && !keep(entry)).reverse();
    const moved: TwinEntry[] = [];
    for (const entry of leaving) {
      const isFull = bytesOf(this.#hot.entries) + bytesOf(moved) + entry.bytes > this.#hot.limitBytes;
      if (isFull || entry.expiresAtMs <= nowMs) {
        this.#drop(entry, 'demoted');
      } else {
        this.#owned.entries = this.#owned.entries.filter((other) => other !== entry);
        moved.unshift({ ...entry, isHeld: false });
      }
    }
    this.#hot.entries.push(...moved);
  }

  dropOwnedBy(owner: string): void {
    for (const entry of this.#hot.entries.filter((copy) => copy.owner === owner)) this.#drop(entry, 'demoted');
  }

  /** As `Store.forEach` visits. */
  entries(): TwinEntry[] {
    return [...this.#owned.entries.toReversed(), ...this.#hot.entries.toReversed()];
  }

  ownedBytes(): number {
    return bytesOf(this.#owned.entries);
  }

  hotBytes(): number {
    return bytesOf(this.#hot.entries);
  }

  #partOf(entry: TwinEntry): Part {
    return kindOf(entry) === 'copy' ? this.#hot : this.#owned;
  }

  #shrink(part: Part, reason: RemovalReason): void {
    while (bytesOf(part.entries) > part.limitBytes) this.#drop(part.entries[0]!, reason);
  }

  #drop(entry: TwinEntry, reason: RemovalReason): void {
    const part = this.#partOf(entry);
    part.entries = part.entries.filter((other) => other !== entry);
    this.removed.push([entry.key, reason]);
  }
}
