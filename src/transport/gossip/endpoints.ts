import type { Socket } from 'node:net';
import { joinAddress } from '../../base/addresses.js';
import { bytesOfIp, ipOfBytes } from '../../base/ip.js';
import type { Endpoint } from '../../membership/swim/effects.js';

/**
 * Where something came from, as members know it. A socket for both versions of IP tells an IPv4 in its mapped form, which
 * to every memberlist is another address than the plain one.
 */
export function endpointOf(ip: string, port: number): Endpoint | undefined {
  const raw = bytesOfIp(ip);
  const plain = raw === undefined ? undefined : ipOfBytes(raw);
  const addr = plain === undefined ? undefined : bytesOfIp(plain);
  return addr === undefined ? undefined : { addr, port };
}

export const isUnspecified = (ip: string): boolean => bytesOfIp(ip)?.every((byte) => byte === 0) === true;

/** What a socket can be told to reach; undefined for bytes that are no address, and for port 0. */
export function dialable({ addr, port }: Endpoint): { readonly ip: string; readonly port: number } | undefined {
  const ip = ipOfBytes(addr);
  return ip === undefined || !Number.isInteger(port) || port < 1 || port > 65_535 ? undefined : { ip, port };
}

/** For people, of any endpoint that members claim. */
export const textOf = ({ addr, port }: Endpoint): string =>
  joinAddress(ipOfBytes(addr) ?? `an address of ${addr.length} bytes`, port);

/** `host:port` of the other side of a connection, for people. */
export const remoteOf = (socket: Socket): string =>
  joinAddress((socket.remoteAddress ?? 'a closed connection').replace(/^::ffff:(?=\d+\.)/, ''), socket.remotePort ?? 0);
