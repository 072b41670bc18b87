import { codeOf, DistcacheError, type KeyFailure, messageOf, PartialFailure } from '../base/errors.js';
import type { FailedLookup, Lookup, WriteManyResult, WriteResult } from '../ports/cache.js';

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

/** The sum of the writes when all went well; otherwise throws what failed. `keys` in the order of `outcomes`. */
export function allWritten(
  keys: readonly string[],
  outcomes: readonly PromiseSettledResult<WriteResult>[],
): WriteManyResult {
  const failed: FailedLookup[] = [];
  const unreached: (readonly string[])[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') unreached.push(outcome.value.unreached);
    else failed.push({ key: keys[index]!, error: asDistcacheError(outcome.reason) });
  }
  throwFailed('written', keys.length, failed);
  return { written: keys.length, unreached: namesOf(unreached) };
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
