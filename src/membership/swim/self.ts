import { invalidArgument } from '../../base/errors.js';
import type { NodeName, U32, Vsn } from '../messages.js';
import type { SwimConfig } from './config.js';
import type { Endpoint } from './effects.js';

export interface SwimSelf extends Endpoint {
  readonly name: NodeName;
  /** At least 1, and above that of any earlier life: seconds since 1970 do, so that a mass restart is believed at once. */
  readonly incarnation: U32;
  readonly meta: Uint8Array;
  readonly vsn: Vsn;
}

/** What memberlist speaks today, without versions of an application. */
export const plainVsn: Vsn = [1, 5, 2, 0, 0, 0];

/** Throws INVALID_ARGUMENT for what no member could believe. */
export function checkSelf({ name, incarnation, addr, port, meta }: SwimSelf, config: SwimConfig): void {
  if (name === '') throw invalidArgument("the node's gossip name is empty; give each node a name of its own");
  if (!Number.isInteger(incarnation) || incarnation < 1 || incarnation > 0xffff_ffff) {
    throw invalidArgument(`the gossip incarnation is ${incarnation}; it must be a whole number from 1 to 4294967295`);
  }
  if (addr.length !== 4 && addr.length !== 16) {
    throw invalidArgument(`the advertised gossip address has ${addr.length} bytes; an IP address has 4 or 16`);
  }
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw invalidArgument(`the advertised gossip port is ${port}; it must be a whole number from 1 to 65535`);
  }
  checkMeta(meta, config);
}

/** Throws INVALID_ARGUMENT for metadata that others would refuse. */
export function checkMeta(meta: Uint8Array, config: SwimConfig): void {
  if (meta.length <= config.metaBytesMax) return;
  throw invalidArgument(
    `the node's gossip metadata has ${meta.length} bytes; other members accept ${config.metaBytesMax}: shorten its names`,
  );
}
