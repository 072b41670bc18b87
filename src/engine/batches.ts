import { codeOf, DistcacheError, type KeyFailure, messageOf, PartialFailure } from '../base/errors.js';
import type { FailedLookup, Lookup, WriteManyResult, WriteResult } from '../ports/cache.js';
import type { Change } from './writes.js';

/** What single operations came to, put together as the answer of a batch. */

export const asDistcacheError = (error: unknown): DistcacheError =>
  error instanceof DistcacheError
    ? error
    : new DistcacheError(codeOf(error) ?? 'DATA_SOURCE_FAILED', messageOf(error), { cause: error });

/** The lookups when all went well; otherwise throws what failed. */
export function allRead(lookups: readonly (Lookup | FailedLookup)[]): readonly Lookup[] {
  const failed = lookups.filter((lookup): lookup is FailedLookup => 'error' in lookup);
  throwFailed('read', lookups.length, failed);
  return lookups as readonly Lookup[];
}

/** A write of a batch. */
export interface KeyChange {
  readonly key: string;
  readonly change: Change;
}

/** Writes all at once; the sum when all went well, otherwise throws what failed. */
export async function writeAll(
  changes: readonly KeyChange[],
  write: (change: KeyChange) => Promise<WriteResult>,
): Promise<WriteManyResult> {
  const outcomes = await Promise.allSettled(changes.map(write));
  const failed: FailedLookup[] = [];
  const unreached: (readonly string[])[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') unreached.push(outcome.value.unreached);
    else failed.push({ key: changes[index]!.key, error: asDistcacheError(outcome.reason) });
  }
  throwFailed('written', changes.length, failed);
  return { written: changes.length, unreached: namesOf(unreached) };
}

/** Each name once, sorted. */
export const namesOf = (lists: readonly (readonly string[])[]): readonly string[] => [...new Set(lists.flat())].sort();

/** A batch that failed whole for one reason is that reason; otherwise the keys that failed are listed. */
function throwFailed(what: string, total: number, failed: readonly FailedLookup[]): void {
  const first = failed[0];
  if (first === undefined) return;
  if (failed.length === total && failed.every(({ error }) => error.code === first.error.code)) throw first.error;
  throw new PartialFailure(
    `${failed.length} of ${total} keys were not ${what}; the first: '${first.key}': ${first.error.message}`,
    failed.map(failureOf),
  );
}

const failureOf = ({ key, error }: FailedLookup): KeyFailure => ({
  key,
  code: error.code,
  message: error.message,
  node: error.node ?? '',
});
