import type { PostgresDefinition } from './definition.js';
import { badDefinition } from './outcome.js';

/** The text of a query, taken apart at the places of the key. */
export interface PostgresQuery {
  /** As it was written, without a semicolon at its end. */
  readonly text: string;
  /**
   * Asks for many keys at once, `$1` being an array of them: rows of this query behind `distcache_place`, the place of
   * their key in the array, from 1. Per key it is the query itself, so it means the same: no more than its first row, and
   * for a key that it has nothing for, none. A look-up by index stays one.
   *
   * @param type of the query's `$1`, quoted where that is needed: an element of the array is read as that very type
   */
  together(type: string): string;
}

/** Whatever is no code: strings, quoted names, comments. */
const skipped = [
  String.raw`(?<![\w$])[eE]'(?:[^'\\]|\\[\s\S]|'')*'`,
  "'(?:[^']|'')*'",
  '"(?:[^"]|"")*"',
  String.raw`\$(?<tag>(?:[\p{L}_][\p{L}\p{N}_]*)?)\$[\s\S]*?\$\k<tag>\$`,
  String.raw`--[^\n]*`,
  String.raw`/\*[\s\S]*?\*/`,
].join('|');
const token = new RegExp(String.raw`${skipped}|(?<parameter>(?<![\w$])\$\d+)|(?<end>;)`, 'gu');

const hint = 'write for example: select doc from users where id = $1';

/** Holds the query to "one statement, the key and nothing else". Rejects what isn't with INVALID_ARGUMENT. */
export function parseQuery(definition: PostgresDefinition, keyspace: string): PostgresQuery {
  const read = readQuery(definition.query);
  if ('problem' in read) throw badDefinition(keyspace, 'query', read.problem);
  return read;
}

/** The same, with what is wrong as a result. */
export function readQuery(query: string): PostgresQuery | { readonly problem: string } {
  const text = query.replace(/[;\s]+$/, '');
  const pieces: string[] = [];
  let from = 0;
  for (const found of text.matchAll(token)) {
    const { parameter, end } = found.groups ?? {};
    if (end !== undefined) return { problem: `has more than one statement; ${hint}` };
    if (parameter === undefined) continue;
    if (parameter !== '$1')
      return { problem: `has the parameter ${parameter}, but only $1, the key, is known; ${hint}` };
    pieces.push(text.slice(from, found.index));
    from = found.index + parameter.length;
  }
  if (pieces.length === 0) return { problem: `has no parameter for the key; ${hint}` };
  pieces.push(text.slice(from));
  return {
    text,
    // Line breaks, because the query may end in a comment.
    together: (type) =>
      `select distcache_keys.place as distcache_place, distcache_row.*
       from unnest($1::${type}[]) with ordinality as distcache_keys(key, place)
       cross join lateral (select * from (\n${pieces.join('distcache_keys.key')}\n) as distcache_rows limit 1) as distcache_row`,
  };
}

/**
 * Run beside the prepared statement `distcache_probe`: the type of its parameter, by its name in the catalogue, because
 * the name that SQL knows some types by (`character`) means a length of one when an array is made of it.
 */
export const probeText = (query: PostgresQuery): string => `
  prepare distcache_probe as ${query.text}
  ;
  select format('%I.%I', namespace.nspname, type.typname) as name, type.typname as short
  from pg_prepared_statements as statement
  join pg_type as type on type.oid = statement.parameter_types[1]
  join pg_namespace as namespace on namespace.oid = type.typnamespace
  where statement.name = 'distcache_probe' and type.typcategory <> 'A';
  deallocate distcache_probe`;

/**
 * Types that refuse most texts. A key that is not of the plain form is asked for by itself, so that it takes no other key
 * along when the database refuses it; it may all the same be one that the type knows to read.
 */
const plainForms: ReadonlyMap<string, RegExp> = new Map([
  ['int2', /^-?\d{1,4}$/],
  ['int4', /^-?\d{1,9}$/],
  ['int8', /^-?\d{1,18}$/],
  ['numeric', /^-?\d{1,100}(\.\d{1,100})?$/],
  ['uuid', /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i],
]);

export const isPlainFor = (type: string, key: string): boolean => plainForms.get(type)?.test(key) ?? true;
