import { DistcacheError } from '../base/errors.js';
import type { Client } from '../client/client.js';
import type { WarmResult } from '../ports/cache.js';
import { FailureWithData } from './failure.js';

export interface WarmCall {
  readonly signal: AbortSignal;
  readonly timeoutMs?: number | undefined;
  readonly concurrency?: number | undefined;
}

/** Warms keys as they come, batch by batch; `onProgress` is told how many are done. */
export async function warmKeys(
  client: Pick<Client, 'warm'>,
  keyspace: string,
  keys: AsyncIterable<readonly string[]>,
  call: WarmCall,
  onProgress: (done: number) => void,
): Promise<WarmResult> {
  const sum = { loaded: 0, held: 0, missing: 0, failures: [] as WarmResult['failures'][number][] };
  let done = 0;
  try {
    for await (const batch of keys) {
      const result = await client.warm(keyspace, batch, { ...call, onProgress: (some) => onProgress(done + some) });
      sum.loaded += result.loaded;
      sum.held += result.held;
      sum.missing += result.missing;
      sum.failures.push(...result.failures);
      done = sum.loaded + sum.held + sum.missing + sum.failures.length;
    }
  } catch (error) {
    throw new FailureWithData(error, warmJson(keyspace, sum));
  }
  return sum;
}

export const warmJson = (keyspace: string, { loaded, held, missing, failures }: WarmResult) => ({
  keyspace,
  loaded,
  held,
  missing,
  failed: failures.length,
  failures,
});

export const warmText = ({ loaded, held, missing, failed }: ReturnType<typeof warmJson>): string =>
  `${loaded} loaded, ${held} held already, ${missing} not in the data source${failed === 0 ? '' : `, ${failed} failed`}`;

/** Throws the first failure, which says how many there are. */
export function checkWarmed(keyspace: string, result: WarmResult): void {
  const [first] = result.failures;
  if (first === undefined) return;
  const others = result.failures.length === 1 ? '' : ` (and ${result.failures.length - 1} more)`;
  throw new FailureWithData(
    new DistcacheError(first.code, `'${first.key}' was not loaded: ${first.message}${others}`),
    warmJson(keyspace, result),
  );
}
