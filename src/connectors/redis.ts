import calculateSlot from 'cluster-key-slot';
import type { DataSource, FetchManyResult, FetchResult } from '../ports/data-source.js';
import type { RedisDefinition, SourceContext } from './definition.js';
import { attempt, tooLarge } from './outcome.js';
import { RedisConnection } from './redis-connection.js';

/** PTTL's words for "there is no such key" and "does not expire". */
const noKey = -2;
const noExpiry = -1;

/**
 * Strings of a Redis server or cluster by key. What Redis has left of a key's life becomes the entry's. No such key: not
 * found; a key that holds something else than a string fails, as does a server that does not answer. The connection is
 * made when it is needed, so a server that is down fails loads and no start.
 */
export function createRedis(definition: RedisDefinition, context: SourceContext): DataSource {
  const connection = new RedisConnection(definition, context);
  const { prefix = '' } = definition;

  // The life is asked for before the value: a value that takes another's place in between is then kept for the shorter
  // time of the two, as a rule, and never one for longer than Redis keeps it. Both arrive in one packet, back to back.

  const one = async (key: string, signal: AbortSignal): Promise<FetchResult> => {
    if (!key.isWellFormed()) return null;
    const name = prefix + key;
    const [life, value] = await connection.send((pipeline) => pipeline.pttl(name).getBuffer(name), signal);
    for (const reply of [life, value]) if (reply instanceof Error) throw connection.failed(reply);
    return resultOf(value as Buffer | null, life as number, context);
  };

  const many = async (keys: readonly string[], signal: AbortSignal): Promise<FetchManyResult> => {
    const results: (FetchResult | Error | undefined)[] = keys.map(() => null);
    const askable = [...keys.keys()].filter((at) => keys[at]!.isWellFormed());
    // The nodes of a cluster take commands on several keys only where they are of one slot.
    const groups = connection.isCluster
      ? [...Map.groupBy(askable, (at) => calculateSlot(prefix + keys[at]!)).values()]
      : [askable];
    const ask = async (group: readonly number[]): Promise<void> => {
      const names = group.map((at) => prefix + keys[at]!);
      const replies = await connection.send((pipeline) => {
        for (const name of names) pipeline.pttl(name);
        pipeline.mgetBuffer(names);
      }, signal);
      const values = replies.at(-1);
      for (const [index, at] of group.entries()) {
        results[at] = oneOf(replies[index], values, index);
      }
    };
    await Promise.all(groups.filter((group) => group.length > 0).map(ask));
    return results;
  };

  const oneOf = (life: unknown, values: unknown, index: number): FetchResult | Error | undefined => {
    for (const reply of [life, values]) if (reply instanceof Error) return connection.failed(reply);
    const value = (values as readonly (Buffer | null)[])[index] ?? null;
    // MGET keeps silent about keys that hold something else than a string; GET says so.
    if (value === null && life !== noKey) return undefined;
    return attempt(() => resultOf(value, life as number, context));
  };

  return {
    fetch: (key, { signal }) => one(key, signal),
    fetchMany: (keys, { signal }) => many(keys, signal),
    close: () => connection.close(),
  };
}

function resultOf(value: Buffer | null, life: number, context: SourceContext): FetchResult {
  if (value === null) return null;
  if (value.byteLength > context.maxValueBytes) throw tooLarge(context, value.byteLength);
  if (life === noExpiry) return value;
  // A key that came up in between has a life of which nothing is known yet.
  return { value, ttlMs: life === noKey ? 0 : life };
}
