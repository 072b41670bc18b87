import { splitAddress } from '../../src/base/addresses.js';
import { bytesOfIp } from '../../src/base/ip.js';
import type { Endpoint } from '../../src/membership/swim/effects.js';
import { systemClock } from '../../src/platform/clock.js';
import { freshNonce } from '../../src/platform/random.js';
import type { Clock, Wait } from '../../src/ports/clock.js';
import type { Log, LogLevel } from '../../src/ports/log.js';
import { createGossipTransport, type SocketGossipTransport } from '../../src/transport/gossip/gossip-transport.js';
import type { GossipTransportOptions } from '../../src/transport/gossip/options.js';
import { KeyRing } from '../../src/wire/memberlist/key-ring.js';

export const loopback = '127.0.0.1';
export const endpointAt = (port: number, host = loopback): Endpoint => ({ addr: bytesOfIp(host)!, port });
export const endpointOfAddress = (address: string): Endpoint => {
  const { host, port } = splitAddress(address);
  return endpointAt(port, host);
};
/** A key of 16 bytes; undefined for ''. */
export const ringOf = (secret: string): KeyRing | undefined =>
  secret === '' ? undefined : new KeyRing([keyOf(secret)]);
export const keyOf = (secret: string): Uint8Array => Buffer.alloc(16, secret);
export const soonEnough = (): Wait => ({ deadlineMs: systemClock.nowMs() + 20_000 });

/** The machine's time, with its timers counted. */
export class CountingClock implements Clock {
  pending = 0;
  nowMs = systemClock.nowMs;
  wallMs = systemClock.wallMs;
  soon = systemClock.soon;

  after(delayMs: number, run: () => void): () => void {
    this.pending++;
    let over = false;
    const end = (): boolean => {
      if (over) return false;
      over = true;
      this.pending--;
      return true;
    };
    const cancel = systemClock.after(delayMs, () => {
      if (end()) run();
    });
    return () => {
      if (end()) cancel();
    };
  }
}

export interface Line {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class Lines implements Log {
  readonly all: Line[] = [];
  write(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.all.push({ level, message, fields });
  }
}

/** Over real sockets of this machine; on a free port unless told otherwise. */
export const socketTransport = (
  options: Partial<GossipTransportOptions> & { readonly clock: Clock },
): SocketGossipTransport =>
  createGossipTransport({
    host: loopback,
    port: 0,
    kind: 'udp',
    label: '',
    keys: undefined,
    nonce: freshNonce,
    log: new Lines(),
    ...options,
  });
