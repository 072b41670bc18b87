import { isDeepStrictEqual } from 'node:util';
import { invalidArgument } from '../base/errors.js';
import type { HybridClock } from '../coherence/hybrid-clock.js';
import type { Wait } from '../ports/clock.js';
import type { Hasher } from '../ports/hasher.js';
import { type Existence, type KeyspaceRecord, type Tunable, tunables } from '../ports/keyspace-record.js';
import type { EngineEvent } from './events.js';
import type { Keyspace } from './keyspace.js';
import {
  haveSameSettings,
  isSame,
  KeyspaceRecords,
  latestIn,
  merged,
  newSweeps,
  nothingDone,
  settingsIn,
} from './keyspace-records.js';
import type { Keyspaces } from './keyspaces.js';
import type { KeyspaceOptions, ResolvedKeyspace, ResolvedOptions } from './options.js';
import { checkParts, digestOf, inForce, type Settings, withSettings } from './tunables.js';

export interface KeyspaceLedgerDeps extends Pick<ResolvedOptions, 'resolveKeyspace'> {
  readonly hybrid: HybridClock;
  readonly hasher: Hasher;
  readonly spaces: Keyspaces;
  readonly publish: (event: EngineEvent) => void;
}

/** What taking over a record came to. */
export interface Taken {
  /** It made a difference here. */
  readonly changed: boolean;
  /** Entries of this node's own that sweeps deleted. */
  readonly removed: number;
  /** The newest version of what was to be deleted and stayed here, having been put later; 0: none. */
  readonly newer: number;
}

export const nothingTaken: Taken = { changed: false, removed: 0, newer: 0 };

/** Carries out on this node what was done to keyspaces at run time, by whomever, and remembers it for those who were away. */
export class KeyspaceLedger {
  readonly #deps: KeyspaceLedgerDeps;
  readonly #records: KeyspaceRecords;

  constructor(deps: KeyspaceLedgerDeps) {
    this.#deps = deps;
    this.#records = new KeyspaceRecords((name) => deps.spaces.get(name) !== undefined);
  }

  /**
   * Takes over what is new in a record. Resolves when it is in force, with whether that made a difference here. Throws
   * INVALID_ARGUMENT where this node cannot have such a setting, or the record comes from the future: settings then stay as
   * they are, and what the record says of clears and deletions counts all the same.
   */
  async take(record: KeyspaceRecord): Promise<Taken> {
    const { hybrid, spaces } = this.#deps;
    if (!hybrid.merge(latestIn(record))) {
      throw invalidArgument(
        `a change of keyspace '${record.keyspace}' lies further in the future than clocks may differ`,
      );
    }
    const before = this.#records.get(record.keyspace);
    const after = merged(before, record);
    const space = spaces.get(record.keyspace);
    // What stayed was looked at when this was heard of first, by somebody else than who tells it now.
    if (isSame(before, after)) return { ...nothingTaken, newer: space === undefined ? 0 : hybrid.now() };
    const fresh = { ...record, sweeps: newSweeps(before, record, after.generation) };
    let retuned: ResolvedKeyspace | undefined;
    try {
      if (space !== undefined && !haveSameSettings(before, after)) retuned = this.#resolved(space.given, after);
    } catch (error) {
      const known = merged(before, { ...record, settings: [] });
      this.#records.set(known);
      if (space !== undefined) this.#void(space, fresh, known);
      throw error;
    }
    this.#records.set(after);
    if (space === undefined) return nothingTaken;
    const voided = this.#void(space, fresh, after);
    if (after.existence?.deleted === true || retuned === undefined) return voided;
    return { ...voided, changed: (await this.#retune(space, retuned)) || voided.changed };
  }

  /** The options that a keyspace would have with these settings laid over what is in force. Throws INVALID_ARGUMENT. */
  preview(space: Keyspace, settings: Settings): ResolvedKeyspace {
    const inForce = settingsIn(this.#records.get(space.name));
    const options = withSettings(space.given, new Map([...inForce, ...settings]));
    checkParts(settings, options);
    return this.#deps.resolveKeyspace(options);
  }

  /** Whether and when a keyspace was deleted or brought back. */
  existenceOf(name: string): Existence | undefined {
    return this.#records.get(name).existence;
  }

  /** The tunables that were changed at run time and are in force instead of what the file says. */
  settingsOf(name: string): Settings {
    return settingsIn(this.#records.get(name));
  }

  /** Adds a keyspace of this node's own, under what is known of it. Rejects with what opening its source threw. */
  async add(given: KeyspaceOptions, wait: Wait): Promise<void> {
    const { spaces, publish } = this.#deps;
    const known = this.#records.get(given.name);
    const space = await spaces.add(this.#resolved(given, known), wait);
    space.given = given;
    // What was cleared while its source was opened counts too.
    this.#void(space, nothingDone(given.name), this.#records.get(given.name));
    publish({ type: 'keyspace-added', keyspace: given.name });
  }

  /** Tunables of which these options say something else than the keyspace's own before. Throws INVALID_ARGUMENT. */
  differing(space: Keyspace, given: KeyspaceOptions): readonly Tunable[] {
    const { resolveKeyspace } = this.#deps;
    const [before, after] = [inForce(resolveKeyspace(space.given)), inForce(resolveKeyspace(given))];
    return tunables.filter((tunable) => !isDeepStrictEqual(before[tunable], after[tunable]));
  }

  /** The keyspace's own options are others now; what was changed at run time stays laid over them. True when it is different. */
  redefine(space: Keyspace, given: KeyspaceOptions): Promise<boolean> {
    const retuned = this.#resolved(given, this.#records.get(space.name));
    space.given = given;
    return this.#retune(space, retuned);
  }

  /** This node alone has it no more. */
  drop(name: string): void {
    this.#deps.spaces.remove(name);
  }

  /** All that a peer should know: a record for each keyspace that this node has, or of which it knows something. */
  told(): readonly KeyspaceRecord[] {
    const { spaces } = this.#deps;
    const names = new Set([...spaces.names(), ...this.#records.values().map(({ keyspace }) => keyspace)]);
    return [...names].map((name) => ({ ...this.#records.get(name), digest: this.digest(name) }));
  }

  /** What this node's own file says of it as a number; 0: it does not have it. */
  digest(name: string): number {
    const { spaces, hasher, resolveKeyspace } = this.#deps;
    const given = spaces.get(name)?.given;
    return given === undefined ? 0 : digestOf(resolveKeyspace(given), (text) => hasher.hash(text));
  }

  #resolved(given: KeyspaceOptions, record: KeyspaceRecord): ResolvedKeyspace {
    return this.#deps.resolveKeyspace(withSettings(given, settingsIn(record)));
  }

  /** Deletions, clears and sweeps; `fresh` has the sweeps that were not known. */
  #void(space: Keyspace, fresh: KeyspaceRecord, { keyspace, existence, generation, sweeps }: KeyspaceRecord): Taken {
    if (existence?.deleted === true) {
      this.drop(keyspace);
      return { ...nothingTaken, changed: true };
    }
    const cleared = space.clear(generation);
    if (cleared !== undefined) this.#deps.publish({ type: 'keyspace-cleared', keyspace });
    const { removed, newer } = space.sweeps.take(fresh.sweeps, sweeps, generation);
    const changed = cleared !== undefined || fresh.sweeps.length > 0;
    return { changed, removed, newer: Math.max(newer, cleared?.newer ?? 0) };
  }

  async #retune(space: Keyspace, options: ResolvedKeyspace): Promise<boolean> {
    const isDifferent = !isDeepStrictEqual({ ...space.options, given: null }, { ...options, given: null });
    await space.retune(options);
    if (isDifferent) this.#deps.publish({ type: 'keyspace-updated', keyspace: space.name });
    return isDifferent;
  }
}
