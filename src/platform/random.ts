import { randomBytes } from 'node:crypto';
import type { Random } from '../ports/random.js';

/** The machine's chance. Streams need no seed here, so a fork is the same source. */
export const systemRandom: Random = {
  next: () => Math.random(),
  fork: () => systemRandom,
  id: () => randomBytes(8).toString('hex'),
};

/** 12 bytes that nobody can foretell, for sealing one packet or stream of gossip. */
export const freshNonce = (): Uint8Array => randomBytes(12);

/** 16 bytes that nobody can foretell, for the greeting of one link. */
export const freshChallenge = (): Uint8Array => randomBytes(16);
