/**
 * Why something that arrived was dropped, whole or in part. A closed set, for counting: reasons are never reused.
 * - `empty`: no byte where a message belongs
 * - `labelMalformed`, `labelMismatch`, `labelUnexpected`: the header is broken, names another cluster, or stands where
 *   none may
 * - `unencrypted`, `undecryptable`: plain where encryption is required, or under a key that is not installed
 * - `unexpectedlyEncrypted`: a sealed stream, and no keys are installed
 * - `crcMismatch`: changed on the way
 * - `unsupportedType`: a message type that does not exist, or not at this place
 * - `truncated`, `malformed`, `outOfRange`: ends early; is no such value; is a number that its field cannot hold
 * - `tooLarge`, `tooMany`, `tooDeep`: past a bound of `limits.ts`
 * - `compressAlgorithm`, `compressData`: compressed by an unknown algorithm, or not by the one it names
 */
export const dropReasons = [
  'empty',
  'labelMalformed',
  'labelMismatch',
  'labelUnexpected',
  'unencrypted',
  'undecryptable',
  'unexpectedlyEncrypted',
  'crcMismatch',
  'unsupportedType',
  'truncated',
  'malformed',
  'outOfRange',
  'tooLarge',
  'tooMany',
  'tooDeep',
  'compressAlgorithm',
  'compressData',
] as const;

export type DropReason = (typeof dropReasons)[number];

/** Something that was dropped, as a value. */
export interface Drop {
  readonly reason: DropReason;
  /** For people. Holds no bytes of the sender's. */
  readonly detail: string;
}

/** The one error of this folder: bytes from a peer that cannot be read, or a message that cannot be written. */
export class GossipFault extends Error implements Drop {
  override readonly name = 'GossipFault';

  constructor(
    readonly reason: DropReason,
    readonly detail: string,
    /** With `truncated`: the length that the bytes must have at least before another try can get further. */
    readonly neededBytes = 0,
  ) {
    super(`${reason}: ${detail}`);
  }
}

/** The fault as a value; anything else is a fault of ours and goes on. */
export function dropOf(error: unknown): Drop {
  if (!(error instanceof GossipFault)) throw error;
  return { reason: error.reason, detail: error.detail };
}
