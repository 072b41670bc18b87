import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect } from 'node:net';
import { distcache } from '../../src/wire/generated/distcache.js';

/** A message as gRPC frames it. */
export function framed(message: Uint8Array, isCompressed = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = isCompressed ? 1 : 0;
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

export const putOf = (key: string, value: Uint8Array): Buffer =>
  framed(distcache.v1.PutRequest.encode({ keyspace: 'users', entry: { key, value } }).finish());
export const getOf = (key: string): Buffer =>
  framed(distcache.v1.GetRequest.encode({ keyspace: 'users', key }).finish());

export interface RawCall {
  readonly stream: ClientHttp2Stream;
  /** The headers of the answer, with the status where it came at once. */
  readonly headers: Promise<IncomingHttpHeaders>;
  readonly closed: Promise<void>;
}

/** A gRPC client that sends what it likes: half of a request, byte by byte, more than it may. */
export class RawClient {
  readonly session: ClientHttp2Session;
  readonly closed: Promise<void>;

  constructor(port: number, options: { readonly from?: string; readonly peerMaxConcurrentStreams?: number } = {}) {
    const { from: localAddress = '127.0.0.1', ...rest } = options;
    const createConnection = () => connect({ port, host: '127.0.0.1', localAddress });
    this.session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection, ...rest }).on('error', () => {});
    this.closed = new Promise((resolve) => this.session.on('close', resolve));
  }

  /** `reads`: whether it takes more of the answer than its headers. */
  call(path: string, headers: Readonly<Record<string, string>> = {}, reads = true): RawCall {
    const stream = this.session.request({
      ':method': 'POST',
      ':path': `/distcache.v1.${path}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    stream.on('error', () => {});
    if (reads) stream.resume();
    return {
      stream,
      headers: new Promise((resolve) => stream.on('response', resolve)),
      closed: new Promise((resolve) => stream.on('close', resolve)),
    };
  }

  close(): void {
    this.session.destroy();
  }
}

const frame = (type: number, flags: number, stream: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};
const literal = (name: string, value: string): Buffer =>
  Buffer.from([0, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]);

/** A call, and behind it a frame of 16 MiB, which none may be: the connection is over before anybody has seen the call. */
export function headThenNonsense(path: string, contentType: string): Buffer {
  const head = [
    literal(':method', 'POST'),
    literal(':scheme', 'http'),
    literal(':path', path),
    literal(':authority', 'a'),
    literal('content-type', contentType),
  ];
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, 0, 0, new Uint8Array()),
    frame(1, 4, 1, Buffer.concat(head)),
    frame(0, 1, 1, framed(new Uint8Array())),
    Buffer.alloc(9, 0xff),
  ]);
}
