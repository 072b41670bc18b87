import { codeOf, type KeyFailure, messageOf, PartialFailure } from '../base/errors.js';
import type { WriteManyResult } from '../ports/cache.js';

export interface BatchLimits {
  readonly items: number;
  /** Sum of an item's keys and values; one item alone may be larger. */
  readonly bytes: number;
}

/** Consecutive groups within the limits; an item beyond them stands alone. */
export function* batchesOf<T>(items: readonly T[], limits: BatchLimits, bytesOf: (item: T) => number): Generator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const itemBytes = bytesOf(item);
    if (batch.length > 0 && (batch.length >= limits.items || bytes + itemBytes > limits.bytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += itemBytes;
  }
  if (batch.length > 0) yield batch;
}

export interface BatchReply {
  readonly written: number;
  readonly unreached: readonly string[];
  readonly failures: readonly KeyFailure[];
}

/**
 * Sends one batch after another. A batch that fails as a whole ends the work: alone it is thrown as it is; after others
 * went through, PartialFailure names its keys and all that were not sent.
 */
export async function writeInBatches<T>(
  what: string,
  items: readonly T[],
  batches: Iterable<readonly T[]>,
  keyOf: (item: T) => string,
  send: (batch: readonly T[]) => Promise<BatchReply>,
): Promise<WriteManyResult> {
  const unreached = new Set<string>();
  const failures: KeyFailure[] = [];
  let written = 0;
  let sent = 0;
  for (const batch of batches) {
    try {
      const reply = await send(batch);
      written += reply.written;
      for (const node of reply.unreached) unreached.add(node);
      failures.push(...reply.failures);
    } catch (error) {
      const code = codeOf(error);
      if (sent === 0 || code === undefined) throw error;
      const message = messageOf(error);
      for (const item of items.slice(sent)) failures.push({ key: keyOf(item), code, message, node: '' });
      break;
    }
    sent += batch.length;
  }
  if (failures.length > 0) {
    const first = failures[0]!;
    throw new PartialFailure(
      `${what}: ${failures.length} of ${items.length} keys failed, first ${JSON.stringify(first.key)}: ${first.message}`,
      failures,
    );
  }
  return { written, unreached: [...unreached].sort() };
}
