import { assert } from '../base/assert.js';

/**
 * Bytes of requests that are in memory: of all holders together no more than so many, and of one no more than its part.
 * What would be more is refused, and counted.
 */
export class HeldBytes {
  readonly #max: number;
  readonly #maxEach: number;
  #bytes = 0;
  #refused = 0;

  constructor(maxBytes: number, maxBytesEach: number) {
    this.#max = maxBytes;
    this.#maxEach = maxBytesEach;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get refused(): number {
    return this.#refused;
  }

  /** For one more holder. */
  share(): Share {
    let own = 0;
    return {
      hasRoom: (bytes) => {
        if (own + bytes <= this.#maxEach && this.#bytes + bytes <= this.#max) return true;
        this.#refused++;
        return false;
      },
      take: (bytes) => {
        own += bytes;
        this.#bytes += bytes;
        assert(own >= 0 && this.#bytes >= own, 'more was given back than was taken');
      },
    };
  }
}

/** What one holder has of it. */
export interface Share {
  /** Whether so much more may be taken; where not, that is counted. */
  hasRoom(bytes: number): boolean;
  /** Less than zero gives back. */
  take(bytes: number): void;
}

/** Of one holder a quarter, as with its calls; but two of the largest requests always fit. */
export const heldRequests = (maxBytes: number, largestBytes: number): HeldBytes =>
  new HeldBytes(Math.max(maxBytes, 2 * largestBytes), Math.max(maxBytes / 4, 2 * largestBytes));
