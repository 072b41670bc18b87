import { z } from 'zod';
import { leaf, section } from './leaf.js';
import { defaults, ranges } from './ranges.js';
import { duration, flag, integer, oneOf, rate, remoteAddress, text, url } from './scalars.js';

const ofType = <const T extends string>(type: T) => z.literal(type).meta({ description: `A source of type ${type}.` });

const headerValue = text('a header value', { isSecret: true });

const tagsColumn = (several: string) =>
  leaf(text('a column'), {
    doc: `Column of the row's tags, by which it is deleted with others: a text is one, ${several} are several. No part of the value.`,
    examples: ['tags'],
  }).optional();

/** Where a keyspace loads from. */
export const sourceDefinition = () =>
  z
    .discriminatedUnion('type', [
      section('Rows of a SQLite database.', {
        type: ofType('sqlite'),
        file: leaf(text('a path'), {
          doc: "Database file, relative to the config file's folder.",
          examples: ['cities.db'],
        }),
        query: leaf(text('a query'), {
          doc: 'One SELECT whose only parameter, :key, is the key. No row means not found.',
          examples: ['select json from city where id = :key'],
        }),
        tagsColumn: tagsColumn('a JSON array of texts'),
      }),
      section('Rows of a PostgreSQL database.', {
        type: ofType('postgres'),
        url: leaf(url(['postgres:', 'postgresql:']), {
          doc: 'Connection URL, with the parameters of libpq such as sslmode.',
          examples: ['postgres://user@db.example/app'],
        }),
        query: leaf(text('a query'), {
          doc: 'One SELECT whose only parameter, $1, is the key. No row means not found.',
          examples: ['select doc from users where id = $1'],
        }),
        versionColumn: leaf(text('a column'), {
          doc: "Column of the row's own version, a number or a timestamp that grows with every change: an earlier row then never takes the place of a later one. No part of the value.",
          examples: ['updated_at'],
        }).optional(),
        ttlColumn: leaf(text('a column'), {
          doc: 'Column of how long the row stays good: an interval, or the moment when it ends. No part of the value.',
          examples: ['valid_until'],
        }).optional(),
        tagsColumn: tagsColumn('an array of texts'),
        maxConnections: leaf(integer(ranges.maxConnections), {
          doc: 'Connections at once, for this keyspace on this node.',
          standard: defaults.maxConnections,
        }).optional(),
        statementTimeout: leaf(duration(ranges.timeoutMs), {
          doc: "After which the database ends a statement. Left out: the keyspace's readTimeout.",
          examples: ['2s'],
        }).optional(),
        prepare: leaf(flag, {
          doc: 'Prepares the query once per connection; false for poolers that know no prepared statements.',
          standard: true,
        }).optional(),
      }),
      section('Strings of a Redis server or cluster. What Redis has left of their lives is their time to live here.', {
        type: ofType('redis'),
        url: leaf(url(['redis:', 'rediss:']), {
          doc: 'redis://user:password@host:port/database, or rediss:// for TLS.',
          examples: ['redis://127.0.0.1:6379'],
        }),
        prefix: leaf(text('a prefix'), { doc: 'Put before each key.', examples: ['session:'] }).optional(),
        cluster: leaf(flag, { doc: 'Whether the server belongs to a Redis Cluster.', standard: false }).optional(),
        nodes: z
          .array(leaf(remoteAddress('a Redis node', defaults.redisPort), { doc: 'A node.' }))
          .max(ranges.listLengthMax)
          .meta({
            description: "Further nodes of the cluster to begin with, should the url's be down. Means cluster: true.",
          })
          .optional(),
      }),
      section('Documents of an HTTP server. 404 and 410 mean not found.', {
        type: ofType('http'),
        url: leaf(url(['http:', 'https:'], { mustHave: '{key}' }), {
          doc: 'Address with {key} where the key goes, escaped.',
          examples: ['https://example.org/pages/{key}'],
        }),
        headers: z
          .record(z.string(), leaf(headerValue, { doc: 'Value of this header.' }))
          .meta({ description: 'Sent with every request.' })
          .optional(),
        tagsHeader: leaf(text('a header name'), {
          doc: 'Response header with the tags of a document, apart by commas or spaces, by which it is deleted with others.',
          examples: ['cache-tag', 'surrogate-key'],
        }).optional(),
      }),
      section('Files of a folder; the key is the path below it.', {
        type: ofType('directory'),
        path: leaf(text('a path'), { doc: "Folder, relative to the config file's.", examples: ['./data'] }),
      }),
      section('A module of yours: `export default { fetch(key, { signal }) }`, or a function.', {
        type: ofType('module'),
        path: leaf(text('a path'), {
          doc: "Module, relative to the config file's folder.",
          examples: ['./source.mjs'],
        }),
      }),
      section('Nothing to load from: the keyspace holds only what was put.', { type: ofType('none') }),
    ])
    .meta({ description: 'Where values come from on a miss.' });

const wait = () => leaf(duration(ranges.pauseMs), { doc: 'How long a load waits for its turn.', standard: '0s' });
const burst = () =>
  leaf(integer(ranges.burst), {
    doc: 'Loads that may start at once after a quiet time. Left out: those of one second.',
  });

const breaker = () =>
  section('Stops asking a source that keeps failing.', {
    failures: leaf(integer(ranges.failures), { doc: 'Failures in a row that open the circuit.', examples: [5] }),
    reset: leaf(duration(ranges.timeoutMs), {
      doc: 'How long it stays open before one load tries again.',
      examples: ['10s'],
    }),
  });

/** The section `source`: protection of every keyspace's source. */
export const sourceDefaults = () =>
  section('How sources are protected, for every keyspace that does not say otherwise.', {
    maxConcurrent: leaf(integer(ranges.maxConcurrent), {
      doc: 'Loads in flight at once per keyspace and node.',
      standard: 64,
    }).optional(),
    maxQueued: leaf(integer(ranges.maxQueued), {
      doc: 'Loads that may wait beyond these; more are refused as Overloaded.',
      standard: 10_000,
    }).optional(),
    rateLimit: leaf(rate(ranges.ratePerSecond), { doc: 'Loads per time.', examples: ['500/s'] }).optional(),
    burst: burst().optional(),
    wait: wait().optional(),
    breaker: breaker().optional(),
  });

/** Switches off for one keyspace what is on for all. */
const off = () => z.literal([false, 'none']);

/** How loads of the same moment become one question, where the source takes many keys. */
export const batch = () =>
  section('How loads of the same moment become one question, where the source takes many keys at once.', {
    maxKeys: leaf(integer(ranges.batchKeys), {
      doc: 'Keys of one question; 1 asks for each by itself.',
      standard: defaults.batchKeys,
    }).optional(),
    window: leaf(duration(ranges.batchWindowMs), {
      doc: 'How long the first key waits for others; 0 is to the end of the current turn of the event loop.',
      standard: '0s',
    }).optional(),
  });

/** The keys `rateLimit` and `breaker` of a keyspace. */
export const ownProtection = () => ({
  rateLimit: z
    .union(
      [
        off(),
        section('Loads per time.', {
          rate: leaf(rate(ranges.ratePerSecond), { doc: 'Loads per time.', examples: ['100/s'] }),
          burst: burst().optional(),
          wait: wait().optional(),
        }),
      ],
      { error: 'false, none, or a map with rate, burst and wait' },
    )
    .meta({
      description: 'How often the source is asked; false or none for no limit. Left out: as the section source says.',
    })
    .optional(),
  breaker: z
    .union([off(), breaker()], { error: 'false, none, or a map with failures and reset' })
    .meta({
      description: 'When the source is left alone; false or none for never. Left out: as the section source says.',
    })
    .optional(),
});

/** Here because only words of sources use it. */
export const eviction = (policies: readonly string[]) =>
  leaf(oneOf(policies), { doc: 'Which entries go first when the budget is used up.', standard: policies[0] });
