import type { Cancel, Clock } from '../ports/clock.js';

/** The four ends of a connection: what is known of it where a call is all there is. */
export interface ConnectionEnds {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/** As much of a socket as is looked at here. */
export interface Wire extends ConnectionEnds {
  readonly bytesWritten: number;
  destroy(): unknown;
}

export interface ConnectionLimits {
  /** One more is dropped at once. */
  readonly maxConnections: number;
  /** Who has not made a call that it may make; the oldest makes room for the next. */
  readonly maxStrangers: number;
  /** Answers that wait for one client to read them. */
  readonly maxUnsentBytes: number;
  /** For all clients together; beyond, who has most of them waiting is cut off. */
  readonly maxUnsentBytesTotal: number;
}

/** A client that takes nothing of its answers for so long is cut off. */
const stalledMs = 30_000;
const sweepMs = 5_000;

export interface DoorCounts {
  readonly connections: number;
  readonly connectionsAccepted: number;
  /** Dropped at once, since there were `maxConnections`. */
  readonly connectionsRefused: number;
  /** Dropped before they made a call, since more came than may stand there. */
  readonly strangersDropped: number;
  /** Dropped because they did not read their answers. */
  readonly readersCutOff: number;
  readonly unsentBytes: number;
}

export class Connection {
  isStranger = true;
  inflight = 0;
  unsentBytes = 0;
  writtenAtSweep = 0;
  /** Sweeps without progress, with answers waiting. */
  stillFor = 0;

  constructor(
    readonly key: string,
    readonly wire: Wire,
    /** Under TLS. */
    readonly isSecure: boolean,
    /** Names in the certificate that was shown and is good. */
    readonly certificate: readonly string[] | undefined,
  ) {}

  get host(): string {
    return this.wire.remoteAddress ?? 'unknown';
  }
}

/** Names a connection for as long as it is open. */
export const keyOf = ({ remoteAddress, remotePort, localAddress, localPort }: ConnectionEnds): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;

/** Who is connected, and that none of them takes more than its part. */
export class Connections {
  readonly #all = new Map<string, Connection>();
  /** In the order in which they came. */
  readonly #strangers = new Set<Connection>();
  readonly #clock: Clock;
  readonly #limits: ConnectionLimits;
  #cancelSweep: Cancel | undefined;
  #onEmpty: (() => void) | undefined;
  #accepted = 0;
  #refused = 0;
  #strangersDropped = 0;
  #readersCutOff = 0;
  #unsentBytes = 0;

  constructor(clock: Clock, limits: ConnectionLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** True where one more may come; where not, it is counted as refused. */
  hasRoom(): boolean {
    if (this.#all.size < this.#limits.maxConnections) return true;
    this.#refused++;
    return false;
  }

  /** Takes in what `hasRoom` allowed. `left` is to be called when it has closed. */
  join(wire: Wire, isSecure: boolean, certificate: readonly string[] | undefined): Connection {
    const connection = new Connection(keyOf(wire), wire, isSecure, certificate);
    this.#all.set(connection.key, connection);
    this.#strangers.add(connection);
    this.#accepted++;
    if (this.#strangers.size > this.#limits.maxStrangers) {
      const [oldest] = this.#strangers;
      this.#strangersDropped++;
      this.#drop(oldest!);
    }
    this.#cancelSweep ??= this.#sweepLater();
    return connection;
  }

  left(connection: Connection): void {
    this.#strangers.delete(connection);
    if (this.#all.get(connection.key) !== connection) return;
    this.#all.delete(connection.key);
    this.#unsentBytes -= connection.unsentBytes;
    connection.unsentBytes = 0;
    this.#tellEmpty();
  }

  /** Calls back once nobody is connected. */
  whenEmpty(tell: () => void): void {
    this.#onEmpty = tell;
    this.#tellEmpty();
  }

  find(ends: ConnectionEnds): Connection | undefined {
    return this.#all.get(keyOf(ends));
  }

  /** It made a call that it may make. */
  introduce(connection: Connection): void {
    connection.isStranger = false;
    this.#strangers.delete(connection);
  }

  isFull(connection: Connection): boolean {
    return connection.unsentBytes >= this.#limits.maxUnsentBytes;
  }

  /** An answer waits for the client to read it. */
  wait(connection: Connection, bytes: number): void {
    if (this.#all.get(connection.key) !== connection) return;
    if (connection.unsentBytes === 0) {
      connection.stillFor = 0;
      connection.writtenAtSweep = connection.wire.bytesWritten;
    }
    connection.unsentBytes += bytes;
    this.#unsentBytes += bytes;
    while (this.#unsentBytes > this.#limits.maxUnsentBytesTotal) {
      const slowest = this.#slowest();
      if (slowest === undefined) return;
      this.#readersCutOff++;
      this.#drop(slowest);
    }
  }

  /** It has read one. */
  taken(connection: Connection, bytes: number): void {
    if (this.#all.get(connection.key) !== connection) return;
    connection.unsentBytes -= bytes;
    this.#unsentBytes -= bytes;
  }

  counts(): DoorCounts {
    return {
      connections: this.#all.size,
      connectionsAccepted: this.#accepted,
      connectionsRefused: this.#refused,
      strangersDropped: this.#strangersDropped,
      readersCutOff: this.#readersCutOff,
      unsentBytes: this.#unsentBytes,
    };
  }

  /** Drops all of them. */
  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    for (const connection of [...this.#all.values()]) this.#drop(connection);
  }

  #drop(connection: Connection): void {
    this.left(connection);
    connection.wire.destroy();
  }

  #tellEmpty(): void {
    if (this.#all.size === 0) this.#onEmpty?.();
  }

  /** Whose answers wait in the largest amount. */
  #slowest(): Connection | undefined {
    let found: Connection | undefined;
    for (const connection of this.#all.values()) {
      if (connection.unsentBytes > (found?.unsentBytes ?? 0)) found = connection;
    }
    return found;
  }

  #sweepLater(): Cancel {
    const sweep = (): void => {
      for (const connection of [...this.#all.values()]) this.#look(connection);
      this.#cancelSweep = this.#all.size > 0 ? this.#sweepLater() : undefined;
    };
    return this.#clock.after(sweepMs, sweep, { background: true });
  }

  #look(connection: Connection): void {
    const { bytesWritten } = connection.wire;
    const isStill = connection.unsentBytes > 0 && bytesWritten === connection.writtenAtSweep;
    connection.writtenAtSweep = bytesWritten;
    connection.stillFor = isStill ? connection.stillFor + 1 : 0;
    if (connection.stillFor * sweepMs < stalledMs) return;
    this.#readersCutOff++;
    this.#drop(connection);
  }
}
