import type { Socket } from 'node:net';
import { joinAddress, splitAddress } from '../../base/addresses.js';
import { unreachable } from '../../base/assert.js';
import { aborted, notStarted, timedOut } from '../../base/errors.js';
import { addressOf, endpointOf } from '../../membership/endpoints.js';
import type {
  GossipArrival,
  GossipAt,
  GossipCounts,
  GossipErrand,
  GossipTransport,
} from '../../membership/gossip/transport.js';
import type { Endpoint } from '../../membership/swim/effects.js';
import type { Wait } from '../../ports/clock.js';
import { GossipFault } from '../../wire/memberlist/fault.js';
import { inflatedBytesMax, udpInflatedBytesMax } from '../../wire/memberlist/limits.js';
import { encodePacketMessage } from '../../wire/memberlist/messages.js';
import { PacketCodec } from '../../wire/memberlist/packet.js';
import { StreamCodec } from '../../wire/memberlist/stream.js';
import { Datagrams, type PacketCarrier } from './datagrams.js';
import { isUnspecified, remoteOf } from './endpoints.js';
import { type GossipSockets, listenForGossip } from './listen.js';
import { checkGossipOptions, type GossipLimits, type GossipTransportOptions, gossipLimits } from './options.js';
import { StreamTls } from './stream-tls.js';
import { StreamsIn } from './streams-in.js';
import { StreamsOut } from './streams-out.js';
import { GossipTally } from './tally.js';
import { TcpPackets } from './tcp-packets.js';

/** A transport over sockets. */
export interface SocketGossipTransport extends GossipTransport {
  /**
   * Where others are to answer: goes along with each packet of kind 'tcp'. Until told, it is where the socket listens.
   * @param host an IP literal
   */
  advertise(host: string, port: number): void;
  /** The certificates of `tls` are others now: for streams from now on. */
  renewTls(): void;
}

/** Gossip as memberlist speaks it, or as distcache-go does. Throws INVALID_ARGUMENT for options that cannot be. */
export function createGossipTransport(options: GossipTransportOptions): SocketGossipTransport {
  checkGossipOptions(options);
  return new SocketTransport(options, gossipLimits(options));
}

type State =
  | { readonly is: 'new' }
  | { readonly is: 'opening'; readonly done: Promise<unknown> }
  | { readonly is: 'open'; readonly sockets: GossipSockets; readonly packets: PacketCarrier }
  | { readonly is: 'closed' };

class SocketTransport implements SocketGossipTransport {
  readonly #options: GossipTransportOptions;
  readonly #limits: GossipLimits;
  readonly #tally: GossipTally;
  readonly #packetCodec: PacketCodec;
  readonly #streamsIn: StreamsIn;
  readonly #streamsOut: StreamsOut;
  readonly #tls: StreamTls | undefined;
  #state: State = { is: 'new' };
  #tell: (arrival: GossipArrival) => void = () => {};
  #advertised = '';
  #closing: Promise<void> | undefined;

  constructor(options: GossipTransportOptions, limits: GossipLimits) {
    this.#options = options;
    this.#limits = limits;
    const { kind, label, keys, nonce, clock, log, tls, compress = false } = options;
    const { verifyIncoming = true, verifyOutgoing = true } = options;
    this.#tally = new GossipTally(clock, log);
    const policy = {
      label: Buffer.from(label),
      skipInboundLabelCheck: false,
      keys,
      sealVersion: 1,
      verifyIncoming,
      verifyOutgoing,
      nonce,
      compress,
    } as const;
    this.#packetCodec = new PacketCodec({
      ...policy,
      inflatedBytesMax: kind === 'udp' ? udpInflatedBytesMax : inflatedBytesMax,
    });
    const common = { kind, codec: new StreamCodec(policy), clock, limits, tally: this.#tally };
    this.#tls =
      tls &&
      new StreamTls({
        ...tls,
        tally: this.#tally,
        handshakeMs: limits.streamTimeoutMs,
        openMax: limits.streamsInMax,
        onStream: (socket) => this.#accept(socket),
      });
    this.#streamsOut = new StreamsOut({ ...common, tls: this.#tls, report: (arrival) => this.#arrive(arrival) });
    this.#streamsIn = new StreamsIn({
      ...common,
      onQuestion: (stream, question) =>
        this.#arrive(
          question.is === 'ping'
            ? { is: 'streamPing', stream, ping: question }
            : { is: 'exchangeAsked', stream, state: question },
        ),
      onPacket: (packet, from, socket) => this.#onTcpPacket(packet, from, socket),
    });
  }

  get packetOverheadBytes(): number {
    return this.#packetCodec.overheadBytes;
  }

  async open(onArrival: (arrival: GossipArrival) => void, wait: Wait): Promise<GossipAt> {
    if (this.#state.is !== 'new') throw notStarted('the gossip transport is opened once');
    const opening = this.#listen(wait);
    this.#state = { is: 'opening', done: opening.catch(() => {}) };
    try {
      const sockets = await opening;
      if (this.#closing !== undefined) {
        await closeSockets(sockets);
        throw aborted('opening the gossip transport');
      }
      this.#tell = onArrival;
      this.#state = { is: 'open', sockets, packets: this.#carrierOn(sockets) };
      if (this.#advertised === '') this.#advertised = joinAddress(sockets.at.host, sockets.at.port);
      return sockets.at;
    } catch (error) {
      this.#state = { is: 'closed' };
      throw error;
    }
  }

  advertise(host: string, port: number): void {
    this.#advertised = joinAddress(host, port);
  }

  renewTls(): void {
    this.#tls?.renew();
  }

  carry(errand: GossipErrand): void {
    if (this.#state.is !== 'open') return;
    switch (errand.do) {
      case 'send':
        this.#send(errand, this.#state.packets);
        break;
      case 'exchange':
      case 'streamPing':
        this.#streamsOut.ask(errand);
        break;
      case 'answer':
        this.#streamsIn.answer(errand.stream, errand.message);
        break;
      case 'drop':
        this.#streamsIn.drop(errand.stream);
        break;
      default:
        unreachable(errand);
    }
  }

  counts(): GossipCounts {
    return this.#tally.counts();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const before = this.#state;
    this.#tell = () => {};
    this.#state = { is: 'closed' };
    // Whoever opens finds it closed, and takes down what it opened.
    if (before.is === 'opening') await before.done;
    if (before.is !== 'open') return;
    const { sockets, packets } = before;
    const listening = closeServer(sockets);
    this.#tls?.close();
    await Promise.all([this.#streamsIn.close(), this.#streamsOut.close(), packets.close(), listening]);
  }

  #listen(wait: Wait): Promise<GossipSockets> {
    const { host, port, kind, clock } = this.#options;
    const startedMs = clock.nowMs();
    return listenForGossip({
      host,
      port,
      kind,
      onConnection: (socket) => {
        if (this.#tls === undefined) this.#accept(socket);
        else this.#tls.accept(socket);
      },
      onDatagram: (packet, ip, from) => this.#onDatagram(packet, ip, from),
      onError: (error) => {
        this.#tally.add('gossip_socket_errors');
        this.#tally.trouble('socket', `the gossip socket reports: ${error.message}`);
      },
      check: () => {
        if (wait.signal?.aborted === true || this.#closing !== undefined) throw aborted('opening the gossip transport');
        const nowMs = clock.nowMs();
        if (nowMs >= wait.deadlineMs) throw timedOut('opening the gossip transport', nowMs - startedMs);
      },
    });
  }

  #accept(socket: Socket): void {
    if (this.#state.is === 'open') this.#streamsIn.accept(socket);
    else socket.destroy();
  }

  #carrierOn({ udp }: GossipSockets): PacketCarrier {
    const { clock } = this.#options;
    const deps = {
      clock,
      tally: this.#tally,
      unsendable: (to: Endpoint) => this.#arrive({ is: 'sendFailed', to }),
    };
    if (udp !== undefined) return new Datagrams(udp, this.#limits.sendsMax, deps);
    return new TcpPackets({ ...deps, limits: this.#limits, from: () => this.#advertised });
  }

  #send({ to, messages, checksum }: Extract<GossipErrand, { do: 'send' }>, carrier: PacketCarrier): void {
    let packets: readonly Uint8Array[];
    try {
      packets = this.#packetCodec.write(messages.map(encodePacketMessage), checksum);
    } catch (error) {
      if (!(error instanceof GossipFault)) throw error;
      this.#tally.add('gossip_send_errors');
      this.#tally.trouble('unwritable', `a packet to ${addressOf(to)} cannot be written: ${error.detail}`);
      return;
    }
    for (const packet of packets) carrier.send(to, packet);
  }

  #onDatagram(packet: Uint8Array, ip: string, port: number): void {
    const from = endpointOf(ip, port);
    if (from !== undefined && this.#state.is === 'open') this.#onPacket(packet, from);
  }

  /** Its sender says where it listens; one that doesn't know its own address is at least where the connection came from. */
  #onTcpPacket(packet: Uint8Array, written: string, socket: Socket): void {
    const remote = splitAddress(remoteOf(socket));
    const { host, port } = written === '' ? remote : splitAddress(written);
    const from = endpointOf(isUnspecified(host) ? remote.host : host, port) ?? endpointOf(remote.host, remote.port);
    if (from !== undefined) this.#onPacket(packet, from);
  }

  #onPacket(packet: Uint8Array, from: Endpoint): void {
    this.#tally.add('gossip_packets_received');
    this.#tally.add('gossip_packet_bytes_received', packet.length);
    const { messages, drops } = this.#packetCodec.read(packet);
    for (const drop of drops) this.#tally.dropped('packets', drop, addressOf(from));
    if (messages.length > 0) this.#arrive({ is: 'packet', from, messages });
  }

  #arrive(arrival: GossipArrival): void {
    if (this.#state.is === 'open') this.#tell(arrival);
  }
}

/** Takes no more connections; resolves when those there are have ended. */
const closeServer = ({ server }: GossipSockets): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
  });

async function closeSockets(sockets: GossipSockets): Promise<void> {
  const { udp } = sockets;
  const unbound = udp === undefined ? undefined : new Promise<void>((resolve) => udp.close(() => resolve()));
  await Promise.all([closeServer(sockets), unbound]);
}
