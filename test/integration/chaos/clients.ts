import { codeOf } from '../../../src/base/errors.js';
import type { GetOptions, WriteResult } from '../../../src/ports/cache.js';
import type { History } from '../../support/history/history.js';
import { type ReadOutcome, textFor, type WriteOutcome } from '../../support/history/records.js';
import type { Seeded } from '../../support/seeded.js';
import { pause } from '../../support/until.js';
import type { ChaosCluster, Place } from './chaos-cluster.js';
import type { ChaosSource } from './source.js';

export const keyspace = 'ks';
export const callTimeoutMs = 5_000;
export const writers = ['w0', 'w1', 'w2'] as const;
export const readers = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5'] as const;
const keysPerWriter = 8;

export const ownKeys = (writer: string): readonly string[] =>
  Array.from({ length: keysPerWriter }, (_, index) => `${writer}/key ${index}`);
/** Written by all writers: their order is known by version alone. */
export const sharedKeys: readonly string[] = ['shared/0', 'shared/1'];
export const keys: readonly string[] = [...writers.flatMap(ownKeys), ...sharedKeys];
/** The data source keeps the first value of these, so that a put which was lost shows. */
export const laggingKeys: readonly string[] = Array.from({ length: 24 }, (_, index) => `lagging/${index}`);

/** What clients share: where they ask, what they tell, and when they end. */
export interface Stage {
  readonly cluster: ChaosCluster;
  readonly source: ChaosSource;
  readonly history: History;
  readonly signal: AbortSignal;
  /** The ring stands still and everybody is within reach. */
  isCalm(): boolean;
  /** Clients can ask for the owner's answer, and for a version. */
  readonly hasReadOptions: boolean;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The call cannot have reached a node, so nothing was written. */
const neverSent = (error: unknown): boolean => {
  const cause = (error as { cause?: { mayHaveRun?: unknown } }).cause;
  return cause?.mayHaveRun === false;
};

const failure = (error: unknown): string => codeOf(error) ?? (error instanceof Error ? error.name : 'ERROR');

export async function put(place: Place, key: string, seq: number, ttlMs?: number): Promise<WriteOutcome> {
  const entry = { key, value: bytesOf(textFor(key, seq)), ttlMs };
  return outcomeOf(place.client.put(keyspace, entry, { timeoutMs: callTimeoutMs }));
}

async function outcomeOf(call: Promise<WriteResult>): Promise<WriteOutcome> {
  try {
    const { version, unreached, node } = await call;
    return { is: 'ok', version, unreached, by: node };
  } catch (error) {
    return { is: neverSent(error) ? 'failed' : 'unknown', code: failure(error) };
  }
}

export async function read(place: Place, key: string, options: GetOptions = {}): Promise<ReadOutcome> {
  try {
    const asked: GetOptions = { timeoutMs: callTimeoutMs, ...options };
    const found = await place.client.lookup(keyspace, key, asked);
    if (!found.found) return { is: 'missing', version: found.version };
    const value = new TextDecoder().decode(found.value);
    return { is: 'ok', value, version: found.version, how: found.outcome, by: found.node };
  } catch (error) {
    return { is: 'failed', code: failure(error) };
  }
}

/** Numbers of writes by key, for all writers. */
export class Seqs {
  readonly #last = new Map<string, number>();

  next(key: string): number {
    const seq = (this.#last.get(key) ?? 0) + 1;
    this.#last.set(key, seq);
    return seq;
  }
}

/** Writes until the signal: the source first, then the cache, at any node. */
export async function runWriter(client: string, stage: Stage, seqs: Seqs, random: Seeded): Promise<void> {
  const { cluster, source, history, signal } = stage;
  const own = ownKeys(client);
  while (!signal.aborted) {
    const up = cluster.up();
    const key = random.chance(0.15) ? random.pick(sharedKeys) : random.pick(own);
    if (up.length > 0) {
      const place = random.pick(up);
      const kind = random.chance(0.7) ? 'put' : 'delete';
      const seq = seqs.next(key);
      const ended = history.write({ client, node: place.name, key, kind, seq });
      source.set(key, seq);
      const call =
        kind === 'put'
          ? put(place, key, seq)
          : outcomeOf(place.client.delete(keyspace, key, { timeoutMs: callTimeoutMs }));
      ended(await call);
    }
    await pause(random.between(5, 40));
  }
}

export async function runReader(client: string, stage: Stage, random: Seeded): Promise<void> {
  const { cluster, history, signal, hasReadOptions } = stage;
  const seen = new Map<string, number>();
  while (!signal.aborted) {
    const up = cluster.up();
    if (up.length > 0) {
      const place = random.pick(up);
      const key = random.pick(keys);
      const consistency = hasReadOptions && stage.isCalm() && random.chance(0.2) ? 'owner' : 'cached';
      const minVersion = hasReadOptions && random.chance(0.2) ? seen.get(key) : undefined;
      const ended = history.read({ client, node: place.name, key, consistency, minVersion });
      const outcome = await read(place, key, { consistency, minVersion });
      ended(outcome);
      if (outcome.is === 'ok') seen.set(key, Math.max(outcome.version, seen.get(key) ?? 0));
    }
    await pause(random.between(0, 12));
  }
}

/** One read of each of these keys at each node that is up. */
export async function readAll(cluster: ChaosCluster, history: History, which: readonly string[]): Promise<void> {
  await Promise.all(
    cluster.up().map(async (place) => {
      for (const key of which) {
        const ended = history.read({ client: `final at ${place.name}`, node: place.name, key, final: true });
        ended(await read(place, key));
      }
    }),
  );
}
