import type { Socket } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createServer,
  type TLSSocket,
  type Server as TlsServer,
  connect as tlsConnect,
} from 'node:tls';
import { contextOptions, handshakeOptions, isIpAddress, nodeIdentity, type ServerTls } from '../tls.js';
import { whyNoHandshake } from '../tls-faults.js';
import { remoteOf } from './endpoints.js';
import { giveBothTls } from './problems.js';
import type { GossipTally } from './tally.js';

export interface GossipTls {
  /** As they are now. Where `clientAuth` is none, who dials shows no certificate. */
  readonly files: () => ServerTls;
  /** What certificates of nodes are issued to. */
  readonly nodeName: string;
}

export interface StreamTlsDeps extends GossipTls {
  readonly tally: GossipTally;
  readonly handshakeMs: number;
  /** Connections open at a time; more are closed at once. */
  readonly openMax: number;
  /** Somebody has proved to be a node. */
  readonly onStream: (socket: Socket) => void;
}

/** TLS below the streams of gossip, for those that come in and those that go out: both ends prove to be nodes. */
export class StreamTls {
  readonly #deps: StreamTlsDeps;
  readonly #server: TlsServer;
  readonly #open = new Set<Socket>();
  #isClosed = false;

  constructor(deps: StreamTlsDeps) {
    this.#deps = deps;
    const files = deps.files();
    this.#server = createServer({ ...handshakeOptions(files), handshakeTimeout: deps.handshakeMs });
    this.#server.on('secureConnection', (socket) => this.#onSecure(socket));
    this.#server.on('tlsClientError', (error: Error & { code?: string }, socket) => {
      // Of a certificate that is not good Node says no more here than that the connection ended; typed as an error, it is a code.
      const unauthorized: unknown = socket.authorizationError;
      this.#refuse(socket, whyNot(typeof unauthorized === 'string' ? unauthorized : error.code, error.message));
    });
  }

  accept(socket: Socket): void {
    const { tally, openMax } = this.#deps;
    socket.on('error', () => {});
    if (this.#isClosed || this.#open.size >= openMax) {
      tally.add('gossip_streams_refused');
      socket.destroy();
      return;
    }
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    this.#server.emit('connection', socket);
  }

  dial(host: string, port: number): TLSSocket {
    const { files, nodeName } = this.#deps;
    const { clientAuth, cert, key, ca } = files();
    // Taken by Node, and unknown to its types.
    const options: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
      host,
      port,
      ...contextOptions(clientAuth === 'none' ? { ca } : { ca, cert, key }),
      allowHalfOpen: true,
      // An IP address is no server name (RFC 6066).
      servername: isIpAddress(host) ? nodeName : host,
      checkServerIdentity: nodeIdentity(host, nodeName),
    };
    return tlsConnect(options).setNoDelay(true);
  }

  /** For connections from now on. */
  renew(): void {
    this.#server.setSecureContext(contextOptions(this.#deps.files()));
  }

  /** Breaks all of them off. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#open) socket.destroy();
  }

  #onSecure(socket: TLSSocket): void {
    const { files, nodeName, onStream } = this.#deps;
    socket.on('error', () => {});
    const problem =
      files().clientAuth === 'none' ? undefined : checkServerIdentity(nodeName, socket.getPeerCertificate());
    if (problem !== undefined) this.#refuse(socket, `its certificate is not one of ${nodeName}, which nodes bear`);
    else onStream(socket);
  }

  /** @param why undefined: nobody need know */
  #refuse(socket: Socket, why: string | undefined): void {
    const { tally } = this.#deps;
    tally.add('gossip_streams_refused');
    if (why !== undefined) tally.trouble('tls', `refused a gossip stream from ${remoteOf(socket)}: ${why}`);
    socket.destroy();
  }
}

/** Whoever checks whether the port is open connects and says nothing; and who trusts nobody here says so over there. */
function whyNot(code: string | undefined, message: string): string | undefined {
  if (code === 'ECONNRESET') return undefined;
  return /WRONG_VERSION_NUMBER|HTTP_REQUEST|UNKNOWN_PROTOCOL|UNEXPECTED_MESSAGE/.test(code ?? '')
    ? `it does not speak TLS, which this node does there; ${giveBothTls}`
    : whyNoHandshake({ code, message });
}
