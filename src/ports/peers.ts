import type { ErrorCode } from '../base/errors.js';
import type { Cancel, Wait } from './clock.js';
import type { NodeInfo } from './membership.js';

/** What one node asks of another over their link. Lifetimes are durations, so clocks need not agree. */
export type PeerRequest =
  | {
      readonly do: 'get';
      readonly keyspace: string;
      readonly key: string;
      /** Loads that wait for this answer, to refuse a cycle (see LoadContext). */
      readonly loading: readonly string[];
    }
  | {
      readonly do: 'put';
      readonly keyspace: string;
      readonly key: string;
      readonly value: Uint8Array;
      /** undefined: the keyspace's default. Infinity: never expires. */
      readonly ttlMs: number | undefined;
    }
  | { readonly do: 'delete'; readonly keyspace: string; readonly key: string }
  | { readonly do: 'invalidate'; readonly keyspace: string; readonly key: string; readonly version: number }
  | { readonly do: 'drop-keyspace'; readonly keyspace: string; readonly version: number }
  /** What the sender knows of writes, said first when a link comes up; see Slots.floors for the bytes. */
  | { readonly do: 'floors'; readonly keyspace: string; readonly floors: Uint8Array };

/** Where an answer came from: own memory, a hot copy, the data source, an expired entry, a remembered absence. */
export type Outcome = 'hit' | 'hot' | 'load' | 'stale' | 'negative';

export type PeerReply =
  | {
      readonly is: 'value';
      readonly value: Uint8Array;
      readonly version: number;
      /** Remaining time to live; Infinity: does not expire. 0: not to be kept. */
      readonly lifeMs: number;
      readonly outcome: Outcome;
      readonly wasPut: boolean;
    }
  /** The data source has no such key. */
  | { readonly is: 'absent'; readonly version: number; readonly lifeMs: number; readonly outcome: Outcome }
  | { readonly is: 'written'; readonly version: number; readonly unreached: readonly string[] }
  | { readonly is: 'applied' }
  | { readonly is: 'not-owner' }
  | { readonly is: 'refused'; readonly code: ErrorCode; readonly message: string; readonly node: string };

/**
 * Answers a peer's request; at once where it can, so that a hit costs no promise. What it throws travels as 'refused'.
 * `wait` ends when the asking side's deadline passes, when it cancels, or when its link goes down.
 */
export type PeerHandler = (from: NodeInfo, request: PeerRequest, wait: Wait) => PeerReply | Promise<PeerReply>;

/** `left` is true of a link that the peer closed because it stops, and false of one that broke. */
export type LinkEvent =
  | { readonly is: 'up'; readonly peer: NodeInfo }
  | { readonly is: 'down'; readonly peer: NodeInfo; readonly left: boolean };

/** A dial that did not lead to a link, for people to read. */
export interface DialProblem {
  readonly address: string;
  readonly message: string;
  /** False where redialling cannot help without a change of configuration (wrong label, name taken, own address). */
  readonly passing: boolean;
}

/** The clock that is carried on every frame; see coherence/hybrid-clock. */
export interface Stamp {
  now(): number;
  /** False when `remote` lies too far ahead to be believed. */
  merge(remote: number): boolean;
}

/**
 * One ordered, bidirectional link per pair of nodes. Whatever is asked of one peer within one turn of the event loop
 * leaves together. Requests of a link that goes down fail with PEER_UNREACHABLE; they may have been carried out.
 */
export interface PeerNetwork {
  /** Requests of peers go to `handler` from now on. Called once, before start. */
  serve(handler: PeerHandler): void;
  /** Keeps a link to this address from now on: redials for ever, with back-off and jitter. Idempotent. */
  dial(address: string): void;
  /** Stops dialling this address; a link that stands stays until it breaks. */
  undial(address: string): void;
  /** Peers whose link is up. */
  linked(): readonly NodeInfo[];
  onLink(listener: (event: LinkEvent) => void): Cancel;
  onDialProblem(listener: (problem: DialProblem) => void): Cancel;
  /**
   * Rejects with PEER_UNREACHABLE (no link, or it broke), TIMEOUT, ABORTED, or OVERLOADED (too much in flight to this
   * peer, refused before it was sent). A 'refused' answer is turned into a DistcacheError that names the node.
   */
  call(peerId: string, request: PeerRequest, wait: Wait): Promise<Exclude<PeerReply, { is: 'refused' }>>;
  /** Says goodbye on every link and closes them; pending calls fail. Idempotent. */
  close(): Promise<void>;
}
