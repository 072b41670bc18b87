import { hostname, networkInterfaces, totalmem } from 'node:os';
import { invalidArgument } from '../base/errors.js';

/** Facts of the machine this node runs on. */

export const totalMemoryBytes = (): number => totalmem();

/** The host's name without its domain, as the first part of a node's default name. */
export const shortHostname = (): string => hostname().split('.')[0] || 'node';

/**
 * The address to listen on: the given one, the named interface's first, or the loopback. Throws INVALID_ARGUMENT when
 * there is no such interface, or it does not have the address given beside it.
 */
export function bindAddress(given: {
  readonly addr?: string | undefined;
  readonly interface?: string | undefined;
}): string {
  if (given.interface === undefined) return given.addr ?? '127.0.0.1';
  const all = networkInterfaces();
  // Looked up among its own names, since `constructor` is one that every object has.
  const entries = Object.hasOwn(all, given.interface) ? (all[given.interface] ?? []) : [];
  const addresses = entries.map((entry) => entry.address);
  const [first] = addresses;
  if (first === undefined) {
    throw invalidArgument(`bind.interface is '${given.interface}'; this machine has: ${Object.keys(all).join(', ')}`);
  }
  if (given.addr !== undefined && !addresses.includes(given.addr)) {
    throw invalidArgument(
      `bind.interface '${given.interface}' has no address ${given.addr}; it has: ${addresses.join(', ')}`,
    );
  }
  return given.addr ?? first;
}

/** The address others can dial when this node listens on `host`: its own, or for a wildcard the first that leaves the machine. */
export function advertisedAddress(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  const family = host === '::' ? 'IPv6' : 'IPv4';
  const outward = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter((entry) => !entry.internal && !entry.address.startsWith('fe80:'));
  const chosen = outward.find((entry) => entry.family === family) ?? outward[0];
  return chosen?.address ?? (host === '::' ? '::1' : '127.0.0.1');
}

/** `24.21.0`. */
export const nodeVersion = (): string => process.versions.node;

/** Of the machine, or of the container that this process runs in where that has less. */
export function availableMemoryBytes(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

/**
 * Files that this process may have open, and another of Node that is started as it was: Node raises its own limit to the
 * hard one. Infinity: any number; undefined where the system has no such limit.
 */
export function openFilesMax(): number | undefined {
  // Otherwise it would look up the names of whom it is connected to.
  const report = Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } };
  const soft = userLimits?.open_files?.soft;
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
