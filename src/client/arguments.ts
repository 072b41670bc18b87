import { ArgumentTypeError, invalidArgument } from '../base/errors.js';
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

/** What of an entry goes over the wire. */
export function entryOf(entry: PutEntry, clock: Clock): { key: string; value: Uint8Array; ttlMs?: number } {
  checkKey(entry.key);
  if (!(entry.value instanceof Uint8Array)) {
    throw new ArgumentTypeError('value must be a Uint8Array; encode text with new TextEncoder()');
  }
  const ttlMs = entry.ttlMs ?? (entry.expiresAt && entry.expiresAt.getTime() - clock.wallMs());
  if (ttlMs === undefined) return { key: entry.key, value: entry.value };
  if (!(ttlMs > 0))
    throw invalidArgument(`time to live of ${JSON.stringify(entry.key)} is ${ttlMs} ms, must be above 0`);
  return { key: entry.key, value: entry.value, ttlMs };
}
