import type { KeyFailure } from '../base/errors.js';
import type { CallOptions, HotKeysOptions, HotKeyspace, WarmResult } from '../ports/cache.js';
import { batchesOf } from './batches.js';
import type { Ask } from './calls.js';
import { mergedHotKeys, type NodeAnswer, unreachedOf } from './everywhere.js';
import { methods } from './methods.js';
import { failureOf, hotKeyspaceOf } from './replies.js';

export interface ClientWarmOptions extends CallOptions {
  /** Loads at once; 16 without. */
  readonly concurrency?: number | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

export interface ClusterHotKeys {
  readonly keyspaces: readonly HotKeyspace[];
  /** Names of nodes that did not answer: what they were asked for is missing. */
  readonly unreached: readonly string[];
}

const concurrencyOfWarm = 16;
/** Loads of a batch one after the other: a batch is a step of the progress. */
const roundsOfBatch = 4;
const batchLimits = { items: 1000, bytes: 1024 * 1024 };
const hotKeysShown = 20;
const hotKeysMax = 100_000;

/** Which keys one node is asked for most, and loading keys ahead of need. */
export class WarmthCalls {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async warm(
    keyspace: string,
    keys: readonly string[],
    {
      concurrency = concurrencyOfWarm,
      onProgress,
      signal,
      timeoutMs,
    }: ClientWarmOptions & { readonly timeoutMs: number },
  ): Promise<WarmResult> {
    const sum = { loaded: 0, held: 0, missing: 0, failures: [] as KeyFailure[] };
    const limits = { ...batchLimits, items: Math.min(concurrency * roundsOfBatch, batchLimits.items) };
    for (const batch of batchesOf([...new Set(keys)], limits, (key) => key.length * 3)) {
      const request = { keyspace, keys: [...batch], concurrency, keyTimeoutMs: timeoutMs };
      // Each of the rounds that a batch takes may need its whole time.
      const wholeMs = timeoutMs * (Math.ceil(batch.length / concurrency) + 1);
      const call = { signal, timeoutMs: wholeMs };
      const reply = await this.#ask(methods.warm, request, `warm ${batch.length} keys of ${keyspace}`, call, true);
      sum.loaded += reply.loaded;
      sum.held += reply.held;
      sum.missing += reply.missing;
      sum.failures.push(...reply.failures.map(failureOf));
      onProgress?.(sum.loaded + sum.held + sum.missing + sum.failures.length);
    }
    return sum;
  }

  /** Of the node that answers. */
  async hotKeys({ keyspace, limit, ...call }: CallOptions & HotKeysOptions): Promise<readonly HotKeyspace[]> {
    const request = { ...(keyspace === undefined ? {} : { keyspace }), limit: limit ?? hotKeysShown };
    const reply = await this.#ask(methods.hotKeys, request, 'list hot keys', call, true);
    return reply.keyspaces.map(hotKeyspaceOf);
  }
}

/** Over all nodes. Rejects with the first node's error where none answers. */
export async function hotKeysOfAll(
  eachNode: <T>(ask: (node: WarmthCalls) => Promise<T>) => Promise<readonly NodeAnswer<T>[]>,
  options: CallOptions & HotKeysOptions,
): Promise<ClusterHotKeys> {
  const limit = options.limit ?? hotKeysShown;
  // Each tells more than is wanted of all: what is third everywhere may be first together.
  const askedLimit = Math.min(limit * 5, hotKeysMax);
  const answers = await eachNode((node) => node.hotKeys({ ...options, limit: askedLimit }));
  const told = answers.flatMap((answer) => (answer.is === 'answered' ? [answer.answer] : []));
  const [failed] = answers.flatMap((answer) => (answer.is === 'failed' ? [answer.error] : []));
  if (told.length === 0 && failed !== undefined) throw failed;
  return { keyspaces: mergedHotKeys(told, limit), unreached: unreachedOf(answers) };
}
