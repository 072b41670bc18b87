import type { Socket } from 'node:net';
import { assert, unreachable } from '../../base/assert.js';
import { formatDuration, formatSize } from '../../base/units.js';
import type { Ack, Ping, PushPull, StreamMessage } from '../../membership/messages.js';
import type { StreamId } from '../../membership/swim/effects.js';
import type { Cancel, Clock } from '../../ports/clock.js';
import { GossipFault } from '../../wire/memberlist/fault.js';
import { tcpPacketBytesMax } from '../../wire/memberlist/limits.js';
import type { StreamCodec, StreamReader } from '../../wire/memberlist/stream.js';
import { connectionKind, TcpPacketReader } from '../../wire/memberlist/tcp-packet.js';
import { remoteOf } from './endpoints.js';
import type { GossipLimits } from './options.js';
import type { GossipTally } from './tally.js';

/** What somebody may send behind its message before the connection is broken off. */
const surplusBytesMax = 65_536;

export interface StreamsInDeps {
  readonly kind: 'udp' | 'tcp';
  readonly codec: StreamCodec;
  readonly clock: Clock;
  readonly tally: GossipTally;
  readonly limits: GossipLimits;
  readonly onQuestion: (stream: StreamId, question: Ping | PushPull) => void;
  /** One packet that came over a connection; `from` is `host:port` as its sender wrote it, or ''. */
  readonly onPacket: (packet: Uint8Array, from: string, socket: Socket) => void;
}

type Phase =
  /** With 'tcp': the byte that tells what it is for has not come. */
  | { readonly is: 'silent' }
  | { readonly is: 'packet'; readonly reader: TcpPacketReader }
  | { readonly is: 'stream'; readonly reader: StreamReader }
  /** Its message is told; it waits for `answer` or `drop`. */
  | { readonly is: 'asked'; readonly stream: StreamId }
  /** All is said that will be; the other side may still read. */
  | { readonly is: 'closing' };

interface Visit {
  readonly socket: Socket;
  readonly remote: string;
  readonly sinceMs: number;
  phase: Phase;
  counts: 'streams' | 'packets' | undefined;
  heldBytes: number;
  surplusBytes: number;
  cancelDeadline: Cancel;
}

/**
 * Connections that others open: streams with a question each, and with 'tcp' packets too. Strangers may open them, so all
 * is bounded: how many there are, what they hold together, and how long each may take to ask and then to read the answer.
 */
export class StreamsIn {
  readonly #deps: StreamsInDeps;
  readonly #open = new Set<Visit>();
  readonly #asked = new Map<StreamId, Visit>();
  #streams = 0;
  #packets = 0;
  #heldBytes = 0;
  #streamNext = 1;
  #emptied: (() => void) | undefined;

  constructor(deps: StreamsInDeps) {
    this.#deps = deps;
  }

  accept(socket: Socket): void {
    // A connection that is gone already has no address; what it sent is read all the same.
    const visit: Visit = {
      socket,
      remote: remoteOf(socket),
      sinceMs: this.#deps.clock.nowMs(),
      phase: { is: 'silent' },
      counts: undefined,
      heldBytes: 0,
      surplusBytes: 0,
      cancelDeadline: () => {},
    };
    socket.on('error', () => this.#onBroken(visit));
    const { kind, limits } = this.#deps;
    const max = limits.streamsInMax + (kind === 'tcp' ? limits.packetsInMax : 0);
    if (this.#emptied !== undefined || this.#open.size >= max) {
      this.#refuse(visit, 'streams');
      return;
    }
    this.#open.add(visit);
    this.#setDeadline(visit, kind === 'tcp' ? limits.packetTimeoutMs : limits.streamTimeoutMs);
    socket.on('data', (piece) => this.#onData(visit, piece));
    socket.on('end', () => this.#onEnd(visit));
    socket.on('close', () => this.#forget(visit));
    if (kind === 'udp') this.#beginStream(visit);
  }

  /** Writes the answer and closes. Nothing happens when the stream is gone meanwhile. */
  answer(stream: StreamId, message: Ack | PushPull): void {
    const visit = this.#asked.get(stream);
    if (visit === undefined) return;
    const { codec, tally } = this.#deps;
    try {
      this.#endWith(visit, codec.write(message, 'listener'));
    } catch (error) {
      if (!(error instanceof GossipFault)) throw error;
      tally.trouble('unwritable', `the answer to ${visit.remote} cannot be written: ${error.detail}`);
      visit.socket.destroy();
    }
  }

  drop(stream: StreamId): void {
    this.#asked.get(stream)?.socket.destroy();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#emptied = resolve;
      for (const { socket } of this.#open) socket.destroy();
      if (this.#open.size === 0) resolve();
    });
  }

  #onData(visit: Visit, piece: Uint8Array): void {
    const { phase } = visit;
    switch (phase.is) {
      case 'silent':
        this.#begin(visit, piece);
        break;
      case 'packet': {
        if (!this.#hold(visit, piece.length)) return;
        const drop = phase.reader.push(piece);
        if (drop === undefined) return;
        this.#deps.tally.dropped('packets', drop, visit.remote);
        visit.socket.destroy();
        break;
      }
      case 'stream':
        this.#readStream(visit, phase.reader, piece);
        break;
      case 'asked':
      case 'closing':
        visit.surplusBytes += piece.length;
        if (visit.surplusBytes > surplusBytesMax) visit.socket.destroy();
        break;
      default:
        unreachable(phase);
    }
  }

  /** The first byte tells what the connection is for. */
  #begin(visit: Visit, piece: Uint8Array): void {
    const { tally, limits } = this.#deps;
    const first = piece[0]!;
    switch (connectionKind(first)) {
      case 'packet':
        if (this.#packets >= limits.packetsInMax) {
          this.#refuse(visit, 'packets');
          return;
        }
        this.#packets++;
        visit.counts = 'packets';
        this.#move(visit, { is: 'packet', reader: new TcpPacketReader(tcpPacketBytesMax) });
        this.#onData(visit, piece);
        break;
      case 'stream':
        if (!this.#beginStream(visit)) return;
        this.#setDeadline(visit, visit.sinceMs + limits.streamTimeoutMs - this.#deps.clock.nowMs());
        if (piece.length > 1) this.#onData(visit, piece.subarray(1));
        break;
      default: {
        const detail = `a connection that begins with byte ${first}, neither a packet nor a stream`;
        tally.dropped('streams', { reason: 'unsupportedType', detail }, visit.remote);
        visit.socket.destroy();
      }
    }
  }

  #beginStream(visit: Visit): boolean {
    const { tally, limits, codec } = this.#deps;
    if (this.#streams >= limits.streamsInMax) {
      this.#refuse(visit, 'streams');
      return false;
    }
    this.#streams++;
    visit.counts = 'streams';
    tally.add('gossip_streams_accepted');
    this.#move(visit, { is: 'stream', reader: codec.reader('listener') });
    return true;
  }

  #readStream(visit: Visit, reader: StreamReader, piece: Uint8Array): void {
    const { tally } = this.#deps;
    tally.add('gossip_stream_bytes_received', piece.length);
    if (!this.#hold(visit, piece.length)) return;
    const step = reader.push(piece);
    if (step.is === 'more') return;
    this.#release(visit);
    if (step.is === 'message') {
      this.#onMessage(visit, step.message);
      return;
    }
    tally.dropped('streams', step.drop, visit.remote);
    if (step.reply === undefined) visit.socket.destroy();
    else this.#endWith(visit, step.reply);
  }

  #onMessage(visit: Visit, message: StreamMessage): void {
    if (message.is !== 'ping' && message.is !== 'pushPull') {
      this.#deps.tally.add('gossip_stream_user_messages');
      this.#endWith(visit, new Uint8Array());
      return;
    }
    const stream = this.#streamNext++;
    this.#move(visit, { is: 'asked', stream });
    this.#deps.onQuestion(stream, message);
  }

  #onEnd(visit: Visit): void {
    const { phase, socket } = visit;
    // Who has asked, or reads an answer, may have said all that it will.
    if (phase.is === 'asked' || phase.is === 'closing') return;
    this.#move(visit, { is: 'closing' });
    if (phase.is === 'packet') this.#onPacketEnd(visit, phase.reader);
    else this.#lost(visit, phase);
    socket.destroy();
  }

  #onPacketEnd({ remote, socket }: Visit, reader: TcpPacketReader): void {
    const { tally, onPacket } = this.#deps;
    const read = reader.end();
    if ('reason' in read) {
      tally.dropped('packets', read, remote);
      return;
    }
    if (!read.intact) {
      tally.add('gossip_packets_corrupt');
      tally.trouble('corrupt', `the checksum of a packet from ${read.from || remote} does not fit it`);
    }
    onPacket(read.packet, read.from, socket);
  }

  #onBroken(visit: Visit): void {
    this.#lost(visit, visit.phase);
    this.#move(visit, { is: 'closing' });
  }

  /** The connection ended before its message did. */
  #lost({ remote }: Visit, phase: Phase): void {
    const { tally } = this.#deps;
    if (phase.is === 'silent') tally.dropped('streams', { reason: 'empty', detail: 'not a byte' }, remote);
    if (phase.is === 'packet') tally.dropped('packets', { reason: 'truncated', detail: 'it broke off' }, remote);
    const drop = phase.is === 'stream' ? phase.reader.end() : undefined;
    if (drop !== undefined) tally.dropped('streams', drop, remote);
  }

  /** Says the last word: the other side reads it all and closes, or is closed at the deadline. */
  #endWith(visit: Visit, bytes: Uint8Array): void {
    const { tally, limits } = this.#deps;
    this.#move(visit, { is: 'closing' });
    if (!this.#hold(visit, bytes.length)) return;
    tally.add('gossip_stream_bytes_sent', bytes.length);
    this.#setDeadline(visit, limits.streamTimeoutMs);
    visit.socket.end(bytes);
  }

  #move(visit: Visit, phase: Phase): void {
    if (visit.phase.is === 'asked') this.#asked.delete(visit.phase.stream);
    visit.phase = phase;
    if (phase.is === 'asked') this.#asked.set(phase.stream, visit);
  }

  #setDeadline(visit: Visit, afterMs: number): void {
    visit.cancelDeadline();
    visit.cancelDeadline = this.#deps.clock.after(afterMs, () => this.#onDeadline(visit, afterMs));
  }

  #onDeadline(visit: Visit, afterMs: number): void {
    const { tally } = this.#deps;
    const { phase, socket, remote } = visit;
    this.#move(visit, { is: 'closing' });
    // Written in full: that the other side does not close is no harm done.
    if (phase.is !== 'closing' || !socket.writableFinished) {
      const isPacket = phase.is === 'packet';
      tally.add(isPacket ? 'gossip_packets_timed_out' : 'gossip_streams_timed_out');
      const what = phase.is === 'closing' ? 'did not read its answer' : 'was not through';
      const noun = isPacket ? 'packet' : 'stream';
      tally.trouble('timedOut', `a gossip ${noun} from ${remote} ${what} within ${formatDuration(afterMs)}; closed it`);
    }
    socket.destroy();
  }

  /** False when it was closed instead. */
  #hold(visit: Visit, bytes: number): boolean {
    visit.heldBytes += bytes;
    this.#heldBytes += bytes;
    if (this.#heldBytes <= this.#deps.limits.heldBytesMax) return true;
    const { tally } = this.#deps;
    tally.add(visit.counts === 'packets' ? 'gossip_packets_refused' : 'gossip_streams_overflowed');
    tally.trouble(
      'held',
      `open gossip connections hold ${formatSize(this.#heldBytes)}; closed that of ${visit.remote}`,
    );
    this.#move(visit, { is: 'closing' });
    visit.socket.destroy();
    return false;
  }

  #release(visit: Visit): void {
    this.#heldBytes -= visit.heldBytes;
    visit.heldBytes = 0;
  }

  #refuse(visit: Visit, what: 'streams' | 'packets'): void {
    const { tally } = this.#deps;
    this.#move(visit, { is: 'closing' });
    tally.add(what === 'streams' ? 'gossip_streams_refused' : 'gossip_packets_refused');
    tally.trouble('refused', `refused a gossip connection from ${visit.remote}: ${this.#open.size} are open`);
    visit.socket.destroy();
  }

  /** Recomputes the totals the slow way. For tests. */
  check(): void {
    const open = [...this.#open];
    const { limits } = this.#deps;
    const of = (counts: Visit['counts']): number => open.filter((visit) => visit.counts === counts).length;
    assert(this.#streams === of('streams') && this.#streams <= limits.streamsInMax, `${this.#streams} streams`);
    assert(this.#packets === of('packets') && this.#packets <= limits.packetsInMax, `${this.#packets} packets`);
    assert(
      this.#heldBytes === open.reduce((sum, { heldBytes }) => sum + heldBytes, 0),
      `${this.#heldBytes} bytes held`,
    );
    assert(this.#asked.size === open.filter(({ phase }) => phase.is === 'asked').length, `${this.#asked.size} asked`);
  }

  #forget(visit: Visit): void {
    visit.cancelDeadline();
    this.#release(visit);
    this.#move(visit, { is: 'closing' });
    if (visit.counts === 'streams') this.#streams--;
    else if (visit.counts === 'packets') this.#packets--;
    this.#open.delete(visit);
    if (this.#open.size === 0) this.#emptied?.();
  }
}
