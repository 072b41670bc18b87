import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';

/*
 * Clients that mean no good: they open connections and say nothing, begin a handshake and stop, ask for much and read none
 * of it, or send a request byte by byte. What a node drops they open anew, some at a time, until they are told to end.
 */

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Of the slow readers; undefined: in the clear. */
  readonly tls?: SecureContext | undefined;
}

export interface FloodCounts {
  /** Opened, those that were opened anew included. */
  readonly opened: number;
  readonly open: number;
  /** Dropped by the node. */
  readonly dropped: number;
}

export interface Flood {
  counts(): FloodCounts;
  end(): void;
}

/** Between two looks at how many are open. */
const everyMs = 50;

/** Keeps `wanted` of something open, by at most `perLook` at each look. */
abstract class Kept<T> implements Flood {
  readonly #open = new Set<T>();
  readonly #timer: NodeJS.Timeout;
  #opened = 0;
  #dropped = 0;
  #isOver = false;

  constructor(wanted: number, perLook: number) {
    this.#timer = setInterval(() => this.#look(wanted, perLook), everyMs);
  }

  counts(): FloodCounts {
    return { opened: this.#opened, open: this.#open.size, dropped: this.#dropped };
  }

  end(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    for (const one of this.#open) this.close(one);
    this.#open.clear();
  }

  #look(wanted: number, perLook: number): void {
    for (let turn = 0; turn < perLook && this.#open.size < wanted; turn++) {
      const one = this.open(this.#opened++, () => {
        if (this.#isOver || !this.#open.delete(one)) return;
        this.#dropped++;
      });
      this.#open.add(one);
    }
  }

  protected abstract open(index: number, gone: () => void): T;
  protected abstract close(one: T): void;
}

/** The beginning of a TLS handshake: a record of 512 bytes of which no more than the header comes. */
const beginning = Uint8Array.of(0x16, 3, 1, 2, 0, 1);

/** Connections that are never finished: each other one begins TLS. */
export class HalfOpen extends Kept<Socket> {
  constructor(
    private readonly target: Target,
    wanted: number,
    perLook = 200,
  ) {
    super(wanted, perLook);
  }

  protected open(index: number, gone: () => void): Socket {
    const { host, port } = this.target;
    // From many addresses: each has no more than some tens of thousands of ports.
    const localAddress = host === '127.0.0.1' ? `127.0.1.${1 + (index % 200)}` : undefined;
    const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
    socket.on('error', () => {}).on('close', gone);
    if (index % 2 === 0) socket.write(beginning);
    return socket;
  }

  protected close(socket: Socket): void {
    socket.destroy();
  }
}

export interface Asking {
  readonly keyspace: string;
  readonly keys: readonly string[];
}

/** Requests `/distcache.v1.Cache/Get` as gRPC frames them, with neither key nor name longer than 127 bytes. */
const getRequest = (keyspace: string, key: string): Buffer => {
  const message = [0x0a, keyspace.length, ...Buffer.from(keyspace), 0x12, key.length, ...Buffer.from(key)];
  return Buffer.from([0, 0, 0, 0, message.length, ...message]);
};

const head = (path: string) => ({
  ':method': 'POST',
  ':path': path,
  'content-type': 'application/grpc',
  te: 'trailers',
});

function session({ host, port, tls }: Target, gone: () => void): ClientHttp2Session {
  const opened =
    tls === undefined
      ? connectHttp2(`http://${host}:${port}`)
      : connectHttp2(`https://${host}:${port}`, {
          createConnection: () =>
            connectTls({ host, port, secureContext: tls, servername: 'localhost', ALPNProtocols: ['h2'] }),
        });
  return opened.on('error', () => {}).on('close', gone);
}

/** Clients that ask for every one of the keys at once and read nothing of the answers. */
export class SlowReaders extends Kept<ClientHttp2Session> {
  constructor(
    private readonly target: Target,
    wanted: number,
    private readonly asking: Asking,
    perLook = 10,
  ) {
    super(wanted, perLook);
  }

  protected open(_: number, gone: () => void): ClientHttp2Session {
    const opened = session(this.target, gone);
    for (const key of this.asking.keys) {
      // Nobody listens for its data, so that the window stays shut.
      const stream = opened.request(head('/distcache.v1.Cache/Get'));
      stream.on('error', () => {}).end(getRequest(this.asking.keyspace, key));
    }
    return opened;
  }

  protected close(opened: ClientHttp2Session): void {
    opened.destroy();
  }
}

/** Clients that say how long their request is, and send a byte of it at a time. */
export class SlowWriters extends Kept<ClientHttp2Session> {
  constructor(
    private readonly target: Target,
    wanted: number,
    perLook = 10,
  ) {
    super(wanted, perLook);
  }

  protected open(_: number, gone: () => void): ClientHttp2Session {
    const opened = session(this.target, gone);
    const stream = opened.request(head('/distcache.v1.Cache/Put'));
    stream.on('error', () => {}).write(Buffer.from([0, 0, 1, 0, 0]));
    const timer = setInterval(() => stream.write(Buffer.alloc(1)), 200);
    stream.on('close', () => clearInterval(timer));
    return opened;
  }

  protected close(opened: ClientHttp2Session): void {
    opened.destroy();
  }
}

/** Clients that speak no protocol: they send bytes of chance, or another protocol's, for as long as they are let. */
export class Nonsense extends Kept<Socket> {
  constructor(
    private readonly target: Target,
    wanted: number,
    private readonly bytes: readonly Uint8Array[],
    perLook = 10,
  ) {
    super(wanted, perLook);
  }

  protected open(index: number, gone: () => void): Socket {
    const { host, port } = this.target;
    const socket = connect({ host, port });
    socket.on('error', () => {}).on('close', gone);
    socket.resume().write(this.bytes[index % this.bytes.length]!);
    return socket;
  }

  protected close(socket: Socket): void {
    socket.destroy();
  }
}

/** Resolves when the server has closed the connection; for what must not be kept open. */
export const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.resume().on('close', () => resolve());
  });
