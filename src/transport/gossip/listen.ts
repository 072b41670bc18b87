import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { joinAddress } from '../../base/addresses.js';
import type { GossipAt } from '../../membership/gossip/transport.js';
import { type ListenError, listenError } from '../listen-error.js';

export interface GossipSockets {
  readonly at: GossipAt;
  readonly server: Server;
  /** Undefined where packets go over TCP. */
  readonly udp: UdpSocket | undefined;
}

export interface ListenOptions extends GossipAt {
  readonly kind: 'udp' | 'tcp';
  readonly onConnection: (socket: Socket) => void;
  readonly onDatagram: (packet: Uint8Array, ip: string, port: number) => void;
  readonly onError: (error: Error) => void;
  /** Throws when the attempt is not wanted any more. */
  readonly check: () => void;
}

/** A free port of one protocol is mostly free in the other as well. */
const attemptsMax = 16;
/** What memberlist asks of the machine, and halves until it is granted: a burst then waits rather than being lost. */
const receiveBufferBytes = 2 * 1024 * 1024;
const receiveBufferBytesMin = 64 * 1024;

/** Opens what the kind takes, all on one port. Rejects with a ListenError, or with what `check` throws; nothing is open then. */
export async function listenForGossip(options: ListenOptions): Promise<GossipSockets> {
  const { host, port } = options;
  let last: ListenError | undefined;
  for (let attempt = 0; attempt < (port === 0 ? attemptsMax : 1); attempt++) {
    options.check();
    try {
      return await listenOnce(options);
    } catch (error) {
      last = listenError(joinAddress(host, port), error as Error, '--discovery-port');
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw last;
    }
  }
  throw last;
}

async function listenOnce({
  host,
  port,
  kind,
  onConnection,
  onDatagram,
  onError,
}: ListenOptions): Promise<GossipSockets> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
  const listening = once(server, 'listening');
  server.listen({ host, port, exclusive: true });
  await listening;
  const address = server.address();
  const taken = typeof address === 'object' && address !== null ? address.port : port;
  server.on('error', onError);
  try {
    const udp = kind === 'udp' ? await bind(host, taken) : undefined;
    udp?.on('error', onError);
    udp?.on('message', (packet, { address: ip, port: from }) => onDatagram(packet, ip, from));
    return { at: { host, port: taken }, server, udp };
  } catch (error) {
    const closed = once(server, 'close');
    server.close();
    await closed;
    throw error;
  }
}

async function bind(host: string, port: number): Promise<UdpSocket> {
  const socket = createSocket({
    type: host.includes(':') ? 'udp6' : 'udp4',
    // Only literals come here. Without the resolver in between a packet is out when `send` returns.
    lookup: (ip, _options, callback) => callback(null, ip, ip.includes(':') ? 6 : 4),
  });
  const listening = once(socket, 'listening');
  try {
    socket.bind({ address: host, port, exclusive: true });
    await listening;
  } catch (error) {
    socket.close();
    throw error;
  }
  for (let bytes = receiveBufferBytes; bytes >= receiveBufferBytesMin; bytes /= 2) {
    try {
      socket.setRecvBufferSize(bytes);
      break;
    } catch {
      // The machine allows less.
    }
  }
  return socket;
}
