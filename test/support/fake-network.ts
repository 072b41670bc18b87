import type { Clock } from '../../src/ports/clock.js';
import type { Dialer, FrameStream, StreamEvents } from '../../src/transport/frame-stream.js';

interface Options {
  readonly clock: Clock;
  /** One way; 0 delivers when the current turn has ended. */
  readonly latencyMs?: (from: string, to: string) => number;
  /** What one direction of a stream holds before its sender is told to wait. */
  readonly windowBytes?: number;
}

interface Host {
  readonly address: string;
  readonly dialer: Dialer;
  /** Starts to listen; until then, dials to this address are refused. */
  listen(accept: (stream: FrameStream) => void): void;
}

/**
 * Links between nodes of one process. Only bytes cross it, copied, in order within a stream. A cut path loses nothing and
 * delivers nothing, as TCP does: what was sent arrives when the path heals, unless somebody gave up meanwhile. So there is no
 * loss of a single message: TCP sends it again, or the link is broken, which is `hangUp`.
 */
export class FakeNetwork {
  readonly #clock: Clock;
  readonly #latencyMs: (from: string, to: string) => number;
  readonly #windowBytes: number;
  readonly #listeners = new Map<string, (stream: FrameStream) => void>();
  readonly #cuts = new Set<string>();
  readonly #frozen = new Set<string>();
  readonly #crashed = new Set<string>();
  readonly #ends = new Set<FakeEnd>();

  constructor({ clock, latencyMs = () => 0, windowBytes = 1 << 20 }: Options) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
    this.#windowBytes = windowBytes;
  }

  host(address: string): Host {
    return {
      address,
      dialer: { dial: (to) => this.#dial(address, to) },
      listen: (accept) => {
        this.#crashed.delete(address);
        this.#listeners.set(address, accept);
      },
    };
  }

  /** Nothing that `from` sends reaches `to`. */
  cutOneWay(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  cut(a: string, b: string): void {
    this.cutOneWay(a, b);
    this.cutOneWay(b, a);
  }

  heal(a: string, b: string): void {
    this.#cuts.delete(`${a}>${b}`);
    this.#cuts.delete(`${b}>${a}`);
    this.#pump();
  }

  /** Only these directions, all at once. */
  healWays(ways: readonly (readonly [from: string, to: string])[]): void {
    for (const [from, to] of ways) this.#cuts.delete(`${from}>${to}`);
    this.#pump();
  }

  healAll(): void {
    this.#cuts.clear();
    this.#pump();
  }

  /** Nothing reaches or leaves the node, as while its process is suspended. (Its timers are the clock's matter.) */
  freeze(address: string): void {
    this.#frozen.add(address);
  }

  thaw(address: string): void {
    this.#frozen.delete(address);
    this.#pump();
  }

  /** Breaks every stream between two nodes; both notice. */
  hangUp(a: string, b: string): void {
    for (const end of [...this.#ends]) {
      if (end.local === a && end.remote === b) end.reset();
    }
  }

  /** The process at this address is gone. `silent`: nobody is told, as when a machine loses power. */
  crash(address: string, { silent = false } = {}): void {
    this.#listeners.delete(address);
    this.#crashed.add(address);
    for (const end of [...this.#ends]) if (end.local === address) end.die(silent);
  }

  /** Streams that are not closed on both ends. */
  openStreams(): number {
    return [...this.#ends].filter((end) => !end.isClosed).length / 2;
  }

  /** For FakeEnd. */
  passable(from: string, to: string): boolean {
    return !this.#cuts.has(`${from}>${to}`) && !this.#frozen.has(from) && !this.#frozen.has(to);
  }

  later(from: string, to: string, run: () => void): void {
    const latencyMs = this.#latencyMs(from, to);
    if (latencyMs <= 0) this.#clock.soon(run);
    else this.#clock.after(latencyMs, run);
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  forget(end: FakeEnd): void {
    this.#ends.delete(end);
  }

  #dial(from: string, to: string): FrameStream {
    const near = new FakeEnd(this, from, to, this.#windowBytes);
    const far = new FakeEnd(this, to, from, this.#windowBytes);
    near.twin = far;
    far.twin = near;
    this.#ends.add(near).add(far);
    // Connecting takes a way there and back; on a cut path it takes for ever.
    near.queue(() => {
      const accept = this.#crashed.has(from) ? undefined : this.#listeners.get(to);
      if (accept === undefined) near.reset('connection refused');
      else accept(far);
    });
    return near;
  }

  #pump(): void {
    for (const end of [...this.#ends]) end.pump();
  }
}

interface Parcel {
  readonly dueMs: number;
  readonly bytes: number;
  readonly deliver: () => void;
}

class FakeEnd implements FrameStream {
  twin!: FakeEnd;
  #events: StreamEvents | undefined;
  #ended = false;
  #closed = false;
  #full = false;
  #sentBytes = 0;
  /** On the way to the twin. */
  #parcels: Parcel[] = [];

  constructor(
    private readonly network: FakeNetwork,
    readonly local: string,
    readonly remote: string,
    private readonly windowBytes: number,
  ) {}

  get isClosed(): boolean {
    return this.#closed;
  }

  open(events: StreamEvents): void {
    this.#events = events;
  }

  send(frame: Uint8Array): boolean {
    if (this.#ended || this.#closed) return true;
    const copy = Buffer.from(frame);
    this.queue(() => this.twin.#take(copy), copy.byteLength);
    this.#full ||= this.#sentBytes > this.windowBytes;
    return !this.#full;
  }

  end(): void {
    if (this.#ended || this.#closed) return;
    this.#ended = true;
    this.queue(() => {
      this.twin.#close('ended by the other side');
      this.#close('ended');
    });
  }

  destroy(): void {
    if (this.#closed) return;
    this.#ended = true;
    this.#parcels = [];
    this.queue(() => this.twin.#close('reset by the other side'));
    this.network.later(this.local, this.local, () => this.#close('destroyed'));
  }

  reset(why = 'connection reset'): void {
    for (const end of [this, this.twin]) {
      end.#parcels = [];
      this.network.later(this.local, this.remote, () => end.#close(why));
    }
  }

  /** The process of this end is gone: it hears nothing any more. */
  die(silent: boolean): void {
    this.#events = undefined;
    this.#close('');
    this.#parcels = [];
    if (!silent) this.network.later(this.local, this.remote, () => this.twin.#close('connection reset'));
  }

  queue(deliver: () => void, bytes = 0): void {
    this.#sentBytes += bytes;
    this.#parcels.push({ dueMs: this.network.nowMs(), bytes, deliver });
    this.network.later(this.local, this.remote, () => this.pump(1));
  }

  /** Delivers what is due, in order, if the path is open. After a cut all that was held comes at once. */
  pump(most = Number.POSITIVE_INFINITY): void {
    for (let count = 0; count < most; count++) {
      const parcel = this.#parcels[0];
      if (parcel === undefined || !this.network.passable(this.local, this.remote)) return;
      this.#parcels.shift();
      this.#sentBytes -= parcel.bytes;
      parcel.deliver();
      if (this.#full && !this.#closed && this.#sentBytes <= this.windowBytes / 2) {
        this.#full = false;
        this.#events?.drain();
      }
      this.#forgetIfDone();
    }
  }

  #take(bytes: Uint8Array): void {
    if (!this.#closed) this.#events?.frame(bytes);
  }

  #close(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forgetIfDone();
    const events = this.#events;
    this.#events = undefined;
    events?.closed(why);
  }

  /** What was on the way when this end closed still arrives, perhaps only when the path heals. */
  #forgetIfDone(): void {
    if (this.#closed && this.#parcels.length === 0) this.network.forget(this);
  }
}
