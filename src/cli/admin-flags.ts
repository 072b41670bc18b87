import { Flags } from '@oclif/core';
import { type AdminTarget, adminTargetOf } from '../client/admin-target.js';
import { type Connection, type ConnectionFlagValues, connectionFlags, connectionOf } from './connection-flags.js';

const defaultAdmin = 'http://127.0.0.1:3321';

const { addr: _addr, ...shared } = connectionFlags;

/** Flags of every command that asks admin servers; a flag beats its environment variable. */
export const adminFlags = {
  admin: Flags.string({
    description: `Admin server of a node; it knows those of the others. [default: ${defaultAdmin}]`,
    helpValue: 'http://HOST:PORT',
    env: 'DISTCACHE_ADMIN',
    helpGroup: 'CONNECTION',
  }),
  ...shared,
};

export interface AdminFlagValues extends Omit<ConnectionFlagValues, 'addr'> {
  readonly admin?: string | undefined;
}

/** Where to ask, and what of the connection's options holds there too. */
export interface AdminConnection extends Omit<Connection, 'addresses'> {
  readonly target: AdminTarget;
}

export async function adminConnectionOf({ admin, ...flags }: AdminFlagValues): Promise<AdminConnection> {
  const { addresses: _addresses, ...connection } = await connectionOf(flags);
  return { ...connection, target: adminTargetOf(admin ?? defaultAdmin) };
}
