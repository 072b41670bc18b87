import { ArgumentTypeError, invalidArgument } from '../base/errors.js';
import { lifeOf, tagsOf } from '../engine/arguments.js';
import type { PutEntry } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';

/** What no encoding could carry; lengths are the node's to judge, which knows its limits. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new ArgumentTypeError(`key is of type ${typeof key}, must be a string`);
  if (!key.isWellFormed()) throw invalidArgument('key has a lone surrogate; keys are well-formed Unicode');
}

/**
 * gRPC counts deadlines in 32 signed bits of milliseconds, here and on the node, and takes a longer one for one that has
 * passed. Who waits for weeks does not miss the rest.
 */
const timeoutMaxMs = 24 * 86_400_000;

/** How long a call waits, checked. */
export function timeoutOf(givenMs: number): number {
  if (!(givenMs > 0)) throw invalidArgument(`timeoutMs is ${givenMs}, must be above 0`);
  return Math.min(givenMs, timeoutMaxMs);
}

/** At most three bytes a UTF-16 unit: an upper bound, without encoding. */
export const keyBytes = (key: string): number => key.length * 3;

export interface EntryMessage {
  readonly key: string;
  readonly value: Uint8Array;
  readonly ttlMs?: number;
  readonly tags: string[];
}

/** An upper bound of what it takes in a message. */
export const entryBound = ({ key, value, tags }: EntryMessage): number =>
  tags.reduce((sum, tag) => sum + keyBytes(tag), keyBytes(key) + value.byteLength);

/** An entry as it travels. Throws where it cannot; times end as durations, so clocks need not agree. */
export function entryMessage(entry: PutEntry, clock: Clock): EntryMessage {
  const { key, value } = entry;
  checkKey(key);
  const tags = [...tagsOf(entry)];
  if (!(value instanceof Uint8Array)) {
    throw new ArgumentTypeError('value must be a Uint8Array; encode text with new TextEncoder()');
  }
  const lifeMs = lifeOf(entry, clock);
  return lifeMs === undefined ? { key, value, tags } : { key, value, ttlMs: lifeMs, tags };
}
