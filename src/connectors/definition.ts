import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';

/** One SELECT whose only parameter is the key: `:key`, `$key`, `@key` or `?`. */
export interface SqliteDefinition {
  readonly type: 'sqlite';
  /** Relative to the config file's folder. */
  readonly file: string;
  readonly query: string;
  /** Column of the row's tags: a text is one, a JSON array of texts are several. No part of the value. */
  readonly tagsColumn?: string | undefined;
}

/** One SELECT whose only parameter, $1, is the key. */
export interface PostgresDefinition {
  readonly type: 'postgres';
  /** postgres://user:password@host:port/database, with the parameters that libpq knows. */
  readonly url: string;
  readonly query: string;
  /** Column of the row's own version, which grows with every change: a number or a timestamp. No part of the value. */
  readonly versionColumn?: string | undefined;
  /** Column of how long the row stays good: an interval, or the moment when it ends. No part of the value. */
  readonly ttlColumn?: string | undefined;
  /** Column of the row's tags: a text is one, an array of texts are several. No part of the value. */
  readonly tagsColumn?: string | undefined;
  /** At once, for this keyspace on this node. Default 10. */
  readonly maxConnections?: number | undefined;
  /** After which the server itself ends a statement. Default: the keyspace's read time-out. */
  readonly statementTimeoutMs?: number | undefined;
  /** Prepares the query once per connection. Default true; false for poolers that know no prepared statements. */
  readonly prepare?: boolean | undefined;
}

export interface RedisDefinition {
  readonly type: 'redis';
  /** redis://user:password@host:port/database, or rediss:// for TLS. */
  readonly url: string;
  /** Whether the server belongs to a Redis Cluster. */
  readonly cluster?: boolean | undefined;
  /** `host:port` of further nodes of the cluster to begin with, in case the one of `url` is down. Means `cluster`. */
  readonly nodes?: readonly string[] | undefined;
  /** Put before each key. */
  readonly prefix?: string | undefined;
}

export interface HttpDefinition {
  readonly type: 'http';
  /** With `{key}` at least once, in the path or the query string. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Response header that names the document's tags, apart by commas or spaces. */
  readonly tagsHeader?: string | undefined;
}

export interface DirectoryDefinition {
  readonly type: 'directory';
  /** Relative to the config file's folder. */
  readonly path: string;
}

export interface ModuleDefinition {
  readonly type: 'module';
  /** An ECMAScript or CommonJS module, relative to the config file's folder. */
  readonly path: string;
}

/** Nothing to load from: the keyspace holds only what was put. */
export interface NoneDefinition {
  readonly type: 'none';
}

export type SourceDefinition =
  | SqliteDefinition
  | PostgresDefinition
  | RedisDefinition
  | HttpDefinition
  | DirectoryDefinition
  | ModuleDefinition
  | NoneDefinition;

export const sourceTypes = [
  'sqlite',
  'postgres',
  'redis',
  'http',
  'directory',
  'module',
  'none',
] as const satisfies readonly SourceDefinition['type'][];

/** What a connector learns of its surroundings. */
export interface SourceContext {
  readonly keyspace: string;
  /** Absolute folder that relative paths of the definition start from: the config file's. */
  readonly baseDir: string;
  /** `limits.maxValueBytes`: larger values are refused, as early as the connector can tell. */
  readonly maxValueBytes: number;
  /** True when the keyspace has no `defaultTtl` of its own, so that HTTP's caching headers set the time to live. */
  readonly honourCacheHeaders: boolean;
  /** How long a load may take: what a connector waits for by itself, such as a connection, takes no longer. */
  readonly readTimeoutMs: number;
  readonly clock: Pick<Clock, 'wallMs' | 'after'>;
  readonly log: Log;
}
