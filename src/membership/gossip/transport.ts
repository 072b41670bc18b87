import type { Wait } from '../../ports/clock.js';
import type { SwimEffect, SwimInput } from '../swim/effects.js';

/** What the network brings, as the core takes it. */
export type GossipArrival = Extract<
  SwimInput,
  {
    is: 'packet' | 'sendFailed' | 'streamPing' | 'streamPong' | 'exchangeAsked' | 'exchanged' | 'exchangeFailed';
  }
>;

/** What the core wants of the network. */
export type GossipErrand = Extract<SwimEffect, { do: 'send' | 'streamPing' | 'exchange' | 'answer' | 'drop' }>;

/** Where the gossip listens. */
export interface GossipAt {
  /** An IP literal, perhaps a wildcard. */
  readonly host: string;
  readonly port: number;
}

/** Everything counted so far, by snake_case name. */
export type GossipCounts = Readonly<Record<string, number>>;

/**
 * Carries gossip between nodes. What it cannot read, of another label, with another secret or in the clear where a secret
 * is set, never arrives: it is counted, and logged once a minute at most.
 */
export interface GossipTransport {
  /** Bytes that a packet has on the wire beside its messages: label, encryption, checksum. */
  readonly packetOverheadBytes: number;
  /**
   * Opens the sockets; what arrives is told from now on, never from within `open` or `carry`. Rejects with a ListenError
   * when the port is taken. Called once.
   */
  open(onArrival: (arrival: GossipArrival) => void, wait: Wait): Promise<GossipAt>;
  /**
   * Does as told, and never throws. For every `streamPing` a `streamPong` arrives, for every `exchange` an `exchanged` or
   * an `exchangeFailed`, at the latest after its `withinMs`, until the transport is closed.
   */
  carry(errand: GossipErrand): void;
  counts(): GossipCounts;
  /** Ends every stream and the sockets; nothing arrives any more. Idempotent. */
  close(): Promise<void>;
}
