import { ArgumentTypeError, invalidArgument } from '../base/errors.js';
import { tagsOf } from '../engine/arguments.js';
import type { PutEntry } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';

/** What no encoding could carry; lengths are the node's to judge, which knows its limits. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new ArgumentTypeError(`key is of type ${typeof key}, must be a string`);
  if (!key.isWellFormed()) throw invalidArgument('key has a lone surrogate; keys are well-formed Unicode');
}

export function checkTimeout(timeoutMs: number): void {
  if (!(timeoutMs > 0)) throw invalidArgument(`timeoutMs is ${timeoutMs}, must be above 0`);
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
export function entryMessage({ key, value, ttlMs, expiresAt, ...rest }: PutEntry, clock: Clock): EntryMessage {
  checkKey(key);
  const tags = [...tagsOf(rest)];
  if (!(value instanceof Uint8Array)) {
    throw new ArgumentTypeError('value must be a Uint8Array; encode text with new TextEncoder()');
  }
  const lifeMs = ttlMs ?? (expiresAt && expiresAt.getTime() - clock.wallMs());
  if (lifeMs === undefined) return { key, value, tags };
  if (!(lifeMs > 0)) throw invalidArgument(`time to live of ${JSON.stringify(key)} is ${lifeMs} ms, must be above 0`);
  return { key, value, ttlMs: lifeMs, tags };
}
