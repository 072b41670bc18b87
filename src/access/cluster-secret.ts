import { createHmac, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';

/** What both ends of a new link know of each other, and which of them speaks. */
export interface Introduction {
  readonly from: 'dialling' | 'dialled';
  readonly label: string;
  readonly dialling: End;
  readonly dialled: End;
}

export interface End {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  /** Fresh for this link, so that no proof is worth anything on another. */
  readonly nonce: Uint8Array;
}

/** Lets a node show that it holds the cluster's secret without telling it, and ask the same of others. */
export interface LinkProof {
  nonce(): Uint8Array;
  prove(introduction: Introduction): Uint8Array;
  holds(introduction: Introduction, proof: Uint8Array): boolean;
}

export const nonceBytes = 16;
const proofBytes = 32;

/** Of the gossip's secrets, by its keys as they are at the time: the first proves, all are believed. */
export class ClusterSecret implements LinkProof {
  readonly #keys: () => readonly KeyObject[];
  readonly nonce: () => Uint8Array;

  constructor(keys: () => readonly KeyObject[], nonce: () => Uint8Array) {
    this.#keys = keys;
    this.nonce = nonce;
  }

  prove(introduction: Introduction): Uint8Array {
    return proofBy(this.#keys()[0]!, introduction);
  }

  holds(introduction: Introduction, proof: Uint8Array): boolean {
    if (proof.byteLength !== proofBytes) return false;
    let holds = false;
    for (const key of this.#keys()) if (timingSafeEqual(proofBy(key, introduction), proof)) holds = true;
    return holds;
  }
}

/** Under a key of its own, so that what travels here says nothing about what encrypts the gossip. */
function proofBy(key: KeyObject, { from, label, dialling, dialled }: Introduction): Buffer {
  const derived = new Uint8Array(hkdfSync('sha256', key, '', 'distcache link proof 1', proofBytes));
  const hmac = createHmac('sha256', derived);
  const said = [
    from,
    label,
    ...[dialling, dialled].flatMap(({ id, name, address, nonce }) => [id, name, address, nonce]),
  ];
  for (const part of said) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.byteLength);
    hmac.update(length).update(bytes);
  }
  return hmac.digest();
}
