import type { Cancel, Wait } from './clock.js';

/** How a node introduces itself. */
export interface NodeInfo {
  /** New at every start: a process that comes back is not its predecessor. */
  readonly id: string;
  /** Unique in the cluster and kept over restarts: the ring is built on it. */
  readonly name: string;
  /** Where its gRPC can be dialled, `host:port`. */
  readonly address: string;
  /** `host:port` of its admin endpoints, or '' where there are none. */
  readonly admin: string;
  /** `host:port` of its gossip, or '' where there is none. */
  readonly gossip: string;
  /** Release of distcache it runs. */
  readonly version: string;
  /** Its part of the ring relative to others; 1 is normal. */
  readonly weight: number;
  readonly incarnation: number;
}

export type MemberState = 'alive' | 'suspect' | 'dead' | 'left' | 'draining';

export interface Member extends NodeInfo {
  readonly state: MemberState;
  /** It answers for keys. False while it joins or drains, and of programs in the gossip pool that are no cache nodes. */
  readonly serving: boolean;
}

export type MemberChange =
  | { readonly is: 'joined'; readonly member: Member }
  | { readonly is: 'left'; readonly member: Member }
  | { readonly is: 'failed'; readonly member: Member }
  | { readonly is: 'updated'; readonly member: Member }
  /** This node itself was suspected, or taken for dead, and has said that it lives. The others hear of it after this. */
  | { readonly is: 'refuted'; readonly member: Member };

/** Who is in the cluster. The engine asks nothing else of how that is found out. */
export interface Membership {
  /** Resolves once this node has met those it could meet; rejects with CLUSTER_QUORUM when they are too few in time. */
  start(wait: Wait): Promise<void>;
  /** Tells the others that this node gives its keys away; it goes on answering. */
  drain(): void;
  /** Tells the others, then stops. Idempotent. */
  stop(wait: Wait): Promise<void>;
  /** Known members, this node included, sorted by name; the dead and those who left are listed for a while. */
  members(): readonly Member[];
  onChange(listener: (change: MemberChange) => void): Cancel;
  /** What was counted since start, by snake_case name; empty where nothing is. */
  counts(): Readonly<Record<string, number>>;
}
