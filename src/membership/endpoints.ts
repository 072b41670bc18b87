import { joinAddress } from '../base/addresses.js';
import { bytesOfIp, ipOfBytes } from '../base/ip.js';
import type { Endpoint } from './swim/effects.js';

/**
 * The endpoint of an IP as text; undefined for anything else. An IPv4 is always taken in its short form, also where a
 * socket for both versions of IP tells it mapped: to every memberlist the two forms are two members.
 */
export function endpointOf(ip: string, port: number): Endpoint | undefined {
  const raw = bytesOfIp(ip);
  const plain = raw === undefined ? undefined : ipOfBytes(raw);
  const addr = plain === undefined ? undefined : bytesOfIp(plain);
  return addr === undefined ? undefined : { addr, port };
}

/** `ip:port` for people, of any endpoint that members claim. */
export const addressOf = ({ addr, port }: Endpoint): string =>
  joinAddress(ipOfBytes(addr) ?? `an address of ${addr.length} bytes`, port);
