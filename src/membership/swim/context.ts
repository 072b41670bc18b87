import { assert } from '../../base/assert.js';
import type { PacketMessage, Ping, PingSource } from '../messages.js';
import type { Awareness } from './awareness.js';
import { type Broadcasts, partsMax, transmitLimit } from './broadcasts.js';
import type { SwimConfig } from './config.js';
import type { Endpoint, SwimCounts, SwimEffect, SwimEvent } from './effects.js';
import type { Entry, Members } from './members.js';
import type { Schedule } from './schedule.js';

/** What a due time is for. Those that carry an identity are void when that is no longer the current one. */
export type Due =
  | { readonly is: 'probeTick' }
  | { readonly is: 'gossipTick' }
  | { readonly is: 'pushPullTick' }
  | { readonly is: 'rejoinTick' }
  | { readonly is: 'probeTimeout' }
  | { readonly is: 'probeEnd' }
  | { readonly is: 'relayTimeout'; readonly seqNo: number }
  | { readonly is: 'suspicionEnd'; readonly entry: Entry }
  | { readonly is: 'plea'; readonly entry: Entry }
  | { readonly is: 'exchangeTimeout'; readonly exchange: number }
  | { readonly is: 'leaveTimeout' };

export type MutableCounts = { -readonly [K in keyof SwimCounts]: number };

/** A protocol version from which on a member can do something. The highest it speaks counts, not the one in use. */
export const speaks = { streamPings: 3, nacks: 4, checksums: 5 } as const;

export const can = (entry: Entry, what: keyof typeof speaks): boolean => entry.vsn[1] >= speaks[what];

/** What the parts of the core share: one node's state, its time within the step, and the effects gathered so far. */
export class Context {
  readonly counts: MutableCounts = {
    probes: 0,
    probesAcked: 0,
    probesByStream: 0,
    probesFailed: 0,
    exchanges: 0,
    exchangesDone: 0,
    exchangesFailed: 0,
    mergesRefused: 0,
    packetsSent: 0,
    packetsReceived: 0,
    stale: 0,
    malformed: 0,
    conflicts: 0,
    refuted: 0,
    reminded: 0,
    membersRefused: 0,
    relaysRefused: 0,
    exchangesRefused: 0,
    broadcastsDropped: 0,
    userMessages: 0,
    lags: 0,
    lagMs: 0,
  };
  /** The core's own time in this step; it stands still while this node was not attentive. */
  nowMs = 0;
  leaving = false;
  #effects: SwimEffect[] = [];
  #seqNo: number;

  constructor(
    readonly config: SwimConfig,
    readonly self: Entry,
    readonly members: Members,
    readonly broadcasts: Broadcasts,
    readonly awareness: Awareness,
    readonly schedule: Schedule<Due>,
    readonly sizeOf: (message: PacketMessage) => number,
    firstSeqNo: number,
  ) {
    this.#seqNo = firstSeqNo;
  }

  /** Never 0, so that no message without a number is taken for an answer. */
  nextSeqNo(): number {
    this.#seqNo = (this.#seqNo + 1) >>> 0 || 1;
    return this.#seqNo;
  }

  get source(): PingSource {
    return { addr: this.self.addr, port: this.self.port, node: this.self.name };
  }

  ping(seqNo: number, node: string): Ping {
    return { is: 'ping', seqNo, node, source: this.source };
  }

  emit(effect: SwimEffect): void {
    this.#effects.push(effect);
  }

  tell(event: SwimEvent): void {
    this.emit({ do: 'tell', event });
  }

  /** One packet as it is. */
  send(to: Endpoint, messages: readonly PacketMessage[], checksum = false): void {
    assert(messages.length > 0 && messages.length <= partsMax, `${messages.length} parts in a packet`);
    this.counts.packetsSent++;
    this.emit({ do: 'send', to: { addr: to.addr, port: to.port }, messages, checksum });
  }

  /** One packet, filled up with news that waits. */
  sendWithNews(to: Endpoint, message: PacketMessage): void {
    this.send(to, [message, ...this.takeNews(this.sizeOf(message), partsMax - 1)]);
  }

  /** News that fits a packet beside `usedBytes`. A compound's type and count take two bytes. */
  takeNews(usedBytes: number, parts: number): readonly PacketMessage[] {
    const { packetBytesMax, packetOverheadBytes, retransmitMult } = this.config;
    const budgetBytes = packetBytesMax - packetOverheadBytes - 2 - usedBytes;
    return this.broadcasts.take(budgetBytes, transmitLimit(retransmitMult, this.members.size), parts);
  }

  /** The effects of the step, once. */
  drain(): readonly SwimEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
