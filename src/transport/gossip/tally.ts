import type { GossipCounts } from '../../membership/gossip/transport.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Drop, DropReason } from '../../wire/memberlist/fault.js';
import { Rarely } from '../rarely.js';

/** Each kind of trouble is logged at most this often, however much there is of it. */
const repeatMs = 60_000;
/** More than there are kinds of trouble. */
const kindsMax = 64;

/**
 * What is counted from the start. Drops are counted besides, as `gossip_packets_dropped_<reason>` and
 * `gossip_streams_dropped_<reason>`, one for each part of a packet that could not be read.
 *
 * Law: connections that came in for a stream = gossip_streams_accepted + gossip_streams_refused.
 */
const names = [
  'gossip_packets_sent',
  'gossip_packets_received',
  'gossip_packet_bytes_sent',
  'gossip_packet_bytes_received',
  /** Packets that could not be sent: no way there, refused, too long, or not to be written. */
  'gossip_send_errors',
  /** Packets not sent because as many as may be were on their way already. */
  'gossip_sends_dropped',
  /** Packets over TCP whose checksum does not fit; they were read all the same. */
  'gossip_packets_corrupt',
  /** Begun by this node. */
  'gossip_streams_opened',
  /** Of these, without the answer they were for. */
  'gossip_streams_failed',
  'gossip_streams_accepted',
  /** Closed, for as many as may be were open, or for want of a TLS handshake that proves a node. */
  'gossip_streams_refused',
  /** Accepted, and closed because open connections held too much together. */
  'gossip_streams_overflowed',
  /** Came in and was not whole, or its answer not read, in time. */
  'gossip_streams_timed_out',
  /** Packets over TCP that were not taken in, for want of room; and that were not through in time. */
  'gossip_packets_refused',
  'gossip_packets_timed_out',
  'gossip_stream_bytes_sent',
  'gossip_stream_bytes_received',
  /** Messages of other programs' that came over streams; nothing here reads them. */
  'gossip_stream_user_messages',
  'gossip_socket_errors',
] as const;

type CountName = (typeof names)[number];

/** What to look after, where the reason alone does not say. */
const advice: Partial<Readonly<Record<DropReason, string>>> = {
  labelMismatch: 'give every node of one cluster the same gossip label, and clusters of one network different ones',
  labelUnexpected: 'give every node of one cluster the same gossip label',
  undecryptable: 'its gossip secret is none of this node; give both the same',
  unencrypted: 'it gossips in the clear and this node has a secret; give both the same',
  unexpectedlyEncrypted: 'it has a gossip secret and this node has none; give both the same',
};

const snake = (text: string): string => text.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Counts what the gossip sends, receives and drops, and logs trouble without letting strangers fill the log. */
export class GossipTally {
  readonly #counts = new Map<string, number>(names.map((name) => [name, 0]));
  readonly #untold = new Map<string, number>();
  readonly #rarely: Rarely;
  readonly #log: Log;

  constructor(clock: Clock, log: Log) {
    this.#rarely = new Rarely(clock, repeatMs, kindsMax);
    this.#log = log;
  }

  counts(): GossipCounts {
    return Object.fromEntries(this.#counts);
  }

  add(name: CountName, by = 1): void {
    this.#add(name, by);
  }

  /** Something of `from` (`host:port`) was not read. */
  dropped(what: 'packets' | 'streams', { reason, detail }: Drop, from: string): void {
    this.#add(`gossip_${what}_dropped_${snake(reason)}`, 1);
    // Whoever checks whether the port is open connects and says nothing.
    if (what === 'streams' && reason === 'empty') return;
    const hint = advice[reason] === undefined ? '' : `; ${advice[reason]}`;
    const noun = what === 'packets' ? 'packet' : 'stream';
    this.trouble(`${what} ${reason}`, `dropped a gossip ${noun} from ${from}: ${detail}${hint}`, { reason });
  }

  /** Logged at most once a minute for each kind, with how many there were since. */
  trouble(kind: string, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const untold = this.#untold.get(kind) ?? 0;
    if (!this.#rarely.isDue(kind)) {
      this.#untold.set(kind, untold + 1);
      return;
    }
    this.#untold.delete(kind);
    if (untold === 0) this.#log.write('warn', message, fields);
    else this.#log.write('warn', `${message} (and ${untold} more since this was last said)`, { ...fields, untold });
  }

  #add(name: string, by: number): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }
}
