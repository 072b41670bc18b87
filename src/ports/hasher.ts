/** Places keys and nodes on the ring. Every node of a cluster must use the same one. */
export interface Hasher {
  /** Appears in the handshake, so that nodes with different hashers do not join. */
  readonly name: string;
  /** An integer in [0, 2^32), evenly spread, of the text's UTF-8 bytes. */
  hash(text: string): number;
}
