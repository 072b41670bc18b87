import { Buffer } from 'node:buffer';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { type DistcacheError, messageOf } from '../base/errors.js';
import type { DataSource, FetchResult } from '../ports/data-source.js';
import type { SourceContext, SqliteDefinition } from './definition.js';
import { attempt, badDefinition, endIfAborted, sourceFailed, tooLarge } from './outcome.js';
import { parametersOf } from './sqlite-parameters.js';
import { tagsOfText } from './tags.js';

// SQLite runs inside the process and node:sqlite is synchronous: a query holds the event loop while it runs and cannot
// be interrupted, so the caller's signal counts before it only. Point look-ups by an indexed column take microseconds;
// anything slower belongs behind a module or HTTP source. For the same reason a lock held by a writer is waited for
// only briefly, after which the load fails and may be tried again.
const lockWaitMs = 100;

/**
 * Rows of a database file by key. One column: its text or bytes are the value, numbers in decimal. Several columns: a
 * JSON object of them (blobs as base64, integers beyond 2^53 as text). No row, or a single NULL: not found. `tagsColumn` is
 * no part of the value.
 * The file is opened here, read-only, and held until close(): a file later moved over it is seen after a restart.
 * Rejects with INVALID_ARGUMENT when there is no such file or the query does not fit it.
 */
export async function openSqlite(definition: SqliteDefinition, context: SourceContext): Promise<DataSource> {
  const { keyspace } = context;
  const parameters = parametersOf(definition.query);
  if (parameters.is === 'wrong') throw badDefinition(keyspace, 'query', parameters.problem);
  const file = await existing(resolve(context.baseDir, definition.file), keyspace);
  const database = opened(file, keyspace);
  let statement: StatementSync;
  try {
    statement = database.prepare(definition.query);
    statement.setReadBigInts(true);
    // Full names are bound: without their first letter `:key` and `$key` would clash.
    statement.setAllowBareNamedParameters(false);
  } catch (error) {
    database.close();
    throw badDefinition(keyspace, 'query', `does not fit ${file}`, error);
  }
  const rowOf = (key: string): Record<string, SQLOutputValue> | undefined =>
    parameters.is === 'named'
      ? statement.get(bindByName(parameters.names, key))
      : statement.get(...parameters.times.map(() => key));
  const one = (key: string): FetchResult => {
    // SQLite would be given U+FFFD in place of a lone surrogate, which is another key.
    if (!key.isWellFormed()) return null;
    let row: Record<string, SQLOutputValue> | undefined;
    try {
      row = rowOf(key);
    } catch (error) {
      throw sourceFailed(keyspace, `sqlite: ${messageOf(error)}`, error);
    }
    return row === undefined ? null : resultOf(row, definition.tagsColumn, context);
  };
  return {
    fetch: (key, { signal }) => {
      endIfAborted(signal, keyspace);
      return one(key);
    },
    // A query per key all the same: in one transaction they share the lock on the file, and see it as of one moment.
    fetchMany: (keys, { signal }) => {
      endIfAborted(signal, keyspace);
      return inTransaction(database, keyspace, () => keys.map((key) => attempt(() => one(key))));
    },
    close: async () => {
      if (database.isOpen) database.close();
    },
  };
}

function inTransaction<T>(database: DatabaseSync, keyspace: string, work: () => T): T {
  try {
    database.exec('begin');
  } catch (error) {
    throw sourceFailed(keyspace, `sqlite: ${messageOf(error)}`, error);
  }
  try {
    return work();
  } finally {
    // Nothing was written.
    attempt(() => database.exec('rollback'));
  }
}

/** SQLite says of every kind of unusable path that it is "unable to open database file". */
async function existing(file: string, keyspace: string): Promise<string> {
  try {
    if ((await stat(file)).isFile()) return file;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw badDefinition(
        keyspace,
        'file',
        `there is no database file ${file}; relative paths start at the config file`,
      );
    }
    throw badDefinition(keyspace, 'file', `${file} is out of reach`, error);
  }
  throw badDefinition(keyspace, 'file', `${file} is not a file`);
}

function opened(file: string, keyspace: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    database.exec(`pragma busy_timeout = ${lockWaitMs}`);
    // The first read is what tells a database from any other file.
    database.prepare('select count(*) from sqlite_schema').get();
    return database;
  } catch (error) {
    database?.close();
    throw badDefinition(keyspace, 'file', `${file} does not open as a SQLite database`, error);
  }
}

const bindByName = (names: readonly string[], key: string): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, key]));

function resultOf(
  row: Record<string, SQLOutputValue>,
  tagsColumn: string | undefined,
  context: SourceContext,
): FetchResult {
  if (tagsColumn === undefined) return bounded(asValue(row), context);
  const failed = (what: string): DistcacheError =>
    sourceFailed(context.keyspace, `sqlite: tagsColumn '${tagsColumn}' ${what}`);
  const { [tagsColumn]: tags, ...values } = row;
  if (tags === undefined) throw failed('names no column of the query');
  if (Object.keys(values).length === 0) throw failed('is the only column; there is none for the value');
  const value = bounded(asValue(values), context);
  if (value === null || tags === null) return value;
  if (typeof tags !== 'string') throw failed('is no text');
  try {
    return { value, tags: tagsOfText(tags) };
  } catch (error) {
    throw failed(messageOf(error));
  }
}

function asValue(row: Record<string, SQLOutputValue>): Uint8Array | string | null {
  const columns = Object.values(row);
  if (columns.length > 1) return JSON.stringify(row, (_, value: unknown) => jsonOf(value));
  const only = columns[0] ?? null;
  return only === null || only instanceof Uint8Array ? only : String(only);
}

function jsonOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

function bounded(value: Uint8Array | string | null, context: SourceContext): Uint8Array | string | null {
  if (value === null) return null;
  const bytes = typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength;
  if (bytes > context.maxValueBytes) throw tooLarge(context, bytes);
  return value;
}
