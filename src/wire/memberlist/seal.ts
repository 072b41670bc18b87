import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { assert } from '../../base/assert.js';
import { GossipFault } from './fault.js';
import type { KeyRing } from './key-ring.js';
import { sealedStreamBytesMax } from './limits.js';
import { messageType } from './structs.js';

/*
 * Encryption of packets and streams: AES-GCM as `version:1 | nonce:12 | ciphertext | tag:16`. Version 0, which only
 * nodes of protocol 1 send, pads the plaintext to blocks of 16 bytes; version 1 doesn't. The version byte itself is not
 * authenticated: who flips it between 0 and 1 gets the padding added to or taken off the plaintext, no more.
 * A nonce must never be used twice under one key, so it is handed in, fresh from the machine's source of chance.
 */

export type SealVersion = 0 | 1;

export const nonceBytes = 12;
const tagBytes = 16;
const blockBytes = 16;
const versionBytes = 1;
const plainStart = versionBytes + nonceBytes;
/** The type byte and the length before a sealed stream. */
export const streamFrameBytes = 5;

/** The most that sealing adds to a packet of any length: 29 bytes, or 45 with padding. */
export const sealOverheadBytes = (version: SealVersion): number =>
  plainStart + tagBytes + (version === 0 ? blockBytes : 0);

const sealedLength = (version: SealVersion, plainLength: number): number =>
  plainStart + tagBytes + plainLength + (version === 0 ? blockBytes - (plainLength % blockBytes) : 0);

export interface Sealing {
  readonly version: SealVersion;
  /** The label of the cluster; it is authenticated along with the content. */
  readonly label: Uint8Array;
  /** 12 bytes that were never used before under this key. */
  readonly nonce: Uint8Array;
}

/** The body of an encrypted packet. */
export const sealPacket = (ring: KeyRing, plain: Uint8Array, sealing: Sealing): Uint8Array =>
  seal(ring.primary, plain, sealing, sealing.label);

/** The one frame that each side of an encrypted stream sends. `tooLarge` beyond what any peer reads. */
export function sealStream(ring: KeyRing, plain: Uint8Array, sealing: Sealing): Uint8Array {
  const length = sealedLength(sealing.version, plain.length);
  if (length > sealedStreamBytesMax) {
    throw new GossipFault('tooLarge', `a message of ${plain.length} bytes; peers read at most ${sealedStreamBytesMax}`);
  }
  const head = Buffer.alloc(streamFrameBytes);
  head[0] = messageType.encrypt;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, seal(ring.primary, plain, sealing, Buffer.concat([head, sealing.label]))]);
}

/** The plaintext of an encrypted packet's body. */
export const openPacket = (ring: KeyRing, sealed: Uint8Array, label: Uint8Array): Uint8Array =>
  open(ring, sealed, label);

/** The plaintext of a stream's frame. @param head the five bytes before `sealed` */
export const openStream = (ring: KeyRing, head: Uint8Array, sealed: Uint8Array, label: Uint8Array): Uint8Array =>
  open(ring, sealed, Buffer.concat([head, label]));

const cipherOf = (key: KeyObject) => `aes-${8 * (key.symmetricKeySize ?? 0)}-gcm` as 'aes-128-gcm';

function seal(key: KeyObject, plain: Uint8Array, { version, nonce }: Sealing, authenticated: Uint8Array): Uint8Array {
  assert(nonce.length === nonceBytes, `a nonce has ${nonceBytes} bytes`);
  const cipher = createCipheriv(cipherOf(key), key, nonce).setAAD(authenticated);
  const parts = [Uint8Array.of(version), nonce, cipher.update(plain)];
  if (version === 0) {
    const padding = blockBytes - (plain.length % blockBytes);
    parts.push(cipher.update(Buffer.alloc(padding, padding)));
  }
  cipher.final();
  return Buffer.concat([...parts, cipher.getAuthTag()]);
}

function open(ring: KeyRing, sealed: Uint8Array, authenticated: Uint8Array): Uint8Array {
  const version = sealed[0];
  if (version === undefined) throw new GossipFault('empty', 'no bytes where encrypted ones belong');
  if (version > 1) throw new GossipFault('unencrypted', `encryption version ${version}: most likely not encrypted`);
  const lengthMin = sealOverheadBytes(version as SealVersion);
  if (sealed.length < lengthMin) {
    throw new GossipFault('undecryptable', `${sealed.length} bytes are too few for encryption version ${version}`);
  }
  for (const key of ring.keys) {
    const plain = tryKey(key, sealed, authenticated);
    if (plain !== undefined) return version === 0 ? unpad(plain) : plain;
  }
  throw new GossipFault('undecryptable', 'No installed keys could decrypt the message');
}

function tryKey(key: KeyObject, sealed: Uint8Array, authenticated: Uint8Array): Uint8Array | undefined {
  const tagStart = sealed.length - tagBytes;
  const options = { authTagLength: tagBytes };
  const decipher = createDecipheriv(cipherOf(key), key, sealed.subarray(versionBytes, plainStart), options)
    .setAAD(authenticated)
    .setAuthTag(sealed.subarray(tagStart));
  const plain = decipher.update(sealed.subarray(plainStart, tagStart));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plain;
}

/** Trusts the last byte alone, as Go does: the tag has vouched for all of them. */
function unpad(plain: Uint8Array): Uint8Array {
  const padding = plain[plain.length - 1] ?? 0;
  if (padding < 1 || padding > Math.min(blockBytes, plain.length)) {
    throw new GossipFault('undecryptable', 'encryption version 0 without its padding');
  }
  return plain.subarray(0, plain.length - padding);
}
