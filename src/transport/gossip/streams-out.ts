import { connect, type Socket } from 'node:net';
import { formatDuration } from '../../base/units.js';
import { addressOf } from '../../membership/endpoints.js';
import type { GossipArrival, GossipErrand } from '../../membership/gossip/transport.js';
import type { StreamMessage } from '../../membership/messages.js';
import type { Clock } from '../../ports/clock.js';
import { GossipFault } from '../../wire/memberlist/fault.js';
import type { StreamCodec } from '../../wire/memberlist/stream.js';
import { streamByte } from '../../wire/memberlist/tcp-packet.js';
import { dialable } from './endpoints.js';
import type { GossipLimits } from './options.js';
import {
  closedUnanswered,
  isRefusal,
  whyBroken,
  whyNoStreamTls,
  whyNotConnected,
  whyRefused,
  whyUnread,
} from './problems.js';
import type { StreamTls } from './stream-tls.js';
import type { GossipTally } from './tally.js';

export type Question = Extract<GossipErrand, { do: 'exchange' | 'streamPing' }>;

export interface StreamsOutDeps {
  readonly kind: 'udp' | 'tcp';
  readonly codec: StreamCodec;
  readonly clock: Clock;
  readonly tally: GossipTally;
  readonly limits: GossipLimits;
  readonly report: (arrival: GossipArrival) => void;
  /** undefined: in the clear, as far as TLS goes. */
  readonly tls: StreamTls | undefined;
}

/** Enough of an answer to tell what language it is in. */
const startBytes = 16;

/** Streams that this node begins: each carries one question there, one answer back, and ends by its own deadline. */
export class StreamsOut {
  readonly #deps: StreamsOutDeps;
  readonly #open = new Set<Socket>();
  #closing: Promise<void> | undefined;
  #emptied: () => void = () => {};

  constructor(deps: StreamsOutDeps) {
    this.#deps = deps;
  }

  /** Reports exactly once, later, unless this is closed first. */
  ask(question: Question): void {
    if (this.#closing !== undefined) return;
    const { clock, tally, report } = this.#deps;
    tally.add('gossip_streams_opened');
    const opened = this.#prepare(question);
    if (typeof opened !== 'string') {
      this.#dial(question, opened.socket, opened.bytes);
      return;
    }
    tally.add('gossip_streams_failed');
    clock.soon(() => {
      if (this.#closing === undefined) report(failureOf(question, opened));
    });
  }

  /** Breaks all of them off; nothing is reported any more. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#emptied = resolve;
      for (const socket of this.#open) socket.destroy();
      if (this.#open.size === 0) resolve();
    });
    return this.#closing;
  }

  #dial(question: Question, socket: Socket, bytes: Uint8Array): void {
    const { clock, tally, codec, report, tls } = this.#deps;
    const reader = codec.reader('dialler');
    let start = new Uint8Array();
    let connected = false;
    let over = false;
    this.#open.add(socket);

    /** The first outcome counts; the socket goes with it. */
    const settle = (arrival: GossipArrival, failed: boolean): void => {
      if (over) return;
      over = true;
      cancelDeadline();
      socket.destroy();
      if (failed) tally.add('gossip_streams_failed');
      if (this.#closing === undefined) report(arrival);
    };
    const fail = (problem: string, refused = false): void => settle(failureOf(question, problem, refused), true);
    const cancelDeadline = clock.after(question.withinMs, () => {
      const missing = connected ? 'answer' : 'connection';
      fail(`no ${missing} within ${formatDuration(question.withinMs)}`);
    });

    socket.on(tls === undefined ? 'connect' : 'secureConnect', () => {
      connected = true;
    });
    socket.on('data', (piece) => {
      if (over) return;
      tally.add('gossip_stream_bytes_received', piece.length);
      if (start.length < startBytes) start = Buffer.concat([start, piece.subarray(0, startBytes - start.length)]);
      const step = reader.push(piece);
      if (step.is === 'refused') {
        tally.dropped('streams', step.drop, addressOf(question.to));
        fail(whyUnread(step.drop, start));
      } else if (step.is === 'message') {
        const answer = answerTo(question, step.message);
        if (typeof answer === 'string') fail(answer);
        else settle(answer, false);
      }
    });
    socket.on('end', () => {
      const drop = reader.end();
      fail(drop === undefined ? closedUnanswered : whyUnread(drop, start));
    });
    socket.on('error', (error) => {
      const untrusted = tls && whyNoStreamTls(error);
      if (untrusted !== undefined) fail(untrusted);
      else if (connected) fail(whyBroken(error));
      else fail(whyNotConnected(error), isRefusal(error));
    });
    socket.on('close', () => {
      this.#open.delete(socket);
      fail(closedUnanswered);
      if (this.#open.size === 0) this.#emptied();
    });
    socket.write(bytes);
    tally.add('gossip_stream_bytes_sent', bytes.length);
  }

  /** A stream on its way and what goes onto it, or why there is none. */
  #prepare(question: Question): { readonly socket: Socket; readonly bytes: Uint8Array } | string {
    const place = dialable(question.to);
    if (place === undefined) return 'no stream can be opened to that address';
    if (this.#open.size >= this.#deps.limits.streamsOutMax) return `${this.#open.size} streams are open already`;
    try {
      const bytes = this.#write(question);
      const { ip: host, port } = place;
      const socket = this.#deps.tls?.dial(host, port) ?? connect({ host, port, noDelay: true, allowHalfOpen: true });
      return { socket, bytes };
    } catch (error) {
      if (error instanceof GossipFault) return `the question cannot be written: ${error.detail}`;
      throw error;
    }
  }

  #write(question: Question): Uint8Array {
    const { codec, kind } = this.#deps;
    const bytes = codec.write(question.do === 'exchange' ? question.state : question.ping, 'dialler');
    return kind === 'tcp' ? Buffer.concat([Uint8Array.of(streamByte), bytes]) : bytes;
  }
}

function failureOf(question: Question, problem: string, refused = false): GossipArrival {
  if (question.do === 'streamPing') return { is: 'streamPong', seqNo: question.ping.seqNo, ok: false };
  return {
    is: 'exchangeFailed',
    exchange: question.exchange,
    problem: `${addressOf(question.to)}: ${problem}`,
    refused,
  };
}

/** What the answer means, or as a text why it is none. */
function answerTo(question: Question, message: StreamMessage): GossipArrival | string {
  if (message.is === 'err') return whyRefused(message.error);
  if (question.do === 'streamPing') {
    const { seqNo } = question.ping;
    return message.is === 'ack' && message.seqNo === seqNo ? { is: 'streamPong', seqNo, ok: true } : 'another ack';
  }
  if (message.is !== 'pushPull') return `it answered with ${message.is} where its state was asked for`;
  return { is: 'exchanged', exchange: question.exchange, state: message };
}
