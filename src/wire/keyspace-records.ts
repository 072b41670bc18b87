import { sweepFault, sweepsMax } from '../coherence/sweeps.js';
import {
  type Existence,
  type KeyspaceRecord,
  type Setting,
  type Sweep,
  type Tunable,
  tunables,
} from '../ports/keyspace-record.js';
import { distcache } from './generated/distcache.js';
import { MalformedError } from './reader.js';

/*
 * What was done to a keyspace at run time, as bytes. Told seldom, so the generated codec is fast enough; what it lets
 * through is checked here: numbers that are no versions, lists without end.
 */

const { v1 } = distcache;

/** Bytes of one record. A list of keys to warm is the longest part. */
const recordBytesMax = 8 * 1024 * 1024;
/** Of one record, those of later releases included. */
const settingsMax = 64;
const textsMax = 1000;
const textBytesMax = 1024 * 1024;
const nameCharsMax = 256;
/** Names, tags, lengths and numbers of one setting beside its texts. */
const overheadBytes = 128;

const known: ReadonlySet<string> = new Set(tunables);

/** An upper bound of what `encodeRecord` gives. */
export function recordBound({ keyspace, existence, settings, sweeps }: KeyspaceRecord): number {
  let bound = sweeps.reduce((sum, { text }) => sum + overheadBytes + 3 * text.length, 0);
  bound += overheadBytes + 3 * keyspace.length + (existence === undefined ? 0 : 3 * existence.by.length);
  for (const { value, by } of settings) {
    bound += overheadBytes + 3 * by.length;
    if (typeof value === 'object' && value !== null) for (const text of value) bound += 8 + 3 * text.length;
  }
  return bound;
}

export const encodeRecord = ({ settings, sweeps, existence, ...rest }: KeyspaceRecord): Uint8Array =>
  v1.KeyspaceRecord.encode({
    ...rest,
    ...(existence === undefined ? {} : { existence }),
    settings: settings.map(settingMessage),
    sweeps: sweeps.map(({ by, text, version }) => (by === 'tag' ? { tag: text, version } : { prefix: text, version })),
  }).finish();

function settingMessage({ tunable, version, by, value }: Setting): distcache.v1.Setting.$Properties {
  const written = { tunable, version, by };
  if (value === undefined) return written;
  if (value === null) return { ...written, none: true };
  return typeof value === 'number' ? { ...written, number: value } : { ...written, texts: { texts: [...value] } };
}

/** Throws MalformedError on bytes that are no record. Tunables of later releases are left out. */
export function decodeRecord(bytes: Uint8Array): KeyspaceRecord {
  if (bytes.byteLength > recordBytesMax) throw new MalformedError(`a record of ${bytes.byteLength} bytes`);
  const { keyspace, existence, generation, settings, sweeps, digest } = parse(bytes);
  if (keyspace === '' || keyspace.length > nameCharsMax) throw new MalformedError('a record without a usable name');
  if (settings.length > settingsMax) throw new MalformedError(`more than ${settingsMax} settings in a record`);
  if (sweeps.length > sweepsMax) throw new MalformedError(`more than ${sweepsMax} sweeps in a record`);
  return {
    keyspace,
    existence: existence == null ? undefined : existenceOf(existence),
    generation: version(generation),
    settings: settings.flatMap(settingOf),
    sweeps: sweeps.map(sweepOf),
    digest,
  };
}

function parse(bytes: Uint8Array): distcache.v1.KeyspaceRecord {
  try {
    return v1.KeyspaceRecord.decode(bytes);
  } catch (cause) {
    throw new MalformedError('a record of a keyspace cannot be read', { cause });
  }
}

const version = (given: number | null | undefined): number => {
  const found = given ?? 0;
  if (!(Number.isSafeInteger(found) && found >= 0)) throw new MalformedError(`${found} is no version`);
  return found;
};

const nodeId = (given: string | null | undefined): string => {
  const found = given ?? '';
  if (found.length > nameCharsMax) throw new MalformedError("a node's id in a record is too long");
  return found;
};

const existenceOf = (given: distcache.v1.Existence.$Properties): Existence => ({
  deleted: given.deleted ?? false,
  version: version(given.version),
  by: nodeId(given.by),
});

function sweepOf({ tag, prefix, version: at }: distcache.v1.Sweep.$Properties): Sweep {
  const by = typeof tag === 'string' ? 'tag' : 'prefix';
  const text = tag ?? prefix ?? '';
  const fault = sweepFault(by, text);
  if (fault !== undefined) throw new MalformedError(`the ${by} of a sweep ${fault}`);
  return { by, text, version: version(at) };
}

function settingOf(given: distcache.v1.Setting.$Properties): readonly Setting[] {
  const tunable = given.tunable ?? '';
  const written = { version: version(given.version), by: nodeId(given.by) };
  if (!known.has(tunable)) return [];
  return [{ tunable: tunable as Tunable, ...written, value: settingValue(given) }];
}

function settingValue({ number, texts, none }: distcache.v1.Setting.$Properties): Setting['value'] {
  if (typeof number === 'number') return number;
  if (none === true) return null;
  if (texts == null) return undefined;
  const list = texts.texts ?? [];
  if (list.length > textsMax) throw new MalformedError(`more than ${textsMax} texts in a setting`);
  const bytes = list.reduce((sum, text) => sum + text.length, 0);
  if (bytes > textBytesMax * 4) throw new MalformedError('the texts of a setting are too long');
  return list;
}
