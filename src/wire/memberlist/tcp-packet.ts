import { createHash } from 'node:crypto';
import { isAddress } from '../../base/addresses.js';
import { assert } from '../../base/assert.js';
import { type Drop, dropOf, GossipFault } from './fault.js';
import { Gathered } from './gathered.js';

/*
 * distcache-go's transport without datagrams. Every connection begins with a byte for its kind. A stream is a stream of
 * memberlist from there on. A packet is `01 | length:1 | address of the sender, as text | packet | MD5 of the packet:16`,
 * sent whole, and then the connection closes. The checksum is of what is sent, label and encryption included; one that
 * doesn't fit is to be reported, and the packet used all the same, as the Go side does.
 */

/** The first byte of a stream, before its label. The listener's answer has none. */
export const streamByte = 2;
const packetByte = 1;
const md5Bytes = 16;
const addressBytesMax = 255;
const headBytes = 2;

/** What a connection is for, by its first byte; undefined for one to be closed. */
export function connectionKind(first: number): 'packet' | 'stream' | undefined {
  if (first === packetByte) return 'packet';
  return first === streamByte ? 'stream' : undefined;
}

export interface TcpPacket {
  /** `host:port` to answer to, or '' where the sender wrote something else. */
  readonly from: string;
  /** A view into what arrived. */
  readonly packet: Uint8Array;
  /** False when the checksum does not fit; the packet is used even so. */
  readonly intact: boolean;
}

/**
 * All bytes of a connection that carries one packet.
 * @param from `host:port` where this node's answers are awaited, IPv6 in brackets
 */
export function encodeTcpPacket(from: string, packet: Uint8Array): Uint8Array {
  const address = Buffer.from(from, 'latin1');
  assert(address.length <= addressBytesMax, `the address of a sender has at most ${addressBytesMax} bytes`);
  return Buffer.concat([Uint8Array.of(packetByte, address.length), address, packet, md5Of(packet)]);
}

/** Gathers the bytes of a connection whose kind is `packet`, that first byte included, until it ends. */
export class TcpPacketReader {
  readonly #arrived = new Gathered();
  readonly #bytesMax: number;
  #refused: Drop | undefined;

  /** @param packetBytesMax longer packets are `tooLarge` */
  constructor(packetBytesMax: number) {
    this.#bytesMax = headBytes + addressBytesMax + packetBytesMax + md5Bytes;
  }

  /** A drop means: close the connection, nothing will come of it. */
  push(piece: Uint8Array): Drop | undefined {
    if (this.#refused !== undefined) return this.#refused;
    if (this.#arrived.length + piece.length > this.#bytesMax) {
      this.#arrived.clear();
      this.#refused = { reason: 'tooLarge', detail: `a packet of more than ${this.#bytesMax} bytes with its frame` };
      return this.#refused;
    }
    this.#arrived.add(piece);
    return undefined;
  }

  /** The connection ended. */
  end(): TcpPacket | Drop {
    if (this.#refused !== undefined) return this.#refused;
    try {
      return decodeTcpPacket(this.#arrived.view());
    } catch (error) {
      return dropOf(error);
    }
  }
}

/** @param bytes all that a connection brought */
export function decodeTcpPacket(bytes: Uint8Array): TcpPacket {
  const [kind, addressLength] = bytes;
  if (kind === undefined) throw new GossipFault('empty', 'a connection without a byte');
  if (kind !== packetByte) throw new GossipFault('unsupportedType', `a connection of kind ${kind}, no packet`);
  if (addressLength === undefined) throw new GossipFault('truncated', 'the connection ended before the address');
  const start = headBytes + addressLength;
  const end = bytes.length - md5Bytes;
  if (end < start) throw new GossipFault('truncated', 'the connection ended before the checksum of its packet');
  const address = Buffer.from(bytes.subarray(headBytes, start)).toString('latin1');
  const packet = bytes.subarray(start, end);
  const intact = Buffer.compare(md5Of(packet), bytes.subarray(end)) === 0;
  return { from: isAddress(address) ? address : '', packet, intact };
}

const md5Of = (packet: Uint8Array): Uint8Array => createHash('md5').update(packet).digest();
