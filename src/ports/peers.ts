import type { ErrorCode } from '../base/errors.js';
import type { Cancel, Wait } from './clock.js';
import type { KeyspaceRecord } from './keyspace-record.js';
import type { NodeInfo } from './membership.js';
import type { TraceContext } from './recorder.js';

/** What one node asks of another over their link. Lifetimes are durations, so clocks need not agree. */
export type PeerRequest =
  | {
      readonly do: 'get';
      readonly keyspace: string;
      readonly key: string;
      /** Loads that wait for this answer, to refuse a cycle (see LoadContext). */
      readonly loading: readonly string[];
      /** Never answer with an older version than this; 0: any. */
      readonly minVersion: number;
      /** Asked of the next node on the ring, as the owner is out of the asking node's reach. */
      readonly standIn: boolean;
      /** Only of requests whose trace is recorded; as with put and delete. */
      readonly trace?: TraceContext | undefined;
    }
  | {
      readonly do: 'put';
      readonly keyspace: string;
      readonly key: string;
      readonly value: Uint8Array;
      /** undefined: the keyspace's default. Infinity: never expires. */
      readonly ttlMs: number | undefined;
      /** Names by which it is invalidated with others; as in `hold` and `value`, undefined for none. */
      readonly tags?: readonly string[] | undefined;
      readonly ack: Ack;
      /** The sender's number for this write, above 0 and the same however often it asks for it: it is made once. */
      readonly once?: number | undefined;
      readonly trace?: TraceContext | undefined;
    }
  | {
      readonly do: 'delete';
      readonly keyspace: string;
      readonly key: string;
      readonly ack: Ack;
      /** As of `put`. */
      readonly once?: number | undefined;
      readonly trace?: TraceContext | undefined;
    }
  | {
      readonly do: 'invalidate';
      readonly keyspace: string;
      readonly key: string;
      readonly version: number;
      /** Of this link, counted up by one with every `invalidate` and `hold` that has one; 0: not counted. */
      readonly sequence: number;
    }
  /** What was done to a keyspace at run time: told of each change, and of all of them when a link comes up. */
  | { readonly do: 'keyspace'; readonly record: KeyspaceRecord }
  /** What the sender knows of writes, said first when a link comes up; see Slots.floors for the bytes. */
  | {
      readonly do: 'floors';
      readonly keyspace: string;
      readonly floors: Uint8Array;
      readonly heard: Heard;
      /** Version of the latest delete by tag or prefix that is remembered by the floors alone; 0: there is none. */
      readonly swept: number;
      /** To the sender the receiver has owned its keys all along: nobody it knows of has written them in its stead. */
      readonly steady?: true | undefined;
    }
  /** All floors were told; `sequence` is that of the last invalidation sent before. */
  | { readonly do: 'synced'; readonly sequence: number; readonly heard: Heard }
  /** Has the receiver heard of these writes, too? `applied`, or `nothing`. */
  | { readonly do: 'vouch'; readonly heard: Heard }
  /** Asks for the lease under which the sender may serve copies. `resync`: tell all floors first, some news was missed. */
  | { readonly do: 'renew'; readonly resync: boolean }
  /**
   * The sender has become the key's owner and asks its previous one for what it holds. Answer: a value, or `nothing`, or
   * `not-owner`: nothing any more, as it has passed on what it had to that one. With
   * `claim` it is about to write the key, and only says so. Either way, what the receiver loads from now on is no entry.
   * With `taken` it says that it keeps what it was given of that version: it need not be held any more.
   */
  | {
      readonly do: 'recall';
      readonly keyspace: string;
      readonly key: string;
      readonly claim?: true;
      readonly taken?: number;
    }
  /** Keep this entry, as a replica or as the owner to come; whatever is older goes, as with `invalidate`. */
  | {
      readonly do: 'hold';
      readonly keyspace: string;
      readonly key: string;
      /** null: the data source has no such key. */
      readonly value: Uint8Array | null;
      readonly version: number;
      /** Below 0: it expired so long ago, and is kept for when the data source fails. */
      readonly lifeMs: number;
      readonly wasPut: boolean;
      readonly sourceVersion: number | undefined;
      readonly tags?: readonly string[] | undefined;
      /** How new the sender's knowledge of writes to the key's slot is. */
      readonly floor: number;
      /** The latest clear of the keyspace that the sender knows of. */
      readonly generation: number;
      /** As of `invalidate`. */
      readonly sequence: number;
      /** The receiver owns the key, as the sender sees it, and is to have it as that or not at all. */
      readonly yours: boolean;
      /** Where it bears no sequence: version of the receiver's latest write of which the sender has heard, and of all before. */
      readonly heard: number;
    }
  /** Is the copy of this version still the owner's? */
  | { readonly do: 'check'; readonly keyspace: string; readonly key: string; readonly version: number }
  /** Which keys do the receiver's callers ask for most? At most `limit`. */
  | { readonly do: 'hot-keys'; readonly keyspace: string; readonly limit: number }
  /** Digests of the entries that the sender owns and the receiver keeps replicas of, 4096 little-endian u32, by slot. */
  | { readonly do: 'compare'; readonly keyspace: string; readonly digests: Uint8Array };

/** `gone`: to the sender it is dead or has left, and is not known to have written since. */
export type HeardFrom = readonly [id: string, version: number, gone?: true];

/** Whose writes the sender's floors are of, by id: of each node all up to a version. */
export interface Heard {
  readonly versions: readonly HeardFrom[];
  /** False: there may be writes of others among them. */
  readonly isWhole: boolean;
}

/** When a write is answered: once every node has applied it, or once the owner has. */
export type Ack = 'applied' | 'owner';

/** Where an answer came from: own memory, a hot copy, the data source, an expired entry, a remembered absence. */
export type Outcome = 'hit' | 'hot' | 'load' | 'stale' | 'negative';

export type PeerReply =
  | {
      readonly is: 'value';
      readonly value: Uint8Array;
      readonly version: number;
      /** Remaining time to live; Infinity: does not expire. 0: not to be kept. Below 0: it expired so long ago. */
      readonly lifeMs: number;
      readonly outcome: Outcome;
      readonly wasPut: boolean;
      /** The version that the data source gave it; undefined: none. */
      readonly sourceVersion: number | undefined;
      readonly tags?: readonly string[] | undefined;
      /** How new the answering node's knowledge of writes to the key's slot was. */
      readonly floor: number;
      /** The latest clear of the keyspace that it knew of. */
      readonly generation: number;
    }
  /** The data source has no such key. */
  | {
      readonly is: 'absent';
      readonly version: number;
      readonly lifeMs: number;
      readonly outcome: Outcome;
      readonly floor: number;
      readonly generation: number;
    }
  | { readonly is: 'written'; readonly version: number; readonly unreached: readonly string[] }
  | { readonly is: 'applied' }
  /**
   * A record was taken in; `changed` is false where all of it was known. `removed`: entries that its sweeps deleted; `newer`: the
   * latest version of what it was to delete and stays there, as put later; 0: nothing stays.
   */
  | { readonly is: 'recorded'; readonly changed: boolean; readonly removed: number; readonly newer: number }
  /** `owner` is the id of who owns the key in the answering node's view. */
  | { readonly is: 'not-owner'; readonly owner: string }
  /**
   * The lease is granted; `sent` is the sequence of the last invalidation sent to the asking node. For `ownsMs` from now the
   * answering node owns its keys as far as it knows: copies of them are served no longer than that. 0: it lost touch.
   */
  | { readonly is: 'lease'; readonly sent: number; readonly ownsMs: number }
  /** Nothing is held of this key. */
  | { readonly is: 'nothing' }
  | { readonly is: 'checked'; readonly current: boolean }
  /** Hottest first. */
  | { readonly is: 'hot-keys'; readonly keys: readonly string[] }
  /** Slots whose digests differ, one bit each, lowest bit first: 512 bytes. */
  | { readonly is: 'differ'; readonly slots: Uint8Array }
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
  /** Milliseconds since another node's reading, as far as clocks can tell. */
  ageMs(remote: number): number;
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
  /**
   * Fails the reads and writes that wait for this peer's answer with PEER_UNREACHABLE, although its link stands: it gives
   * no sign of life. They may be carried out.
   */
  giveUp(peerId: string): void;
  /** Says goodbye on every link and closes them; pending calls fail. Idempotent. */
  close(): Promise<void>;
}
