import type { LoadRecord, ReadRecord, WriteRecord } from './records.js';

/** What a scenario does not promise, said aloud: without any of these the checkers are as strict as they can be. */
export interface CheckOptions {
  /**
   * This read need not know of this acknowledged write: another side of a long split, or a put that may be lost with
   * its only holder. `seen`: the put that was read, where it is one.
   */
  readonly excuses?: (read: ReadRecord, write: WriteRecord, seen: WriteRecord | undefined) => boolean;
  /**
   * Reads of a client may go back, or a node's version may fall, between these two. `isOpen`: the write that the earlier one saw was
   * not acknowledged when the later one began.
   */
  readonly excusesBack?: (earlier: ReadRecord, later: ReadRecord, isOpen: boolean) => boolean;
  /**
   * Reads of one client at different nodes are compared too. A write that nobody has acknowledged yet may be seen at one
   * node and then not at another, so this holds only for clients that pass on the version they have seen. Default true.
   */
  readonly monotonicAcrossNodes?: boolean;
  /** A write with unknown outcome takes effect this long after it began, or never. Default: no limit. */
  readonly lateWriteMs?: number;
  /** Longer than this no write takes. Default: no limit. */
  readonly answersWithinMs?: number | undefined;
  /** Loads of a key at once within one invalidation. Default 1. */
  readonly loadsAtOnce?: number;
  /** The ring moved while this load ran, or its owner was out of reach. */
  readonly excusesLoad?: (load: LoadRecord) => boolean;
  /** What an invalidation of this key invalidates with it. Default: the key alone. */
  readonly epochOf?: (key: string) => string;
  /** The data source may say that it has no such key. Default: never. */
  readonly mayBeMissing?: (read: ReadRecord) => boolean;
  /**
   * The data source of this key never gets what is put, as it would with a key that lives in the cache only; before a delete
   * it gets that. What reads of it show is then told as G6: a put that was lost.
   */
  readonly isLagging?: (key: string) => boolean;
  /**
   * Nodes crash: a put that some nodes have heard of and nobody has acknowledged takes away the one before, where it goes with
   * its owner.
   */
  readonly ownersCrash?: boolean | undefined;
  /** More open choices of order than this, and the key's history is left undecided. Default 20,000. */
  readonly orderingsMax?: number;
}
