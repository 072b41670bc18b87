import { DistcacheError, type KeyFailure, PartialFailure } from '../base/errors.js';
import { ttlMaxMs } from '../base/lifetimes.js';
import { tagsFault } from '../base/tags.js';
import { formatDuration, parseDuration } from '../base/units.js';
import type { Client } from '../client/client.js';
import type { PutEntry, WriteOptions } from '../ports/cache.js';
import { FailureWithData, usageError } from './failure.js';
import { readLines } from './input.js';

/** Of one request; a line alone may be larger. */
const entriesPerRequest = 1_000;
const bytesPerRequest = 1024 * 1024;
/** A text of JavaScript holds no more. Larger values go by themselves. */
const lineBytesMax = 511 * 1024 * 1024;
/** Failures kept of one command, for the message and the JSON; the count goes on. */
const failuresKept = 100;

const fields = ['key', 'value', 'value_base64', 'ttl', 'tags'];

interface NumberedEntry {
  readonly line: number;
  readonly entry: PutEntry;
}

export interface PutManyOutcome {
  readonly written: number;
  readonly unreached: readonly string[];
}

/**
 * Puts the entries of an NDJSON stream, in order, in bounded batches, and reads no further ahead than one batch.
 * Keys that a node refuses do not stop the rest; a line that is no entry does, as does a cluster out of reach. Rejects
 * with a FailureWithData that counts what was written and names lines and keys.
 */
export async function putLines(
  client: Pick<Client, 'putMany'>,
  keyspace: string,
  source: { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> },
  options: {
    readonly ttlMs: number | undefined;
    readonly tags: readonly string[] | undefined;
    readonly call: WriteOptions;
  },
  progress: (written: number) => Promise<void>,
): Promise<PutManyOutcome> {
  const unreached = new Set<string>();
  const failures: (KeyFailure & { readonly line: number })[] = [];
  let written = 0;
  let failed = 0;
  const soFar = () => ({ keyspace, written, unreached: [...unreached].sort() });
  const failuresJson = () => (failures.length === 0 ? {} : { failed, failures });
  try {
    for await (const batch of entriesOf(source, options)) {
      try {
        const result = await client.putMany(
          keyspace,
          batch.map(({ entry }) => entry),
          options.call,
        );
        written += result.written;
        for (const node of result.unreached) unreached.add(node);
      } catch (error) {
        if (!(error instanceof PartialFailure)) throw error;
        const lineOf = new Map(batch.map(({ line, entry }) => [entry.key, line]));
        failed += error.failures.length;
        written += batch.length - error.failures.length;
        for (const failure of error.failures.slice(0, failuresKept - failures.length)) {
          failures.push({ line: lineOf.get(failure.key) ?? 0, ...failure });
        }
      }
      await progress(written);
    }
  } catch (error) {
    throw new FailureWithData(withCount(error, written), { ...soFar(), ...failuresJson() });
  }
  const first = failures[0];
  if (first !== undefined) {
    const failure = new PartialFailure(
      `${failed} of ${written + failed} entries were not stored, first line ${first.line}, key ${JSON.stringify(first.key)}: ${first.message}`,
      failures,
    );
    throw new FailureWithData(failure, { ...soFar(), ...failuresJson() });
  }
  return soFar();
}

const withCount = (error: unknown, written: number): unknown =>
  error instanceof DistcacheError && written > 0
    ? new DistcacheError(error.code, `${error.message}; the ${written} entries before it are stored`, { cause: error })
    : error;

async function* entriesOf(
  source: { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> },
  standard: { readonly ttlMs: number | undefined; readonly tags: readonly string[] | undefined },
): AsyncGenerator<readonly NumberedEntry[]> {
  let batch: NumberedEntry[] = [];
  let bytes = 0;
  for await (const lines of readLines(source.bytes, source.name, lineBytesMax)) {
    for (const { number, text: line } of lines) {
      // Editors put a byte order mark before the first line, where JSON has none.
      const text = number === 1 ? line.replace(/^\ufeff/, '') : line;
      if (text.trim() === '') continue;
      let entry: PutEntry;
      try {
        entry = parseEntry(text, standard.ttlMs, standard.tags);
      } catch (error) {
        // What stands before a bad line is stored first, so that the count in the message holds.
        if (batch.length > 0) yield batch;
        throw usageError(`${source.name}, line ${number}: ${(error as Error).message}`, error);
      }
      const entryBytes = entry.value.byteLength + entry.key.length;
      if (batch.length > 0 && (batch.length >= entriesPerRequest || bytes + entryBytes > bytesPerRequest)) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push({ line: number, entry });
      bytes += entryBytes;
    }
  }
  if (batch.length > 0) yield batch;
}

/** One line of NDJSON; throws an Error that says what is wrong with it. */
export function parseEntry(text: string, defaultTtlMs: number | undefined, defaultTags?: readonly string[]): PutEntry {
  const parsed = parseObject(text);
  const unknown = Object.keys(parsed).find((name) => !fields.includes(name));
  if (unknown !== undefined) {
    throw new Error(`unknown field ${JSON.stringify(unknown)}; an entry has ${fields.join(', ')}`);
  }
  const { key } = parsed;
  if (typeof key !== 'string' || key === '') throw new Error('"key" must be a text of at least one character');
  const ttlMs = parsed.ttl === undefined ? defaultTtlMs : ttlOf(parsed.ttl);
  const tags = parsed.tags === undefined ? defaultTags : tagsOf(parsed.tags);
  const ttl = ttlMs === undefined ? {} : { ttlMs };
  return { key, value: bytesOf(parsed), ...ttl, ...(tags === undefined ? {} : { tags }) };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new Error(`no JSON: ${(error as Error).message}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new Error('must be an object such as {"key":"a","value":"1"}');
  }
  return parsed as Record<string, unknown>;
}

function bytesOf(entry: Readonly<Record<string, unknown>>): Uint8Array {
  const { value, value_base64: base64 } = entry;
  if ((value === undefined) === (base64 === undefined)) {
    throw new Error('must have either "value" (text) or "value_base64"');
  }
  if (value !== undefined) {
    if (typeof value !== 'string') throw new Error('"value" must be a text; write other JSON as text, escaped');
    if (!value.isWellFormed()) throw new Error('"value" has a lone surrogate; give such bytes as "value_base64"');
    return Buffer.from(value);
  }
  const bytes = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : undefined;
  // Buffer skips what is not base64; only what it gives back unchanged was base64 throughout.
  if (bytes === undefined || bytes.toString('base64').replace(/=+$/, '') !== (base64 as string).replace(/=+$/, '')) {
    throw new Error('"value_base64" is not base64');
  }
  return bytes;
}

function ttlOf(ttl: unknown): number {
  const ttlMs = typeof ttl === 'number' ? ttl : typeof ttl === 'string' ? parseDuration(ttl) : undefined;
  if (ttlMs === undefined || !(ttlMs > 0)) {
    throw new Error(`"ttl" is ${JSON.stringify(ttl)}, must be a duration above 0 such as "30s", or milliseconds`);
  }
  if (ttlMs > ttlMaxMs) throw new Error(`"ttl" is ${JSON.stringify(ttl)}, may be at most ${formatDuration(ttlMaxMs)}`);
  return ttlMs;
}

function tagsOf(tags: unknown): readonly string[] {
  const fault = tagsFault(tags);
  if (fault !== undefined) throw new Error(`"tags" ${fault}`);
  return tags as readonly string[];
}
