import { createSecretKey, type KeyObject } from 'node:crypto';
import { invalidArgument } from '../../base/errors.js';
import { keysMax } from './limits.js';

/** Lengths of AES-128, AES-192 and AES-256. */
const keyBytes: readonly number[] = [16, 24, 32];

/**
 * The gossip keys of a node. The first encrypts, all decrypt, so a key is changed while the cluster runs: add the new
 * one everywhere, use it everywhere, remove the old one everywhere.
 */
export class KeyRing {
  #keys: readonly KeyObject[] = [];

  /** @param keys 16, 24 or 32 bytes each, the first of them the one to encrypt with */
  constructor(keys: readonly Uint8Array[]) {
    if (keys.length === 0) throw invalidArgument('a key ring needs at least one key; without any, have no ring');
    for (const key of keys) this.add(key);
  }

  /** In the order in which they are tried. */
  get keys(): readonly KeyObject[] {
    return this.#keys;
  }

  get primary(): KeyObject {
    return this.#keys[0]!;
  }

  /** Adds a key that decrypts. Nothing happens when it is there already. */
  add(key: Uint8Array): void {
    if (!keyBytes.includes(key.length)) {
      throw invalidArgument(`a gossip key has ${key.length} bytes, must have 16, 24 or 32`);
    }
    if (this.#indexOf(key) >= 0) return;
    if (this.#keys.length === keysMax) {
      throw invalidArgument(`the key ring holds ${keysMax} keys, its limit; remove an old one first`);
    }
    this.#keys = [...this.#keys, createSecretKey(key)];
  }

  /** Encrypts with this key from now on. It must have been added, here and at all peers. */
  use(key: Uint8Array): void {
    const index = this.#indexOf(key);
    if (index < 0) throw invalidArgument('the gossip key to use is not in the key ring; add it first, on every node');
    const chosen = this.#keys[index]!;
    this.#keys = [chosen, ...this.#keys.filter((other) => other !== chosen)];
  }

  /** Forgets a key. Nothing happens when it is not there; the one in use cannot go. */
  remove(key: Uint8Array): void {
    const index = this.#indexOf(key);
    if (index === 0) throw invalidArgument('the gossip key in use cannot be removed; use another one first');
    this.#keys = this.#keys.filter((_, at) => at !== index);
  }

  /** Has these keys and no others from now on, all at once; when one of them cannot be, nothing changes. */
  replace(keys: readonly Uint8Array[]): void {
    this.#keys = new KeyRing(keys).keys;
  }

  #indexOf(key: Uint8Array): number {
    // Comparing in constant time would guard nothing: whoever calls this knows or sets the keys.
    return this.#keys.findIndex((known) => Buffer.compare(known.export(), key) === 0);
  }
}
