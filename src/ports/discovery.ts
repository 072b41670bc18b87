import type { Cancel, Clock, Wait } from './clock.js';
import type { Log } from './log.js';
import type { Random } from './random.js';

/** What a provider may use, and for whom it looks. */
export interface DiscoveryContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly self: {
    readonly name: string;
    /** `ip:port` of this node's gossip, as others reach it. */
    readonly gossip: string;
  };
}

/**
 * Finds where the gossip of other nodes can be reached. It only finds: who is a member, gossip decides, so a source that
 * is down or wrong delays joining and never takes a running cluster apart.
 */
export interface Discovery {
  /** `static`, `dns` and the like: for logs. */
  readonly provider: string;
  /** After so long `find` is asked again, though nothing was told by `watch`. Infinity: once is enough. */
  readonly findAgainMs: number;
  /**
   * Opens what it needs, and registers this node where the source keeps a register. A source that is down now is no
   * error: it is tried again behind this call. Rejects with INVALID_ARGUMENT for what cannot ever work. Called once.
   */
  start(context: DiscoveryContext, wait: Wait): Promise<void>;
  /**
   * `ip:port` (IPv6 in brackets) of the nodes that the source knows of now, each once, at most `foundMax`; this node's own
   * may be among them. Empty: the source knows of none. Rejects with PEER_UNREACHABLE or TIMEOUT while the source does not
   * answer, naming it and what to check.
   */
  find(wait: Wait): Promise<readonly string[]>;
  /** Tells all addresses anew whenever they change, where the source tells by itself. Errors stay inside: they are logged. */
  watch?(listener: (addresses: readonly string[]) => void): Cancel;
  /** Takes this node out of the register, and frees everything within `wait`. Idempotent; ends what still waits. */
  stop(wait: Wait): Promise<void>;
}

/** Addresses taken from one answer; more are left out, with a warning. */
export const foundMax = 1000;
