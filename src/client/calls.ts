import type { ClientReadableStream, Metadata, ServiceError } from '@grpc/grpc-js';
import { aborted } from '../base/errors.js';
import type { CallOptions } from '../ports/cache.js';
import { type Clock, remainingMs } from '../ports/clock.js';
import { faultOf } from './faults.js';
import type { CallWait, Link } from './links.js';

/** A remote procedure and its codecs, as the generated code offers them. */
export interface Method<Request, Reply> {
  readonly path: string;
  readonly encode: (request: Request) => { finish(): Uint8Array };
  readonly decode: (bytes: Uint8Array) => Reply;
}

/** One call of one answer; `repeatable`: it may be made again at the next address where the first is lost on the way. */
export type Ask = <Request, Reply>(
  method: Method<Request, Reply>,
  request: Request,
  what: string,
  options: CallOptions | undefined,
  repeatable: boolean,
) => Promise<Reply>;

export interface Call {
  readonly what: string;
  readonly wait: CallWait;
  readonly timeoutMs: number;
  readonly maxMessageBytes: number;
  readonly clock: Clock;
  /** Sent with the call. */
  readonly headers: Readonly<Record<string, string>>;
}

// grpc-js asks for a Buffer; protobufjs hands out one in Node, typed as its base class.
const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const contextOf = (call: Call, link: Link) => ({
  what: call.what,
  address: link.address,
  timeoutMs: call.timeoutMs,
  maxMessageBytes: call.maxMessageBytes,
  showsCertificate: link.showsCertificate,
});

/** Where the headers of each call come from. */
export interface HeadersGiven {
  readonly headers: () => Readonly<Record<string, string>>;
}

const none: Readonly<Record<string, string>> = Object.freeze({});

/** What the function gives, and nothing where it throws: it serves whoever watches, and is no reason for a call to fail. */
export const headersOf =
  (headers: (() => Readonly<Record<string, string>>) | undefined) => (): Readonly<Record<string, string>> => {
    try {
      return headers?.() ?? none;
    } catch {
      return none;
    }
  };

/** What can stand in no header is left out, for the same reason. */
function metadataOf({ headers }: Call, link: Link): Metadata {
  const metadata = link.metadata();
  for (const [name, value] of Object.entries(headers)) {
    try {
      metadata.set(name, value);
    } catch {
      // As above.
    }
  }
  return metadata;
}

/** gRPC counts deadlines on the wall clock. */
const deadlineOf = (call: Call): number => call.clock.wallMs() + remainingMs(call.wait, call.clock);

export function unary<Request, Reply>(
  link: Link,
  method: Method<Request, Reply>,
  request: Request,
  call: Call,
): Promise<Reply> {
  const { signal } = call.wait;
  return new Promise((resolve, reject) => {
    const running = link.grpc.makeUnaryRequest<Request, Reply>(
      method.path,
      (message) => asBuffer(method.encode(message).finish()),
      method.decode,
      request,
      metadataOf(call, link),
      { deadline: deadlineOf(call) },
      (error: ServiceError | null, reply?: Reply) => {
        signal?.removeEventListener('abort', cancel);
        if (error === null && reply !== undefined) resolve(reply);
        else if (signal?.aborted) reject(aborted(call.what, signal.reason));
        else reject(faultOf(error, contextOf(call, link)));
      },
    );
    const cancel = (): void => running.cancel();
    if (signal?.aborted) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
  });
}

/** Messages of a server stream, in order; leaving the loop early cancels the call. */
export async function* serverStream<Request, Reply>(
  link: Link,
  method: Method<Request, Reply>,
  request: Request,
  call: Call,
): AsyncGenerator<Reply> {
  const { signal } = call.wait;
  if (signal?.aborted) throw aborted(call.what, signal.reason);
  const stream: ClientReadableStream<Reply> = link.grpc.makeServerStreamRequest<Request, Reply>(
    method.path,
    (message) => asBuffer(method.encode(message).finish()),
    method.decode,
    request,
    metadataOf(call, link),
    { deadline: deadlineOf(call) },
  );
  const cancel = (): void => stream.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    for await (const reply of stream as AsyncIterable<Reply>) yield reply;
  } catch (error) {
    if (signal?.aborted) throw aborted(call.what, signal.reason);
    throw faultOf(error, contextOf(call, link));
  } finally {
    signal?.removeEventListener('abort', cancel);
    stream.cancel();
  }
}
