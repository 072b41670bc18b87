import type { AdminClient } from '../../src/client/admin.js';

/** What the dashboard asks of admin servers. */
export type AdminApi = Pick<
  AdminClient,
  | 'node'
  | 'peers'
  | 'keyspaces'
  | 'hotKeys'
  | 'breakers'
  | 'events'
  | 'deleteKey'
  | 'clearKeyspace'
  | 'resetBreaker'
  | 'drain'
>;
