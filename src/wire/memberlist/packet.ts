import type { PacketMessage } from '../../membership/messages.js';
import { joinParts, splitCompound } from './compound.js';
import { compress, inflate } from './compress.js';
import { addCrc, takeCrc } from './crc.js';
import { type Drop, dropOf, GossipFault } from './fault.js';
import type { KeyRing } from './key-ring.js';
import { type LabelPolicy, labelHeader, labelOverheadBytes, passLabel } from './label.js';
import { packetFaultsMax, packetMessagesMax, wrapperDepthMax } from './limits.js';
import { decodePacketMessage } from './messages.js';
import { PackReader } from './msgpack.js';
import { openPacket, type SealVersion, sealOverheadBytes, sealPacket } from './seal.js';
import { messageType } from './structs.js';

/*
 * A packet from the outside in: label, encryption, checksum, then compounds and compressions within each other, then
 * messages. Sent in the opposite order, with one compound around several messages and one compression around that.
 *
 * A fault in one part costs that part. The rest of the packet is still read, as every Go peer does: an ack may travel
 * beside a message of a later protocol. Work and memory stay within the packet's length and `inflatedBytesMax`, however
 * the wrappers are nested; a packet that is one long fault is given up on, for each fault costs more than a message.
 */

export interface EncryptionPolicy {
  /** Undefined when the cluster does not encrypt. */
  readonly keys: KeyRing | undefined;
  /** 1, but for a node configured for protocol 1. */
  readonly sealVersion: SealVersion;
  /** Drop what is not encrypted under one of the keys. Off only while encryption is being introduced. */
  readonly verifyIncoming: boolean;
  /** Encrypt what is sent. Off only while encryption is being introduced. */
  readonly verifyOutgoing: boolean;
  /** 12 fresh bytes from the machine's source of chance. */
  readonly nonce: () => Uint8Array;
}

export interface PacketPolicy extends LabelPolicy, EncryptionPolicy {
  /** Compress what is sent when that makes it shorter. What arrives is always inflated. */
  readonly compress: boolean;
  /** What all compressed parts of one packet may inflate to together. */
  readonly inflatedBytesMax: number;
}

export interface ReadPacket {
  /** In the order of the packet; all of them copies. */
  readonly messages: readonly PacketMessage[];
  /** What was not understood, one for each part. No messages and no drops: an empty compound. */
  readonly drops: readonly Drop[];
}

export class PacketCodec {
  readonly #policy: PacketPolicy;

  constructor(policy: PacketPolicy) {
    this.#policy = policy;
  }

  /**
   * The most that label and encryption add to a packet; the sender's budget loses these, 2 for a compound and 2 for each
   * of its parts. As in memberlist neither the 5 bytes of a checksum count nor the 2 of the first part.
   */
  get overheadBytes(): number {
    const { label, keys, sealVersion } = this.#policy;
    return labelOverheadBytes(label) + (keys === undefined ? 0 : sealOverheadBytes(sealVersion));
  }

  /**
   * Packets with these encoded messages, in order: one, unless there are more than 255 of them or one is longer than
   * a compound can hold.
   * @param crc the peer is known to understand checksums: its PMax is 5 or more
   */
  write(messages: readonly Uint8Array[], crc: boolean): readonly Uint8Array[] {
    return joinParts(messages).map((body) => this.#wrap(body, crc));
  }

  /** Takes any bytes, and never throws. */
  read(packet: Uint8Array): ReadPacket {
    const unpacking = new Unpacking(this.#policy.inflatedBytesMax);
    try {
      unpacking.unpack(takeCrc(this.#open(packet)), 0);
    } catch (error) {
      unpacking.drops.push(dropOf(error));
    }
    return unpacking;
  }

  #wrap(body: Uint8Array, crc: boolean): Uint8Array {
    const { label, keys, sealVersion, verifyOutgoing, nonce } = this.#policy;
    let bytes = body;
    if (this.#policy.compress) {
      const smaller = compress(body);
      if (smaller.length < body.length) bytes = smaller;
    }
    if (crc) bytes = addCrc(bytes);
    if (keys !== undefined && verifyOutgoing) {
      bytes = sealPacket(keys, bytes, { version: sealVersion, label, nonce: nonce() });
    }
    return label.length === 0 ? bytes : Buffer.concat([labelHeader(label), bytes]);
  }

  #open(packet: Uint8Array): Uint8Array {
    const { label, keys, verifyIncoming } = this.#policy;
    if (packet.length === 0) throw new GossipFault('empty', 'a packet of no bytes');
    const body = packet.subarray(passPacketLabel(packet, this.#policy));
    if (keys === undefined) return body;
    try {
      return openPacket(keys, body, label);
    } catch (error) {
      dropOf(error);
      if (verifyIncoming) throw error;
      return body;
    }
  }
}

function passPacketLabel(packet: Uint8Array, policy: LabelPolicy): number {
  try {
    return passLabel(packet, policy);
  } catch (error) {
    if (dropOf(error).reason !== 'truncated') throw error;
    throw new GossipFault('labelMalformed', 'the packet ends within its label');
  }
}

/** One packet's way through its wrappers. */
class Unpacking implements ReadPacket {
  readonly messages: PacketMessage[] = [];
  readonly drops: Drop[] = [];
  #inflatableBytes: number;
  #full = false;

  constructor(inflatedBytesMax: number) {
    this.#inflatableBytes = inflatedBytesMax;
  }

  /** Throws what is wrong with this very part; the parts within it are judged one by one. */
  unpack(bytes: Uint8Array, depth: number): void {
    if (depth > wrapperDepthMax)
      throw new GossipFault('tooDeep', `more than ${wrapperDepthMax} wrappers in each other`);
    switch (bytes[0]) {
      case messageType.compound:
        this.#unpackCompound(bytes, depth);
        break;
      case messageType.compress:
        this.unpack(this.#inflate(bytes), depth + 1);
        break;
      default:
        this.messages.push(decodePacketMessage(bytes));
    }
  }

  #unpackCompound(bytes: Uint8Array, depth: number): void {
    const { parts, drop } = splitCompound(bytes);
    for (const part of parts) {
      if (this.#isFull()) return;
      try {
        this.unpack(part, depth + 1);
      } catch (error) {
        this.drops.push(dropOf(error));
      }
    }
    if (drop !== undefined && !this.#full) this.drops.push(drop);
  }

  /** True from the first part on that is one too many; that and what follows is not looked at. */
  #isFull(): boolean {
    if (this.#full) return true;
    if (this.messages.length < packetMessagesMax && this.drops.length < packetFaultsMax) return false;
    this.#full = true;
    this.drops.push({
      reason: 'tooMany',
      detail: `a packet of over ${this.messages.length} messages and ${this.drops.length} faults`,
    });
    return true;
  }

  #inflate(bytes: Uint8Array): Uint8Array {
    const bytesMax = this.#inflatableBytes;
    // A part that fails has cost work too, perhaps all that was allowed; after it nothing more is inflated.
    this.#inflatableBytes = 0;
    const inflated = inflate(new PackReader(bytes, 1), bytesMax);
    this.#inflatableBytes = bytesMax - inflated.length;
    return inflated;
  }
}
