/** `host:port` as text, with IPv6 hosts in brackets. */

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a node gossips unless told otherwise. */
export const defaultGossipPort = 3322;

/** '' has no host and port 0. Assumes a text that `isAddress` accepts. */
export function splitAddress(address: string): Address {
  const at = address.lastIndexOf(':');
  if (at < 0) return { host: address, port: 0 };
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
}

export const joinAddress = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** True of `host:port` and `[v6]:port` with a port from 1 to 65535. */
export function isAddress(text: string): boolean {
  const match = /^(?:\[[0-9a-f:.%a-z]+\]|[^\s:[\]/]+):(\d{1,5})$/i.exec(text);
  if (match === null) return false;
  const port = Number(match[1]);
  return port >= 1 && port <= 65_535;
}
