import type { DataSource, FetchManyResult, FetchOptions, FetchResult } from '../ports/data-source.js';
import type { PostgresDefinition, SourceContext } from './definition.js';
import { attempt } from './outcome.js';
import { isRefusedKey, PostgresConnections, type Rows, sqlStateOf } from './postgres-connections.js';
import { isPlainFor, type PostgresQuery, parseQuery, probeText } from './postgres-query.js';
import { RowReader } from './postgres-rows.js';

/** Beside the value: names of columns and types, notices. */
const sparedBytes = 64 * 1024;
/** A batch may be answered with as much as this many values of full size; if it is more, each is asked for by itself. */
const fullValuesMax = 4;

interface KeyType {
  /** As it is written in SQL. */
  readonly name: string;
  readonly short: string;
}

/**
 * Rows of a PostgreSQL database by key, over pooled connections that are opened when they are needed: a server that is
 * down, or a query that does not fit it, fails loads and no start. The query is prepared once per connection; the key is
 * bound, never pasted in. No row, a NULL, or a key that the column's type cannot hold: not found.
 *
 * Many keys at once are asked for with one statement made of the query: see `PostgresQuery.together`. A query that cannot
 * stand inside another one (`update … returning`) is asked once per key.
 */
export function createPostgres(definition: PostgresDefinition, context: SourceContext): DataSource {
  return new PostgresSource(definition, context);
}

class PostgresSource implements DataSource {
  /** Goes where the query turned out to be unfit for it. */
  fetchMany: DataSource['fetchMany'] = (keys, { signal }) => this.#together(keys, signal);
  readonly #query: PostgresQuery;
  readonly #connections: PostgresConnections;
  readonly #valueBytesMax: number;
  #keyType: KeyType | undefined;
  /** A prepared statement keeps its text, so another type of key makes another statement. */
  #keyTypes = 0;

  constructor(
    private readonly definition: PostgresDefinition,
    private readonly context: SourceContext,
  ) {
    this.#query = parseQuery(definition, context.keyspace);
    this.#connections = new PostgresConnections(definition, context);
    // A byte of `bytea` takes two on the wire.
    this.#valueBytesMax = 2 * context.maxValueBytes + sparedBytes;
  }

  async fetch(key: string, { signal }: FetchOptions): Promise<FetchResult> {
    if (!canBeText(key)) return null;
    let found: Rows;
    try {
      found = await this.#run('distcache_one', this.#query.text, [key], this.#valueBytesMax, signal);
    } catch (error) {
      if (isRefusedKey(error)) return null;
      throw this.#connections.failed(error);
    }
    const [row] = found.rows;
    return row === undefined ? null : new RowReader(found.fields, this.definition, this.context).read(row);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  async #together(keys: readonly string[], signal: AbortSignal): Promise<FetchManyResult> {
    const nobody: FetchManyResult = keys.map(() => undefined);
    const isNew = this.#keyType === undefined;
    const type = await this.#typeOfKey(signal);
    if (type === undefined) {
      this.#giveUp('its key is compared with an array');
      return nobody;
    }
    const results: (FetchResult | Error | undefined)[] = keys.map((key) => (canBeText(key) ? undefined : null));
    const asked = [...keys.keys()].filter((at) => canBeText(keys[at]!) && isPlainFor(type.short, keys[at]!));
    if (asked.length === 0) return results;
    const values = asked.map((at) => keys[at]!);
    const bytesMax = Math.min(asked.length, fullValuesMax) * this.#valueBytesMax;
    let found: Rows;
    try {
      found = await this.#run(
        `distcache_many_${this.#keyTypes}`,
        this.#query.together(type.name),
        [values],
        bytesMax,
        signal,
      );
    } catch (error) {
      if ((error as { code?: unknown }).code === 'VALUE_TOO_LARGE') return nobody;
      const state = sqlStateOf(error) ?? '';
      if (!isOfTheQuery(state)) throw this.#connections.failed(error);
      // The column may have another type by now, or one of the keys is more than the query can take.
      this.#keyType = undefined;
      if (isNew && /^(0A|42)/.test(state)) this.#giveUp(this.#connections.failed(error).message);
      return nobody;
    }
    for (const at of asked) results[at] = null;
    const reader = new RowReader(found.fields, this.definition, this.context, 1);
    for (const row of found.rows) results[asked[Number(row[0]) - 1]!] = attempt(() => reader.read(row));
    return results;
  }

  /** Of the query's $1, as the database understands it; undefined: one that no array can be made of. */
  async #typeOfKey(signal: AbortSignal): Promise<KeyType | undefined> {
    if (this.#keyType !== undefined) return this.#keyType;
    try {
      const [, described] = await this.#connections.runAll(probeText(this.#query), signal);
      const [name, short] = described?.rows[0] ?? [];
      if (typeof name !== 'string' || typeof short !== 'string') return undefined;
      this.#keyType = { name, short };
      this.#keyTypes++;
    } catch (error) {
      throw this.#connections.failed(error);
    }
    return this.#keyType;
  }

  #giveUp(why: string): void {
    this.fetchMany = undefined;
    this.context.log.write('warn', 'keys are asked for one by one: the query cannot be asked for many at once', {
      keyspace: this.context.keyspace,
      why,
    });
  }

  #run(
    name: string,
    text: string,
    values: readonly unknown[],
    answerBytesMax: number,
    signal: AbortSignal,
  ): Promise<Rows> {
    const prepared = this.definition.prepare === false ? undefined : name;
    return this.#connections.run({ text, name: prepared, values, answerBytesMax }, signal);
  }
}

/** PostgreSQL knows no NUL, and would be given U+FFFD in place of a lone surrogate, which is another key. */
const canBeText = (key: string): boolean => key.isWellFormed() && !key.includes('\0');

/** Classes of SQLSTATE that speak of statement and data, not of the server's health: each key may be told its own. */
const isOfTheQuery = (state: string): boolean => /^(0A|21|22|23|42|P0)/.test(state) && state !== '42501';
