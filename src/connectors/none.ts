import type { DataSource } from '../ports/data-source.js';

/** The source of a cache-aside keyspace: there is never anything to load. */
export const createNone = (): DataSource => ({ fetch: () => null });
