import type {
  Ack,
  AddressBytes,
  NodeName,
  PacketMessage,
  Ping,
  PushNodeState,
  PushPull,
  PushState,
  U32,
  Vsn,
} from '../messages.js';

/** Where gossip is sent, as members announce it. Two forms of one IP are two endpoints. */
export interface Endpoint {
  readonly addr: AddressBytes;
  readonly port: number;
}

/** Names one connection of the transport, from a question on it to the answer. */
export type StreamId = number;

/** A member as this node knows it now: a copy, so later changes don't show in it. */
export interface SwimMember extends Endpoint {
  readonly name: NodeName;
  readonly incarnation: U32;
  readonly meta: Uint8Array;
  readonly vsn: Vsn;
  readonly state: PushState;
  /** Since when, on the core's own time: milliseconds that this node was attentive. */
  readonly sinceMs: number;
}

export type SwimInput =
  /** The sockets are open: announce this node and begin to probe and gossip. Once. */
  | { readonly is: 'start' }
  /** The time last asked for with `wake` has come. */
  | { readonly is: 'wake' }
  /** What one packet held, in its order. `from` is where it came from, for those who name no address to answer. */
  | { readonly is: 'packet'; readonly from: Endpoint; readonly messages: readonly PacketMessage[] }
  /** A packet could not be sent for a reason that lies with the receiver: unreachable, refused. */
  | { readonly is: 'sendFailed'; readonly to: Endpoint }
  /** Somebody pings over a stream and waits on it. */
  | { readonly is: 'streamPing'; readonly stream: StreamId; readonly ping: Ping }
  /** The outcome of our own `streamPing`; ok when an ack of that number came. */
  | { readonly is: 'streamPong'; readonly seqNo: U32; readonly ok: boolean }
  /** Somebody sent its state over a stream and waits for ours. */
  | { readonly is: 'exchangeAsked'; readonly stream: StreamId; readonly state: PushPull }
  /** The answer to our own `exchange`. */
  | { readonly is: 'exchanged'; readonly exchange: number; readonly state: PushPull }
  /** `refused`: nobody listens there, and said so; false or left out when that is not known. */
  | {
      readonly is: 'exchangeFailed';
      readonly exchange: number;
      readonly problem: string;
      readonly refused?: boolean;
    }
  /** Exchange states with all of these; `joinDone` tells how many answered. `join` is the caller's number for it. */
  | { readonly is: 'join'; readonly join: number; readonly targets: readonly Endpoint[] }
  /** Where to look for the cluster from now on, again and again: what discovery found last. */
  | { readonly is: 'seeds'; readonly seeds: readonly Endpoint[] }
  /** Another way to this member broke, which is no proof of anything: probe it before its turn. */
  | { readonly is: 'doubt'; readonly name: NodeName }
  /** Tell the others that this node goes; `leaveDone` follows within that time. The node goes on answering. */
  | { readonly is: 'leave'; readonly withinMs: number }
  /** This node's metadata changes. */
  | { readonly is: 'meta'; readonly meta: Uint8Array };

export type SwimEvent =
  | { readonly is: 'joined'; readonly member: SwimMember }
  | { readonly is: 'left'; readonly member: SwimMember }
  | { readonly is: 'failed'; readonly member: SwimMember }
  /** Other metadata, or only a higher incarnation. */
  | { readonly is: 'updated'; readonly member: SwimMember }
  | { readonly is: 'suspect'; readonly member: SwimMember }
  /** This node was accused of being suspect or dead, or of having left, and denied it. */
  | { readonly is: 'refuted' }
  /** A suspect refuted. */
  | { readonly is: 'recovered'; readonly member: SwimMember }
  /** Another endpoint claims the name of a known member, which keeps it. May come often: bound what is logged of it. */
  | { readonly is: 'conflict'; readonly member: SwimMember; readonly claimed: Endpoint }
  /** It answered over a stream but not to packets: a network that drops them hides behind that. */
  | { readonly is: 'onlyByStream'; readonly member: SwimMember }
  /** Its whole state was not taken over, because some protocol version in it does not fit. */
  | { readonly is: 'mergeRefused'; readonly problem: string }
  | {
      readonly is: 'joinDone';
      readonly join: number;
      readonly contacted: number;
      /** Of the others, those at whose address nobody listens. */
      readonly refused: number;
      readonly problems: readonly string[];
    }
  /** `sent` is false when time ran out before the news had been sent as often as it should. */
  | { readonly is: 'leaveDone'; readonly sent: boolean };

export type SwimEffect =
  /** One packet: one message bare, several as a compound in this order. `checksum`: the receiver is known to verify it. */
  | {
      readonly do: 'send';
      readonly to: Endpoint;
      readonly messages: readonly PacketMessage[];
      readonly checksum: boolean;
    }
  /** Connect, send the ping, expect its ack; report `streamPong` in any case. */
  | { readonly do: 'streamPing'; readonly to: Endpoint; readonly ping: Ping; readonly withinMs: number }
  /** Connect, send the state, read the other's; report `exchanged` or `exchangeFailed` in any case. */
  | {
      readonly do: 'exchange';
      readonly exchange: number;
      readonly to: Endpoint;
      readonly state: PushPull;
      readonly withinMs: number;
    }
  /** Write it on the stream, then close that. */
  | { readonly do: 'answer'; readonly stream: StreamId; readonly message: Ack | PushPull }
  /** Close the stream without an answer. */
  | { readonly do: 'drop'; readonly stream: StreamId }
  /** Step with `wake` after so long; replaces an earlier wish. */
  | { readonly do: 'wake'; readonly afterMs: number }
  | { readonly do: 'tell'; readonly event: SwimEvent };

/**
 * Law: probes = probesAcked + probesByStream + probesFailed, plus 1 while one is under way.
 * Law: exchanges = exchangesDone + exchangesFailed, plus those under way.
 */
export interface SwimCounts {
  readonly probes: number;
  readonly probesAcked: number;
  readonly probesByStream: number;
  readonly probesFailed: number;
  readonly exchanges: number;
  readonly exchangesDone: number;
  readonly exchangesFailed: number;
  /** States that came over a stream and were refused whole. */
  readonly mergesRefused: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  /** Claims that were about unknown members, old, or already known. */
  readonly stale: number;
  /** Messages whose content cannot be: no address, no name, too much metadata, versions that contradict themselves. */
  readonly malformed: number;
  readonly conflicts: number;
  /** Accusations of this node that it denied. */
  readonly refuted: number;
  /** Denials said again to somebody who had missed them. */
  readonly reminded: number;
  /** Members not taken in because `membersMax` are known. */
  readonly membersRefused: number;
  /** Requests to ping for others beyond `relaysMax`. */
  readonly relaysRefused: number;
  readonly exchangesRefused: number;
  readonly broadcastsDropped: number;
  /** Application messages of other programs in the pool; nothing here reads them. */
  readonly userMessages: number;
  /** How often, and for how long in all, this node was late itself. */
  readonly lags: number;
  readonly lagMs: number;
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
};

export const sameEndpoint = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && sameBytes(a.addr, b.addr);

/** An endpoint as the key of a map. */
export const endpointKey = ({ addr, port }: Endpoint): string => `${addr.join('.')}:${port}`;

export const stateOf = (member: SwimMember): PushNodeState => ({
  name: member.name,
  addr: member.addr,
  port: member.port,
  meta: member.meta,
  incarnation: member.incarnation,
  state: member.state,
  vsn: member.vsn,
});
