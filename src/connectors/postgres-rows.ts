import { Buffer } from 'node:buffer';
import pg from 'pg';
import { messageOf } from '../base/errors.js';
import type { FetchResult } from '../ports/data-source.js';
import type { PostgresDefinition, SourceContext } from './definition.js';
import { sourceFailed, tooLarge } from './outcome.js';
import { tagsOfText } from './tags.js';

/** A column as the server describes it. */
export interface Column {
  readonly name: string;
  /** The type's number in the catalogue. */
  readonly dataTypeID: number;
}

/** Values as the server writes them: what they mean is decided here, by the column's type. */
export type Row = readonly (string | null)[];

const { BOOL, BYTEA, FLOAT4, FLOAT8, INT2, INT4, INT8, INTERVAL, JSON: JSON_TEXT, JSONB, OID } = pg.types.builtins;
const { TIMESTAMP, TIMESTAMPTZ } = pg.types.builtins;

/** `text[]` and `varchar[]`, which the catalogue's list of builtins leaves out. */
const [TEXT_ARRAY, VARCHAR_ARRAY] = [1009, 1015];

const arrayOf = pg.types.getTypeParser(TEXT_ARRAY) as (raw: string) => readonly string[];
const intervalOf: (raw: string) => Partial<Record<string, number>> = pg.types.getTypeParser(INTERVAL);

/**
 * One column: its text as the database writes it, or the bytes of a `bytea`; a JSON document is passed on as it stands.
 * Several: a JSON object of them (`bytea` as base64; integers beyond 2^53 and `numeric`, which JSON numbers would round,
 * as text). A single NULL: not found. `versionColumn`, `ttlColumn` and `tagsColumn` are no part of
 * the value.
 */
export class RowReader {
  readonly #values: readonly { readonly at: number; readonly column: Column }[];
  readonly #versionAt: number | undefined;
  readonly #ttlAt: number | undefined;
  readonly #tagsAt: number | undefined;

  /** @param hidden columns at the left that are none of the query's */
  constructor(
    private readonly columns: readonly Column[],
    definition: PostgresDefinition,
    private readonly context: SourceContext,
    private readonly hidden = 0,
  ) {
    this.#versionAt = this.#placeOf('versionColumn', definition.versionColumn, hidden);
    this.#ttlAt = this.#placeOf('ttlColumn', definition.ttlColumn, hidden);
    this.#tagsAt = this.#placeOf('tagsColumn', definition.tagsColumn, hidden);
    const aside = [this.#versionAt, this.#ttlAt, this.#tagsAt];
    this.#values = columns
      .map((column, at) => ({ at, column }))
      .filter(({ at }) => at >= hidden && !aside.includes(at));
    const names = this.#values.map(({ column }) => column.name);
    const twice = names.find((name, index) => names.indexOf(name) < index);
    if (names.length === 0) throw this.#failed('the query returns no column for the value');
    if (twice !== undefined) throw this.#failed(`the query returns two columns '${twice}'; name them apart with "as"`);
  }

  /** Throws VALUE_TOO_LARGE, and DATA_SOURCE_FAILED where version, time to live or tags cannot be used. */
  read(row: Row): FetchResult {
    const value = this.#value(row);
    if (value === null) return null;
    const bytes = typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength;
    if (bytes > this.context.maxValueBytes) throw tooLarge(this.context, bytes);
    if (this.#values.length === this.columns.length - this.hidden) return value;
    return { value, ...this.#version(row), ...this.#expiry(row), ...this.#tags(row) };
  }

  #value(row: Row): string | Uint8Array | null {
    if (this.#values.length > 1) {
      const members = this.#values.map(({ at, column }) => `${JSON.stringify(column.name)}:${jsonOf(row[at], column)}`);
      return `{${members.join(',')}}`;
    }
    const { at, column } = this.#values[0]!;
    const raw = row[at] ?? null;
    if (raw === null) return null;
    if (column.dataTypeID === BYTEA) return bytesOf(raw);
    return column.dataTypeID === BOOL ? String(raw === 't') : raw;
  }

  #version(row: Row): { version?: number } {
    if (this.#versionAt === undefined) return {};
    const raw = row[this.#versionAt] ?? null;
    if (raw === null) return {};
    const { dataTypeID, name } = this.columns[this.#versionAt]!;
    const isMoment = dataTypeID === TIMESTAMPTZ || dataTypeID === TIMESTAMP;
    const version = isMoment ? momentMs(raw) : Number(raw);
    if (Number.isFinite(version) && version >= 0) return { version };
    throw this.#failed(
      `versionColumn '${name}' holds what is no version; it must be a number, 0 or above, or a timestamp`,
    );
  }

  #expiry(row: Row): { ttlMs?: number; expiresAt?: Date } {
    if (this.#ttlAt === undefined) return {};
    const raw = row[this.#ttlAt] ?? null;
    if (raw === null) return {};
    const { dataTypeID, name } = this.columns[this.#ttlAt]!;
    if (dataTypeID === INTERVAL) return { ttlMs: intervalMs(raw) };
    if (dataTypeID === TIMESTAMPTZ) {
      if (raw === 'infinity') return { ttlMs: Number.POSITIVE_INFINITY };
      const atMs = momentMs(raw);
      if (Number.isFinite(atMs)) return { expiresAt: new Date(atMs) };
    }
    throw this.#failed(
      `ttlColumn '${name}' is neither an interval nor a moment; write for example: make_interval(secs => ${name})`,
    );
  }

  #tags(row: Row): { tags?: readonly string[] } {
    if (this.#tagsAt === undefined) return {};
    const raw = row[this.#tagsAt] ?? null;
    if (raw === null) return {};
    const { dataTypeID, name } = this.columns[this.#tagsAt]!;
    if (dataTypeID === TEXT_ARRAY || dataTypeID === VARCHAR_ARRAY) return { tags: arrayOf(raw) };
    try {
      return { tags: tagsOfText(raw) };
    } catch (error) {
      throw this.#failed(`tagsColumn '${name}' ${messageOf(error)}`);
    }
  }

  #placeOf(field: string, name: string | undefined, from: number): number | undefined {
    if (name === undefined) return undefined;
    const at = this.columns.findIndex((column, index) => index >= from && column.name === name);
    if (at >= 0) return at;
    throw this.#failed(`the query returns no column '${name}', which ${field} names`);
  }

  #failed(what: string): Error {
    return sourceFailed(this.context.keyspace, `postgres: ${what}`);
  }
}

/**
 * In hexadecimal, or with escapes where the server's `bytea_output` says so. pg's own parser does not come to an end over a
 * backslash that escapes nothing, which no right server sends.
 */
function bytesOf(raw: string): Buffer {
  if (raw.startsWith('\\x')) return Buffer.from(raw.slice(2), 'hex');
  const byteOf = (_: string, escaped: string): string =>
    escaped === '\\' ? escaped : String.fromCharCode(Number.parseInt(escaped, 8));
  return Buffer.from(raw.replace(/\\(\\|[0-3][0-7]{2})/g, byteOf), 'latin1');
}

function jsonOf(raw: string | null | undefined, { dataTypeID }: Column): string {
  if (raw === null || raw === undefined) return 'null';
  switch (dataTypeID) {
    case JSON_TEXT:
    case JSONB:
      return raw;
    case BOOL:
      return String(raw === 't');
    case BYTEA:
      return JSON.stringify(bytesOf(raw).toString('base64'));
    case INT2:
    case INT4:
    case INT8:
    case OID:
      return Number.isSafeInteger(Number(raw)) ? raw : JSON.stringify(raw);
    case FLOAT4:
    case FLOAT8:
      return Number.isFinite(Number(raw)) ? String(Number(raw)) : JSON.stringify(raw);
    default:
      return JSON.stringify(raw);
  }
}

/** Milliseconds since 1970, with the microseconds that tell two changes of a row apart; NaN where it is no such text. */
function momentMs(raw: string): number {
  const found = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?([+-]\d\d(?::\d\d)?)?$/.exec(raw);
  if (found === null) return Number.NaN;
  const [, date, time, fraction = '0', zone = '+00'] = found;
  return Date.parse(`${date}T${time}${zone.length === 3 ? `${zone}:00` : zone}`) + Number(fraction) * 1000;
}

function intervalMs(raw: string): number {
  const { years = 0, months = 0, days = 0, hours = 0, minutes = 0, seconds = 0, milliseconds = 0 } = intervalOf(raw);
  const wholeDays = (years * 12 + months) * 30 + days;
  return Math.max(0, ((wholeDays * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1000 + milliseconds);
}
