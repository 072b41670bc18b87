import type { Clock } from '../ports/clock.js';

/** One SELECT whose only parameter is the key: `:key`, `$key`, `@key` or `?`. */
export interface SqliteDefinition {
  readonly type: 'sqlite';
  /** Relative to the config file's folder. */
  readonly file: string;
  readonly query: string;
}

export interface HttpDefinition {
  readonly type: 'http';
  /** With `{key}` at least once, in the path or the query string. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
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
  | HttpDefinition
  | DirectoryDefinition
  | ModuleDefinition
  | NoneDefinition;

export const sourceTypes = [
  'sqlite',
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
  readonly clock: Pick<Clock, 'wallMs'>;
}
