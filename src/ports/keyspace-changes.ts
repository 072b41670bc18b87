import type { Duration, Size } from '../base/units.js';
import type { KeyspaceSettings } from './keyspace-record.js';

/** What is to be different about a keyspace, on every node. What is left out stays; null is none, as if no file said it. */
export interface KeyspaceChanges {
  readonly maxBytes?: Size | undefined;
  readonly defaultTtl?: Duration | null | undefined;
  readonly ttlJitter?: number | null | undefined;
  readonly negativeTtl?: Duration | null | undefined;
  readonly staleWhileRevalidate?: Duration | null | undefined;
  readonly staleIfError?: Duration | null | undefined;
  readonly hotShare?: number | null | undefined;
  readonly readTimeout?: Duration | null | undefined;
  readonly writeTimeout?: Duration | null | undefined;
  /** null: no limit, whatever the nodes' default is. `rate` in loads per second, or as `100/s`. */
  readonly rateLimit?:
    | {
        readonly rate?: number | string | null | undefined;
        readonly burst?: number | null | undefined;
        readonly wait?: Duration | null | undefined;
      }
    | null
    | undefined;
  /** null: no breaker, whatever the nodes' default is. */
  readonly breaker?:
    | { readonly failures?: number | null | undefined; readonly reset?: Duration | undefined }
    | null
    | undefined;
  /** Keys that are loaded ahead of need. */
  readonly warmKeys?: readonly string[] | null | undefined;
}

/** What a change would come to on the node that was asked. */
export interface KeyspacePreview {
  readonly keyspace: string;
  readonly before: KeyspaceSettings;
  readonly after: KeyspaceSettings;
}
