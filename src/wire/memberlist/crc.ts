import { crc32 } from 'node:zlib';
import { GossipFault } from './fault.js';
import { messageType } from './structs.js';

/** The type byte and the checksum. */
export const crcHeaderBytes = 5;

/** Puts a checksum (CRC-32 of IEEE 802.3, big-endian) before the bytes of a packet. */
export function addCrc(bytes: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafeSlow(crcHeaderBytes + bytes.length);
  out[0] = messageType.crc;
  out.writeUInt32BE(crc32(bytes), 1);
  out.set(bytes, crcHeaderBytes);
  return out;
}

/** The bytes behind a checksum that fits them; bytes that begin with none are given back as they are. */
export function takeCrc(bytes: Uint8Array): Uint8Array {
  // Shorter ones are no checksum, and nothing else either: type 12 is refused where messages are told apart.
  if (bytes[0] !== messageType.crc || bytes.length < crcHeaderBytes) return bytes;
  const content = bytes.subarray(crcHeaderBytes);
  const claimed = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  if (crc32(content) !== claimed)
    throw new GossipFault('crcMismatch', `the checksum of ${content.length} bytes is off`);
  return content;
}
