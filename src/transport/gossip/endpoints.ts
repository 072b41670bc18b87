import type { Socket } from 'node:net';
import { joinAddress } from '../../base/addresses.js';
import { bytesOfIp, ipOfBytes } from '../../base/ip.js';
import type { Endpoint } from '../../membership/swim/effects.js';

export const isUnspecified = (ip: string): boolean => bytesOfIp(ip)?.every((byte) => byte === 0) === true;

/** What a socket can be told to reach; undefined for bytes that are no address, and for port 0. */
export function dialable({ addr, port }: Endpoint): { readonly ip: string; readonly port: number } | undefined {
  const ip = ipOfBytes(addr);
  return ip === undefined || !Number.isInteger(port) || port < 1 || port > 65_535 ? undefined : { ip, port };
}

/** `host:port` of the other side of a connection, for people. */
export const remoteOf = (socket: Socket): string =>
  joinAddress((socket.remoteAddress ?? 'a closed connection').replace(/^::ffff:(?=\d+\.)/, ''), socket.remotePort ?? 0);
