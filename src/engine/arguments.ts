import { ArgumentTypeError, aborted, DistcacheError, invalidArgument } from '../base/errors.js';
import { ttlMaxMs } from '../base/lifetimes.js';
import { tagsFault, uniqueTags } from '../base/tags.js';
import { formatDuration } from '../base/units.js';
import { sweepFault } from '../coherence/sweeps.js';
import type { CallOptions, GetOptions, PutEntry, WriteOptions } from '../ports/cache.js';
import type { Clock, Wait } from '../ports/clock.js';
import type { Sweep } from '../ports/keyspace-record.js';
import type { EngineLimits } from './options.js';
import type { Change } from './writes.js';

/** Wrong types throw a TypeError at once, as programming mistakes; wrong values are INVALID_ARGUMENT. */

const encoder = new TextEncoder();

export function checkKey(key: unknown, limits: EngineLimits): asserts key is string {
  if (typeof key !== 'string') throw new ArgumentTypeError(`key is ${typeName(key)}, must be a string`);
  if (key === '') throw invalidArgument('key is empty, must have at least one character');
  // A UTF-16 unit takes at most three bytes, so most keys pass without being encoded.
  if (key.length * 3 > limits.maxKeyBytes) {
    const bytes = encoder.encode(key).byteLength;
    if (bytes > limits.maxKeyBytes) {
      throw invalidArgument(`key is ${bytes} bytes long; limits.maxKeyBytes allows ${limits.maxKeyBytes}`);
    }
  }
  if (!key.isWellFormed()) throw invalidArgument('key has a lone surrogate; keys are well-formed Unicode');
}

export function checkBatch(name: string, batch: unknown, limits: EngineLimits): asserts batch is readonly unknown[] {
  if (!Array.isArray(batch)) throw new ArgumentTypeError(`${name} is ${typeName(batch)}, must be an array`);
  if (batch.length > limits.maxBatch) {
    throw invalidArgument(`${name} has ${batch.length} elements; limits.maxBatch allows ${limits.maxBatch}; split it`);
  }
}

/** The caller's bytes as they are now, copied, so that later writes by the caller stay unseen. */
function ownValue(value: unknown, limits: EngineLimits): Uint8Array {
  if (!(value instanceof Uint8Array)) {
    throw new ArgumentTypeError(
      `value is ${typeName(value)}, must be a Uint8Array; encode text with new TextEncoder()`,
    );
  }
  if (!(value.buffer instanceof ArrayBuffer)) {
    throw new ArgumentTypeError(
      'value lies in a SharedArrayBuffer, which others may write while it is copied; copy it first',
    );
  }
  if (value.buffer.detached) throw new ArgumentTypeError('value is detached: its memory was transferred elsewhere');
  checkValueBytes(value.byteLength, limits);
  return Uint8Array.prototype.slice.call(value);
}

export function checkValueBytes(bytes: number, limits: EngineLimits): void {
  if (bytes > limits.maxValueBytes) {
    throw new DistcacheError(
      'VALUE_TOO_LARGE',
      `value is ${bytes} bytes long; limits.maxValueBytes allows ${limits.maxValueBytes}`,
    );
  }
}

/**
 * Life of an entry being put, in milliseconds; undefined where the entry leaves it to its keyspace. A date further ahead
 * than a time to live may be counts as the latest: people write the year 9999 for "never".
 */
export function lifeOf(entry: Pick<PutEntry, 'ttlMs' | 'expiresAt'>, clock: Pick<Clock, 'wallMs'>): number | undefined {
  if (entry.ttlMs !== undefined) {
    if (typeof entry.ttlMs !== 'number')
      throw new ArgumentTypeError(`ttlMs is ${typeName(entry.ttlMs)}, must be a number`);
    if (!(entry.ttlMs > 0)) {
      throw invalidArgument(`ttlMs is ${entry.ttlMs}, must be above 0; delete the key instead, or leave it out`);
    }
    if (entry.ttlMs > ttlMaxMs && entry.ttlMs !== Number.POSITIVE_INFINITY) {
      throw invalidArgument(
        `ttlMs is ${entry.ttlMs}, may be at most ${ttlMaxMs} (${formatDuration(ttlMaxMs)}), or Infinity to never expire`,
      );
    }
    return entry.ttlMs;
  }
  if (entry.expiresAt === undefined) return undefined;
  if (!(entry.expiresAt instanceof Date)) {
    throw new ArgumentTypeError(`expiresAt is ${typeName(entry.expiresAt)}, must be a Date`);
  }
  const lifeMs = entry.expiresAt.getTime() - clock.wallMs();
  if (!(lifeMs > 0)) {
    const when = Number.isNaN(lifeMs) ? 'not a valid date' : `${entry.expiresAt.toISOString()}, which has passed`;
    throw invalidArgument(`expiresAt is ${when}; it must lie ahead`);
  }
  return Math.min(lifeMs, ttlMaxMs);
}

/** Each once. */
export function tagsOf({ tags }: Pick<PutEntry, 'tags'>): readonly string[] {
  const fault = tags === undefined ? undefined : tagsFault(tags);
  if (fault !== undefined) throw invalidArgument(`tags ${fault}`);
  return uniqueTags(tags);
}

/** What is to be deleted by a tag or a prefix. */
export function checkSweep(by: Sweep['by'], text: unknown): asserts text is string {
  if (typeof text !== 'string') throw new ArgumentTypeError(`${by} is ${typeName(text)}, must be a string`);
  if (text === '') throw invalidArgument(`${by} is empty; to delete all entries, clear the keyspace`);
  const fault = sweepFault(by, text);
  if (fault !== undefined) throw invalidArgument(`${by} ${fault}`);
}

/** What a put does, with the engine's own copy of the value. */
export function putOf(entry: PutEntry, limits: EngineLimits, clock: Clock): Change {
  if (entry === null || typeof entry !== 'object') throw new ArgumentTypeError('entry is not an object { key, value }');
  checkKey(entry.key, limits);
  return { do: 'put', value: ownValue(entry.value, limits), ttlMs: lifeOf(entry, clock), tags: tagsOf(entry) };
}

/** How long a call waits; throws ABORTED when it has been cancelled already. `what` and `name` are for that message. */
export function waitOf(
  options: (CallOptions & GetOptions & WriteOptions) | undefined,
  defaultMs: number,
  clock: Clock,
  what: string,
  name?: string,
): Wait {
  checkCall(options);
  const signal = options?.signal;
  if (signal?.aborted === true) throw aborted(name === undefined ? what : `${what} '${name}'`, signal.reason);
  return { deadlineMs: clock.nowMs() + (options?.timeoutMs ?? defaultMs), signal };
}

export function checkCall(options: (CallOptions & GetOptions & WriteOptions) | undefined): void {
  if (options === undefined) return;
  const { timeoutMs, signal, minVersion, consistency, ack } = options;
  if (minVersion !== undefined && !(Number.isSafeInteger(minVersion) && minVersion >= 0)) {
    throw invalidArgument(`minVersion is ${minVersion}, must be a version that a write or a read returned`);
  }
  if (consistency !== undefined && consistency !== 'cached' && consistency !== 'owner') {
    throw invalidArgument(`consistency is '${consistency}', must be one of: cached, owner`);
  }
  if (ack !== undefined && ack !== 'applied' && ack !== 'owner') {
    throw invalidArgument(`ack is '${ack}', must be one of: applied, owner`);
  }
  if (signal !== undefined && typeof signal.addEventListener !== 'function') {
    throw new ArgumentTypeError(`signal is ${typeName(signal)}, must be an AbortSignal`);
  }
  if (timeoutMs === undefined) return;
  if (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs)) {
    throw new ArgumentTypeError(`timeoutMs is ${typeName(timeoutMs)}, must be a number of milliseconds`);
  }
  if (timeoutMs <= 0) throw invalidArgument(`timeoutMs is ${timeoutMs}, must be above 0`);
}

const typeName = (value: unknown): string =>
  value === null ? 'null' : Number.isNaN(value) ? 'NaN' : Array.isArray(value) ? 'an array' : `of type ${typeof value}`;
