import { invalidArgument } from '../base/errors.js';
import { parseDuration, parseRate, parseSize } from '../base/units.js';
import type { KeyspaceChanges } from '../ports/keyspace-changes.js';
import { type KeyspaceSettings, type SettingValue, type Tunable, tunables } from '../ports/keyspace-record.js';
import type { KeyspaceOptions, ResolvedKeyspace } from './options.js';

/*
 * A tunable is an option of a keyspace that can change while it runs. What it may be is checked where all options are: a
 * change is laid over what the keyspace was made with, and the whole is resolved anew, so that a value from a file, from a
 * caller and from another node are held to the same bounds in the same words.
 */

export type Settings = ReadonlyMap<Tunable, SettingValue>;

/** Where an option stands in the options of a keyspace. */
type Place = readonly [option: string] | readonly [section: string, option: string];

interface Facts {
  readonly place: Place;
  readonly parse?: (text: string) => number | undefined;
  /** 'refused': there is always one. 'off': the whole section is off, whatever the node's default is. */
  readonly none?: 'refused' | 'off';
}

const facts: Readonly<Record<Tunable, Facts>> = {
  maxBytes: { place: ['maxBytes'], parse: parseSize, none: 'refused' },
  defaultTtl: { place: ['defaultTtl'], parse: parseDuration },
  ttlJitter: { place: ['ttlJitter'] },
  negativeTtl: { place: ['negativeTtl'], parse: parseDuration },
  staleWhileRevalidate: { place: ['staleWhileRevalidate'], parse: parseDuration },
  staleIfError: { place: ['staleIfError'], parse: parseDuration },
  hotShare: { place: ['hotShare'] },
  readTimeout: { place: ['readTimeout'], parse: parseDuration },
  writeTimeout: { place: ['writeTimeout'], parse: parseDuration },
  rate: { place: ['rateLimit', 'rate'], parse: parseRate, none: 'off' },
  rateBurst: { place: ['rateLimit', 'burst'] },
  rateWait: { place: ['rateLimit', 'wait'], parse: parseDuration },
  breakerFailures: { place: ['breaker', 'failures'], none: 'off' },
  breakerReset: { place: ['breaker', 'reset'], parse: parseDuration, none: 'refused' },
  warmKeys: { place: ['warmKeys'] },
};

/** What an option is; of a section that is off, its head is null and the rest is not there. */
function valueAt(from: unknown, tunable: Tunable): unknown {
  const {
    place: [first, second],
    none,
  } = facts[tunable];
  const value = (from as Record<string, unknown>)[first];
  if (second === undefined) return value;
  if (value === null || value === false) return none === 'off' ? null : undefined;
  return typeof value === 'object' ? (value as Record<string, unknown>)[second] : value;
}

/** Throws INVALID_ARGUMENT on a name that is no tunable, and where nothing would change. */
export function checkNames(changes: KeyspaceChanges): void {
  if (changes === null || typeof changes !== 'object') {
    throw invalidArgument('changes is not an object such as { maxBytes: "64MiB", defaultTtl: null }');
  }
  const allowed = new Set(tunables.map((tunable) => facts[tunable].place[0]));
  const unknown = Object.keys(changes).find((name) => !allowed.has(name));
  if (unknown !== undefined) {
    throw invalidArgument(
      `${unknown} cannot be changed while a keyspace runs; what can: ${[...allowed].join(', ')}. The rest is for the nodes' files`,
    );
  }
  if (tunables.every((tunable) => valueAt(changes, tunable) === undefined)) {
    throw invalidArgument('nothing is to be changed; give at least one option, or null for none');
  }
}

/** As callers write changes to numbers, which travel. Throws INVALID_ARGUMENT on texts that are no number of their kind. */
export function settingsOf(changes: KeyspaceChanges | KeyspaceOptions): Settings {
  const settings = new Map<Tunable, SettingValue>();
  for (const tunable of tunables) {
    const { place, parse, none } = facts[tunable];
    const given = valueAt(changes, tunable);
    if (given === undefined) continue;
    if (given === null && none === 'refused') {
      throw invalidArgument(`${place.join('.')} cannot be none; give a value`);
    }
    const value = typeof given === 'string' && parse !== undefined ? parse(given) : given;
    if (value === undefined) {
      const what =
        parse === parseSize
          ? 'a size such as 64MiB'
          : parse === parseRate
            ? 'a rate such as 100/s'
            : 'a duration such as 30s';
      throw invalidArgument(`${place.join('.')} is '${given}', must be ${what}`);
    }
    settings.set(tunable, value as SettingValue);
  }
  return settings;
}

/** Each with what it is a part of, without which it says nothing. */
const partOf: readonly (readonly [part: Tunable, head: Tunable])[] = [
  ['rateBurst', 'rate'],
  ['rateWait', 'rate'],
  ['breakerReset', 'breakerFailures'],
];

/**
 * Throws INVALID_ARGUMENT where a setting has nothing to hold for in `options`, over which it is laid: it would lie in wait
 * for whoever sets the head another day.
 */
export function checkParts(settings: Settings, options: KeyspaceOptions): void {
  for (const [part, head] of partOf) {
    const headNow = valueAt(options, head);
    // No burst of a limit that is off is what there is.
    const isNone = settings.get(part) === null && headNow === null;
    if (!settings.has(part) || isNone || (headNow ?? null) !== null) continue;
    const [what, needed] = [part, head].map((tunable) => facts[tunable].place.join('.'));
    throw invalidArgument(`${what} has no effect without ${needed}; give that too`);
  }
}

/** The options with the settings laid over them. */
export function withSettings(given: KeyspaceOptions, settings: Settings): KeyspaceOptions {
  const options: Record<string, unknown> = { ...given };
  for (const [tunable, value] of settings) {
    const [first, second] = facts[tunable].place;
    if (second === undefined) options[first] = value ?? undefined;
    else options[first] = { ...(options[first] as object | undefined), [second]: value ?? undefined };
  }
  for (const [tunable, value] of settings) {
    const { place, none } = facts[tunable];
    if (value === null && none === 'off') options[place[0]] = false;
  }
  return options as unknown as KeyspaceOptions;
}

/** What options come to; a time to live that never ends, and what is off, are none. */
export function inForce(options: ResolvedKeyspace): KeyspaceSettings {
  const { rate, breaker, warmKeys } = options;
  const orNone = (value: number | undefined, none?: number): number | null => (value === none ? null : (value ?? null));
  return {
    maxBytes: options.maxBytes,
    defaultTtl: orNone(options.defaultTtlMs, Number.POSITIVE_INFINITY),
    ttlJitter: orNone(options.ttlJitter, 0),
    negativeTtl: orNone(options.negativeTtlMs, 0),
    staleWhileRevalidate: orNone(options.staleWhileRevalidateMs, 0),
    staleIfError: orNone(options.staleIfErrorMs, 0),
    hotShare: options.hotShare,
    readTimeout: options.readTimeoutMs,
    writeTimeout: options.writeTimeoutMs,
    rate: orNone(rate?.perSecond),
    rateBurst: orNone(rate?.burst),
    rateWait: orNone(rate?.waitMs, 0),
    breakerFailures: orNone(breaker?.failures),
    breakerReset: orNone(breaker?.resetMs),
    warmKeys: warmKeys.length === 0 ? null : warmKeys,
  };
}

/**
 * Of what two nodes' files should say the same of a keyspace: all but the name, and its size, as larger nodes may have more
 * room. 0 stands for "does not say", so it is no digest.
 */
export function digestOf(options: ResolvedKeyspace, hash: (text: string) => number): number {
  const { maxBytes: _, ...same } = inForce(options);
  return hash(JSON.stringify([same, options.eviction])) || 1;
}
