import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { namesOf } from '../certificates/names.js';
import type { Cancel, Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { type Connections, keyOf } from './connections.js';
import { listenError } from './listen-error.js';
import { Rarely } from './rarely.js';
import { contextOptions, listenerOptions, type ServerTls } from './tls.js';
import { whyNoHandshake } from './tls-faults.js';

/*
 * Where clients and peers come in. Every connection is looked at before gRPC has it: by its first byte one that speaks TLS
 * is told from one that does not, so that each mistake gets an answer that says so; who says nothing, or does not finish
 * its handshake, is dropped; and of those that wait to be greeted there is room for so many, the oldest making way, so
 * that whoever opens connections by the thousand keeps nobody out.
 */

/** From the connection to the first bytes, and again for the TLS handshake. */
const greetingMs = 10_000;
const greetingsMax = 1_024;
/** The same kind of failed handshake of the same host is logged once in this time. */
const repeatMs = 60_000;
const toldMax = 32;

const tlsHandshakeByte = 0x16;
/** What TLS clients know to be no TLS, and people can read. */
const plainRefusal = 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nthis port does not speak TLS\n';

export interface FrontDoorOptions {
  readonly addr: string;
  readonly port: number;
  readonly tls: ServerTls | undefined;
  readonly connections: Connections;
  readonly clock: Clock;
  readonly log: Log;
  /** Takes a connection over that speaks HTTP/2, and is in the table of connections. */
  admit(socket: Socket): void;
}

export interface GreetingCounts {
  /** Half open now. */
  readonly greetings: number;
  /** Dropped because more came, or took too long. */
  readonly greetingsDropped: number;
  /** TLS handshakes that failed. */
  readonly handshakesFailed: number;
  /** Without TLS to a port that speaks it, or the other way round. */
  readonly tlsMismatched: number;
}

interface Greeting {
  readonly socket: Socket;
  /** Stops waiting for it. */
  readonly cancel: Cancel;
}

export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #listener: Server;
  readonly #tls: TlsServer | undefined;
  readonly #rarely: Rarely;
  /** Not greeted yet, by `keyOf`, in the order in which they came. */
  readonly #greetings = new Map<string, Greeting>();
  #dropped = 0;
  #failed = 0;
  #mismatched = 0;

  constructor(options: FrontDoorOptions) {
    this.#options = options;
    this.#rarely = new Rarely(options.clock, repeatMs, toldMax);
    this.#listener = createServer({ noDelay: true }, (socket) => this.#greet(socket));
    this.#tls = options.tls && this.#tlsServer(options.tls);
  }

  /** The port it listens on. Rejects with ListenError. */
  async open(): Promise<number> {
    const { addr, port } = this.#options;
    // Node would take the first address that the name has, which on some machines is ::1 alone.
    const host = addr === 'localhost' ? '127.0.0.1' : addr.replace(/^\[|\]$/g, '');
    const shown = host.includes(':') ? `[${host}]` : addr;
    try {
      const listening = once(this.#listener, 'listening');
      this.#listener.listen({ host, port });
      await listening;
    } catch (error) {
      throw listenError(`${shown}:${port}`, error as Error);
    }
    // Out of file descriptors, for instance: the next connection may do better.
    this.#listener.on('error', (error) =>
      this.#options.log.write('warn', `accepting a connection failed: ${error.message}`),
    );
    return (this.#listener.address() as { port: number }).port;
  }

  /** From now on with these. Throws where they are no certificate and key, and changes nothing then. */
  renew(tls: ServerTls): void {
    this.#tls?.setSecureContext(contextOptions(tls));
  }

  counts(): GreetingCounts {
    return {
      greetings: this.#greetings.size,
      greetingsDropped: this.#dropped,
      handshakesFailed: this.#failed,
      tlsMismatched: this.#mismatched,
    };
  }

  /** Takes no more connections; those that gRPC has go on. */
  close(): void {
    this.#listener.close();
    for (const key of [...this.#greetings.keys()]) this.#drop(key);
  }

  #greet(socket: Socket): void {
    const { clock, connections } = this.#options;
    socket.on('error', () => {});
    if (!connections.hasRoom()) {
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    const cancel = clock.after(greetingMs, () => this.#overdue(key), { background: true });
    this.#greetings.set(key, { socket, cancel });
    socket.once('close', () => this.#greeted(key));
    if (this.#greetings.size > greetingsMax) {
      const [oldest] = this.#greetings.keys();
      this.#overdue(oldest!);
    }
    socket.once('readable', () => this.#look(socket, key));
  }

  #look(socket: Socket, key: string): void {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    socket.unshift(bytes);
    if (bytes[0] === tlsHandshakeByte) {
      if (this.#tls !== undefined) this.#tls.emit('connection', socket);
      else this.#mismatch(socket);
      return;
    }
    this.#greeted(key);
    this.#admit(socket, false, undefined);
  }

  #tlsServer(tls: ServerTls): TlsServer {
    const server = createTlsServer(listenerOptions(tls, 'h2'), (socket) => {
      this.#greeted(keyOf(socket));
      const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
      socket.on('error', () => {});
      this.#admit(socket, true, certificate && namesOf(certificate));
    });
    server.on('tlsClientError', (error: Error & { code?: string }, socket: TLSSocket) => {
      this.#failed++;
      const from = socket.remoteAddress ?? 'a client';
      // Of a certificate that is not good Node says no more here than that the connection ended.
      const why = whyNoHandshake({ code: codeOf(socket.authorizationError) ?? error.code, message: error.message });
      this.#tell(`handshake ${from} ${why}`, `a TLS handshake of ${from} failed: ${why}`);
      socket.destroy();
    });
    return server;
  }

  #admit(socket: Socket, isSecure: boolean, certificate: readonly string[] | undefined): void {
    if (socket.destroyed) return;
    const { connections, admit } = this.#options;
    // Others may have been greeted meanwhile.
    if (!connections.hasRoom()) {
      socket.destroy();
      return;
    }
    const connection = connections.join(socket, isSecure, certificate);
    socket.once('close', () => connections.left(connection));
    admit(socket);
  }

  #mismatch(socket: Socket): void {
    this.#mismatched++;
    const from = socket.remoteAddress ?? 'a client';
    this.#tell(
      `tls ${from}`,
      `${from} speaks TLS to this port, which does not: give the node tls, or the client no --tls flags`,
    );
    socket.resume();
    socket.end(plainRefusal);
  }

  /** A connection without TLS came to a port that speaks it. */
  mismatched(from: string): void {
    this.#mismatched++;
    this.#tell(`plain ${from}`, `${from} does not speak TLS, which this port asks for: give the client --tls-ca`);
  }

  #overdue(key: string): void {
    this.#dropped++;
    this.#drop(key);
  }

  #drop(key: string): void {
    const greeting = this.#greetings.get(key);
    this.#greeted(key);
    greeting?.socket.destroy();
  }

  #greeted(key: string): void {
    this.#greetings.get(key)?.cancel();
    this.#greetings.delete(key);
  }

  #tell(what: string, message: string): void {
    if (this.#rarely.isDue(what)) this.#options.log.write('warn', message);
  }
}

/** Typed as an error, and a code all the same. */
const codeOf = (error: unknown): string | undefined => (typeof error === 'string' ? error : undefined);
