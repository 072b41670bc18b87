import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { GossipArrival } from '../../../../src/membership/gossip/transport.js';
import type { PushPull } from '../../../../src/membership/messages.js';
import type { Endpoint } from '../../../../src/membership/swim/effects.js';
import type { SocketGossipTransport } from '../../../../src/transport/gossip/gossip-transport.js';
import type { GossipTransportOptions } from '../../../../src/transport/gossip/options.js';
import { StreamCodec } from '../../../../src/wire/memberlist/stream.js';
import { GossipNode, stateOf } from '../../../contract/gossip-transport.contract.js';
import {
  CountingClock,
  endpointAt,
  Lines,
  loopback,
  socketTransport,
  soonEnough,
} from '../../../support/gossip-sockets.js';

/** Nodes over real sockets, servers that are none, and what is left of all of them at the end. */
export class Peers {
  readonly clock = new CountingClock();
  readonly #nodes: RealNode[] = [];
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  async open(options: Partial<GossipTransportOptions> = {}): Promise<RealNode> {
    const lines = new Lines();
    const node = new RealNode(socketTransport({ clock: this.clock, log: lines, ...options }), lines);
    this.#nodes.push(node);
    const at = await node.transport.open((arrival) => {
      node.arrivals.push(arrival);
      node.onArrival(arrival);
    }, soonEnough());
    node.port = at.port;
    node.endpoint = endpointAt(at.port, at.host === '::' || at.host === '0.0.0.0' ? loopback : at.host);
    return node;
  }

  /** Something else that listens. */
  async serve(onConnection: (socket: Socket) => void): Promise<Endpoint> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#keep(socket);
      onConnection(socket);
    });
    this.#servers.push(server);
    server.listen(0, loopback);
    await once(server, 'listening');
    const address = server.address();
    return endpointAt(typeof address === 'object' && address !== null ? address.port : 0);
  }

  /** A connection as a stranger makes it. */
  dial(port: number, host = loopback): Socket {
    const socket = connect({ host, port, allowHalfOpen: true });
    this.#keep(socket);
    return socket;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    await Promise.all(this.#nodes.map((node) => node.transport.close()));
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

export class RealNode extends GossipNode {
  port = 0;

  constructor(
    override readonly transport: SocketGossipTransport,
    readonly lines: Lines,
  ) {
    super(transport);
  }

  count(name: string): number {
    return this.transport.counts()[name] ?? 0;
  }

  /** Answers every exchange with this state. */
  answering(state: PushPull = stateOf('answerer')): this {
    this.onArrival = (arrival: GossipArrival): void => {
      if (arrival.is === 'exchangeAsked') this.carry({ do: 'answer', stream: arrival.stream, message: state });
    };
    return this;
  }
}

/** In the clear and without a label. */
export const plainStreams = new StreamCodec({
  label: new Uint8Array(),
  skipInboundLabelCheck: false,
  keys: undefined,
  sealVersion: 1,
  verifyIncoming: true,
  verifyOutgoing: true,
  nonce: () => new Uint8Array(12),
  compress: false,
});

/** The other side ended or broke off; reads and forgets what comes before that. */
export const gone = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket
      .resume()
      .once('end', resolve)
      .once('close', () => resolve());
  });

/** All that comes until the other side ends, or breaks it off. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  await gone(socket);
  return Buffer.concat(pieces);
}
