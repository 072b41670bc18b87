import { invalidArgument } from '../../base/errors.js';
import { bytesOfIp } from '../../base/ip.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { KeyRing } from '../../wire/memberlist/key-ring.js';
import { labelBytesMax } from '../../wire/memberlist/limits.js';
import type { GossipTls } from './stream-tls.js';

export interface GossipTransportOptions {
  /** An IP literal, perhaps a wildcard; `::` hears IPv4 as well, where the machine lets it. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Packets as datagrams, as memberlist; or each on a short TCP connection, as distcache-go. Streams are TCP in both. */
  readonly kind: 'udp' | 'tcp';
  /** Keeps clusters apart; at most 255 bytes as UTF-8, '' for none. */
  readonly label: string;
  /** Undefined: in the clear. What changes in the ring counts from the next packet or stream on. */
  readonly keys: KeyRing | undefined;
  /** Below streams, of kind 'udp' alone. undefined: they go as they are. */
  readonly tls?: GossipTls | undefined;
  /** 12 bytes for each packet or stream sealed, never the same twice. */
  readonly nonce: () => Uint8Array;
  readonly clock: Clock;
  readonly log: Log;
  /** Compress what is sent. What arrives is always inflated. Off by default. */
  readonly compress?: boolean;
  /** Off only while encryption is being introduced: then what cannot be decrypted is read as it is. */
  readonly verifyIncoming?: boolean;
  /** Off only while encryption is being introduced: then what is sent is in the clear. */
  readonly verifyOutgoing?: boolean;
  readonly limits?: Partial<GossipLimits>;
}

export interface GossipLimits {
  /** For a stream that comes in to be whole, then for its answer to be read. */
  readonly streamTimeoutMs: number;
  /** Streams that come in, open at a time; more are closed at once. memberlist: 128. */
  readonly streamsInMax: number;
  /** Streams begun by this node and open at a time; more fail at once. */
  readonly streamsOutMax: number;
  /** What streams and packets over TCP that come in may hold together; who exceeds it is closed. */
  readonly heldBytesMax: number;
  /** Packets handed to the machine and not yet taken by it; more are dropped and counted. Of 'tcp': connections. */
  readonly sendsMax: number;
  /** With 'tcp': of these, to one target. */
  readonly sendsPerTargetMax: number;
  /** With 'tcp': for one packet to be connected and written, or to be read. distcache-go: 5 s. */
  readonly packetTimeoutMs: number;
  /** With 'tcp': packets coming in, open at a time; more are closed at once. */
  readonly packetsInMax: number;
  /** With 'tcp': how long `close` lets packets go out that were sent before. */
  readonly lingerMs: number;
}

const mebibyte = 1024 * 1024;

const standard = {
  streamTimeoutMs: 10_000,
  streamsInMax: 128,
  streamsOutMax: 256,
  heldBytesMax: 64 * mebibyte,
  sendsPerTargetMax: 16,
  packetTimeoutMs: 5000,
  packetsInMax: 256,
  lingerMs: 500,
} as const satisfies Partial<GossipLimits>;

/** A datagram waits for nothing but room in the machine; a connection costs a descriptor and a round trip. */
const sendsMax = { udp: 4096, tcp: 256 } as const;

/** Throws INVALID_ARGUMENT. */
export function gossipLimits({ kind, limits }: Pick<GossipTransportOptions, 'kind' | 'limits'>): GossipLimits {
  const all: GossipLimits = { ...standard, sendsMax: sendsMax[kind], ...limits };
  for (const [name, value] of Object.entries(all)) {
    if (Number.isInteger(value) && value >= (name === 'lingerMs' ? 0 : 1)) continue;
    throw invalidArgument(`gossip limit ${name} is ${value}; give a whole number above 0`);
  }
  return all;
}

/** Throws INVALID_ARGUMENT. */
export function checkGossipOptions({ host, port, label, kind, tls }: GossipTransportOptions): void {
  if (tls !== undefined && kind === 'tcp') throw invalidArgument('gossip over tcp has no TLS; take udp');
  if (bytesOfIp(host) === undefined) {
    throw invalidArgument(`the gossip host is ${JSON.stringify(host)}; give an IP address, such as 0.0.0.0`);
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw invalidArgument(`the gossip port is ${port}; give a whole number from 0 to 65535`);
  }
  const labelBytes = Buffer.byteLength(label);
  if (labelBytes > labelBytesMax) {
    throw invalidArgument(`the gossip label has ${labelBytes} bytes; it may have ${labelBytesMax}: shorten it`);
  }
}
