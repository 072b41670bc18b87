import { DistcacheError } from '../base/errors.js';
import type { Client } from '../client/client.js';
import type { WriteManyResult, WriteOptions } from '../ports/cache.js';
import { FailureWithData } from './failure.js';

/**
 * A write that some nodes did not confirm is no success: they may serve the older value for a while. Throws then, with
 * `data` for the JSON document; `done` says what was done all the same.
 */
export function checkReached(
  unreached: readonly string[],
  done: string,
  data: Readonly<Record<string, unknown>>,
): void {
  if (unreached.length === 0) return;
  const names = unreached.join(', ');
  throw new FailureWithData(
    new DistcacheError(
      'PEER_UNREACHABLE',
      `${done}, but not confirmed by ${names}, which may answer with the older value for a while; repeat it when they are back`,
    ),
    data,
  );
}

/** Deletes keys as they come, in order, batch by batch. */
export async function deleteKeys(
  client: Pick<Client, 'deleteMany'>,
  keyspace: string,
  keys: AsyncIterable<readonly string[]>,
  call: WriteOptions,
): Promise<WriteManyResult> {
  const unreached = new Set<string>();
  let written = 0;
  try {
    for await (const batch of keys) {
      const result = await client.deleteMany(keyspace, batch, call);
      written += result.written;
      for (const node of result.unreached) unreached.add(node);
    }
  } catch (error) {
    throw new FailureWithData(error, { keyspace, deleted: written, unreached: [...unreached].sort() });
  }
  return { written, unreached: [...unreached].sort() };
}
