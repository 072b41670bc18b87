import { type Client, type ClientDuplexStream, type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { FrameStream, StreamEvents } from './frame-stream.js';
import { whyUnavailable } from './grpc-faults.js';

/** Frames are encoded by our own codec; gRPC passes the bytes through. */
export const identity = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** What the two kinds of gRPC call have in common for us. */
interface Duplex {
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  on(event: 'drain', listener: () => void): unknown;
  write(frame: Uint8Array): boolean;
  end(): void;
}

abstract class GrpcStream<Call extends Duplex> implements FrameStream {
  protected readonly call: Call;
  #events: StreamEvents | undefined;
  #ended = false;
  #closed = false;

  constructor(
    call: Call,
    readonly remote: string,
  ) {
    this.call = call;
  }

  open(events: StreamEvents): void {
    this.#events = events;
    this.call.on('data', (bytes: Buffer) => this.#events?.frame(bytes));
    this.call.on('drain', () => this.#events?.drain());
    this.listen();
  }

  send(frame: Uint8Array): boolean {
    return this.#ended || this.#closed || this.call.write(frame);
  }

  end(): void {
    if (this.#ended || this.#closed) return;
    this.#ended = true;
    this.call.end();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#ended = true;
    this.abort();
    this.closed('broken off here');
  }

  protected closed(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.release();
    const events = this.#events;
    this.#events = undefined;
    events?.closed(why);
  }

  /** Subscribes to what tells the end of the call. */
  protected abstract listen(): void;
  protected abstract abort(): void;
  /** Gives up what the stream alone used. */
  protected abstract release(): void;
}

export class ClientFrameStream extends GrpcStream<ClientDuplexStream<Uint8Array, Buffer>> {
  /** The client serves this stream alone and is closed with it. */
  constructor(
    call: ClientDuplexStream<Uint8Array, Buffer>,
    private readonly client: Client,
    address: string,
    private readonly showsCertificate: boolean,
  ) {
    super(call, address);
  }

  protected listen(): void {
    this.call.on('error', (error: Error & { code?: number; details?: string }) => {
      this.closed(whyUnavailable(error.code, error.details ?? error.message, this.showsCertificate));
    });
    this.call.on('status', ({ code, details }: { code: number; details: string }) => {
      this.closed(
        code === status.OK ? 'ended by the other side' : whyUnavailable(code, details, this.showsCertificate),
      );
    });
  }

  protected abort(): void {
    this.call.cancel();
  }

  protected release(): void {
    this.client.close();
  }
}

export class ServerFrameStream extends GrpcStream<ServerDuplexStream<Uint8Array, Buffer>> {
  /** `breakOff` ends the call at once, which grpc-js leaves to clients. */
  constructor(
    call: ServerDuplexStream<Uint8Array, Buffer>,
    private readonly breakOff: () => void = () => {},
  ) {
    super(call, call.getPeer());
  }

  protected listen(): void {
    this.call.on('end', () => {
      this.end();
      this.closed('ended by the other side');
    });
    this.call.on('cancelled', () => this.closed('the connection dropped'));
    this.call.on('error', (error: Error) => this.closed(error.message));
  }

  protected abort(): void {
    this.call.end();
    this.breakOff();
  }

  protected release(): void {}
}
