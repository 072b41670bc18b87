/**
 * The gossip messages of hashicorp/memberlist, decoded: what the SWIM core reads and says. Types only; `src/wire` turns
 * them into bytes and back.
 *
 * Zero stands for absent, as in the Go structs behind the wire: '' for a name, 0 for a port or an incarnation, no bytes
 * for an address, meta or payload. The wire tells a nil from an empty byte field; nobody may read a meaning into that,
 * so here both are an empty array.
 */

/**
 * A node name as it stands on the wire: one character (U+0000 to U+00FF, latin1) for each byte. Names are compared byte
 * by byte in every memberlist, and a name need not be UTF-8, so decoding it as text could merge two nodes into one. For
 * ASCII names this is the text itself; other names are converted only where people read or write them.
 */
export type NodeName = string;

/**
 * A raw IP address exactly as received: 4 bytes, 16 bytes, or an IPv4 in its 16-byte mapped form. Peers compare it byte
 * by byte (the two forms of one IPv4 are an address conflict), so it is kept and passed on unchanged; empty is absent.
 */
export type AddressBytes = Uint8Array;

/** 0 to 4294967295. */
export type U32 = number;

/**
 * The protocol range a node speaks, then its application's: [PMin, PMax, PCur, DMin, DMax, DCur], each 0 to 255.
 * Bytes that a peer left out are 0 and those beyond the sixth are dropped: always six are sent, for fewer crash peers.
 */
export type Vsn = readonly [pMin: number, pMax: number, pCur: number, dMin: number, dMax: number, dCur: number];

/** Where to send the answer. Peers before 0.2.0 send none: without an address and port, answer the packet's origin. */
export interface PingSource {
  readonly addr: AddressBytes;
  /** 0 to 65535. */
  readonly port: number;
  readonly node: NodeName;
}

export interface Ping {
  readonly is: 'ping';
  readonly seqNo: U32;
  /** Whom the sender believes to stand at that address; a node of another name does not answer. */
  readonly node: NodeName;
  readonly source: PingSource;
}

/** "Ping `node` at this address for me, and pass on its ack." */
export interface IndirectPing {
  readonly is: 'indirectPing';
  readonly seqNo: U32;
  readonly target: AddressBytes;
  readonly port: number;
  readonly node: NodeName;
  /** The sender wants to hear a nack when the target doesn't answer in time. */
  readonly nack: boolean;
  readonly source: PingSource;
}

export interface Ack {
  readonly is: 'ack';
  readonly seqNo: U32;
  readonly payload: Uint8Array;
}

export interface Nack {
  readonly is: 'nack';
  readonly seqNo: U32;
}

export interface Suspect {
  readonly is: 'suspect';
  readonly incarnation: U32;
  readonly node: NodeName;
  /** Who accuses: independent accusers shorten the suspicion. */
  readonly from: NodeName;
}

/** With `from` equal to `node` it is a leave, else an accusation past its time. */
export interface Dead {
  readonly is: 'dead';
  readonly incarnation: U32;
  readonly node: NodeName;
  readonly from: NodeName;
}

export interface Alive {
  readonly is: 'alive';
  readonly incarnation: U32;
  readonly node: NodeName;
  readonly addr: AddressBytes;
  readonly port: number;
  readonly meta: Uint8Array;
  readonly vsn: Vsn;
}

/** Bytes of the application. */
export interface User {
  readonly is: 'user';
  readonly payload: Uint8Array;
}

/** In the order of their numbers on the wire, from 0. */
export type PushState = 'alive' | 'suspect' | 'dead' | 'left';

export interface PushNodeState {
  readonly name: NodeName;
  readonly addr: AddressBytes;
  /** 0 in what old peers send: take the own gossip port. */
  readonly port: number;
  readonly meta: Uint8Array;
  readonly incarnation: U32;
  readonly state: PushState;
  readonly vsn: Vsn;
}

/** The sender's whole view; streams only. */
export interface PushPull {
  readonly is: 'pushPull';
  readonly join: boolean;
  /** Entries in a state that this protocol doesn't know are left out. */
  readonly nodes: readonly PushNodeState[];
  readonly userState: Uint8Array;
}

/** The answer to a stream that could not be read; streams only. */
export interface Err {
  readonly is: 'err';
  /** Text for people, never to be matched. */
  readonly error: string;
}

export type PacketMessage = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | User;

export type StreamMessage = PushPull | User | Ping | Ack | Err;

export type GossipMessage = PacketMessage | PushPull | Err;
