import { DistcacheError } from '../base/errors.js';
import { compareSweeps, isSameSweep, sweepsMax } from '../coherence/sweeps.js';
import type { KeyspaceRecord, SettingValue, Sweep, Tunable, Written } from '../ports/keyspace-record.js';
import { tunables } from '../ports/keyspace-record.js';

/** Names of which a node remembers what was done to them, those it has and those it has not. */
const recordsMax = 4096;

export const nothingDone = (keyspace: string): KeyspaceRecord => ({
  keyspace,
  existence: undefined,
  generation: 0,
  settings: [],
  sweeps: [],
  digest: 0,
});

const isLater = (a: Written, b: Written | undefined): boolean =>
  b === undefined || a.version > b.version || (a.version === b.version && a.by > b.by);

/**
 * Of each part the later writing. Whether a keyspace was deleted or brought back, nothing from before counts any more: its
 * settings go, and so does whatever was in it. Merging is commutative, associative and idempotent, so every node ends with
 * the same, in whichever order it hears.
 */
export function merged(mine: KeyspaceRecord, theirs: KeyspaceRecord): KeyspaceRecord {
  const [a, b] = [mine.existence, theirs.existence];
  const existence = b !== undefined && isLater(b, a) ? b : a;
  const settings = tunables.flatMap((tunable) => {
    const [own, other] = [mine, theirs].map((record) => record.settings.find((setting) => setting.tunable === tunable));
    const latest = other !== undefined && isLater(other, own) ? other : own;
    return latest === undefined || latest.version < (existence?.version ?? 0) ? [] : [latest];
  });
  const generation = Math.max(mine.generation, theirs.generation, existence?.version ?? 0);
  return { ...mine, existence, generation, settings, sweeps: allSweeps(mine, theirs, generation) };
}

/** Those of `theirs` that `mine` does not have, each once; those before a clear are part of it. */
export function newSweeps(mine: KeyspaceRecord, theirs: KeyspaceRecord, generation: number): readonly Sweep[] {
  return theirs.sweeps.filter(
    (sweep, i) =>
      sweep.version > generation &&
      !mine.sweeps.some((known) => isSameSweep(known, sweep)) &&
      theirs.sweeps.findIndex((other) => isSameSweep(other, sweep)) === i,
  );
}

/** The latest of both; the list of `mine` where nothing is different. */
function allSweeps(mine: KeyspaceRecord, theirs: KeyspaceRecord, generation: number): readonly Sweep[] {
  const fresh = newSweeps(mine, theirs, generation);
  const all = fresh.length === 0 ? mine.sweeps : [...mine.sweeps, ...fresh].sort(compareSweeps);
  const later = all.filter(({ version }) => version > generation);
  return later.length === mine.sweeps.length && fresh.length === 0 ? mine.sweeps : later.slice(-sweepsMax);
}

/** Nothing of a merge is new. */
export const isSame = (before: KeyspaceRecord, after: KeyspaceRecord): boolean =>
  before.existence === after.existence &&
  before.generation === after.generation &&
  before.sweeps === after.sweeps &&
  haveSameSettings(before, after);

export const haveSameSettings = (before: KeyspaceRecord, after: KeyspaceRecord): boolean =>
  before.settings.length === after.settings.length &&
  before.settings.every((setting, i) => setting === after.settings[i]);

/** The settings in force, beside those that were withdrawn. */
export const settingsIn = ({ settings }: KeyspaceRecord): ReadonlyMap<Tunable, SettingValue> =>
  new Map(settings.flatMap(({ tunable, value }) => (value === undefined ? [] : [[tunable, value] as const])));

/** Highest version of all parts; no part is written at a later time. */
export const latestIn = ({ existence, generation, settings, sweeps }: KeyspaceRecord): number =>
  Math.max(existence?.version ?? 0, generation, ...[...settings, ...sweeps].map(({ version }) => version));

/**
 * What this node knows of changes at run time, by keyspace. It is kept in memory alone and lives on in the cluster: who
 * joins learns it, and when all nodes were stopped their files hold again. Bounded: beyond `recordsMax` names, the one
 * whose last change is longest ago is forgotten among those that this node does not have.
 */
export class KeyspaceRecords {
  readonly #records = new Map<string, KeyspaceRecord>();
  readonly #has: (keyspace: string) => boolean;

  /** @param has this node has a keyspace of this name */
  constructor(has: (keyspace: string) => boolean) {
    this.#has = has;
  }

  get(keyspace: string): KeyspaceRecord {
    return this.#records.get(keyspace) ?? nothingDone(keyspace);
  }

  set(record: KeyspaceRecord): void {
    if (!this.#records.has(record.keyspace) && this.#records.size >= recordsMax) this.#forgetOne();
    this.#records.set(record.keyspace, record);
  }

  values(): readonly KeyspaceRecord[] {
    return [...this.#records.values()];
  }

  #forgetOne(): void {
    let oldest: KeyspaceRecord | undefined;
    for (const record of this.#records.values()) {
      if (this.#has(record.keyspace)) continue;
      if (oldest === undefined || latestIn(record) < latestIn(oldest)) oldest = record;
    }
    if (oldest === undefined) {
      throw new DistcacheError('OVERLOADED', `changes of ${recordsMax} keyspaces are remembered, which is the limit`);
    }
    this.#records.delete(oldest.keyspace);
  }
}
