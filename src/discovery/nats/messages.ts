import { joinAddress, splitAddress } from '../../base/addresses.js';
import { bytesOfIp, ipOfBytes } from '../../base/ip.js';

/**
 * What nodes say to each other over NATS, as JSON of a few fields: `who` asks all on the subject to tell their address to
 * the reply inbox, `here` tells it (as an answer, or to all by a node that comes), `gone` takes it back. A field that a
 * release does not know is passed over; what another version means differently has another number and is ignored.
 */
export type NatsMessage =
  | { readonly is: 'who' }
  | { readonly is: 'here'; readonly name: string; readonly gossip: string }
  | { readonly is: 'gone'; readonly name: string; readonly gossip: string };

/** Larger messages are none of ours, and are not even parsed. Leaves room for fields to come. */
export const messageBytesMax = 2048;
export const nameBytesMax = 512;
const version = 1;

export const encodeMessage = (message: NatsMessage): Uint8Array =>
  Buffer.from(JSON.stringify({ distcache: version, ...message }), 'utf8');

/** Undefined for anything that is no message of this version. Never throws. */
export function decodeMessage(payload: Uint8Array): NatsMessage | undefined {
  if (payload.length > messageBytesMax) return undefined;
  const fields = objectOf(payload);
  if (fields === undefined || fields.distcache !== version) return undefined;
  if (fields.is === 'who') return { is: 'who' };
  if (fields.is !== 'here' && fields.is !== 'gone') return undefined;
  const { is, name } = fields;
  const gossip = typeof fields.gossip === 'string' ? gossipAddress(fields.gossip) : undefined;
  if (gossip === undefined || typeof name !== 'string' || name === '') return undefined;
  return Buffer.byteLength(name) > nameBytesMax ? undefined : { is, name, gossip };
}

function objectOf(payload: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * `ip:port` in one spelling, so that one address is not taken for two. Undefined for host names, for addresses that
 * nobody can dial from elsewhere (unspecified, or with a zone), and for what is no address at all.
 */
export function gossipAddress(text: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([\d.]+)):(\d{1,5})$/i.exec(text);
  if (match === null) return undefined;
  const { host, port } = splitAddress(text);
  if (port < 1 || port > 65_535) return undefined;
  const bytes = bytesOfIp(host);
  // Brackets hold an IPv6 address and nothing else.
  if (bytes === undefined || bytes.every((byte) => byte === 0) || (match[1] !== undefined) !== host.includes(':')) {
    return undefined;
  }
  return joinAddress(ipOfBytes(bytes)!, port);
}
