import type { Socket } from 'node:dgram';
import { addressOf } from '../../membership/endpoints.js';
import type { Endpoint } from '../../membership/swim/effects.js';
import type { Clock } from '../../ports/clock.js';
import { dialable } from './endpoints.js';
import { liesWithReceiver } from './problems.js';
import type { GossipTally } from './tally.js';

/** What carries packets. `unsendable` is told of each that a receiver's fault keeps from being sent, never at once. */
export interface PacketCarrier {
  send(to: Endpoint, packet: Uint8Array): void;
  /** What was taken may still go out; then no more. */
  close(): Promise<void>;
}

export interface CarrierDeps {
  readonly clock: Clock;
  readonly tally: GossipTally;
  readonly unsendable: (to: Endpoint) => void;
}

/** Sends from the very socket that listens: old peers answer to where a packet came from. */
export class Datagrams implements PacketCarrier {
  readonly #socket: Socket;
  readonly #sendsMax: number;
  readonly #deps: CarrierDeps;
  readonly #isV6: boolean;
  #sends = 0;
  #closing: Promise<void> | undefined;

  constructor(socket: Socket, sendsMax: number, deps: CarrierDeps) {
    this.#socket = socket;
    this.#sendsMax = sendsMax;
    this.#deps = deps;
    this.#isV6 = socket.address().family === 'IPv6';
  }

  send(to: Endpoint, packet: Uint8Array): void {
    if (this.#closing !== undefined) return;
    const { tally, clock, unsendable } = this.#deps;
    const ip = this.#reachable(to);
    if (ip === undefined) {
      tally.add('gossip_send_errors');
      clock.soon(() => unsendable(to));
      return;
    }
    if (this.#sends >= this.#sendsMax) {
      tally.add('gossip_sends_dropped');
      tally.trouble('sends', `${this.#sends} packets wait to be sent; further ones are dropped`);
      return;
    }
    this.#sends++;
    this.#socket.send(packet, to.port, ip, (error) => {
      this.#sends--;
      if (error === null) {
        tally.add('gossip_packets_sent');
        tally.add('gossip_packet_bytes_sent', packet.length);
        return;
      }
      tally.add('gossip_send_errors');
      tally.trouble('send', `a packet of ${packet.length} bytes to ${addressOf(to)} was not sent: ${error.message}`);
      if (liesWithReceiver(error)) unsendable(to);
    });
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closing;
  }

  /** The address as this socket takes it; undefined where it cannot lead there. */
  #reachable(to: Endpoint): string | undefined {
    const ip = dialable(to)?.ip;
    if (ip === undefined) return undefined;
    if (ip.includes(':')) return this.#isV6 ? ip : undefined;
    return this.#isV6 ? `::ffff:${ip}` : ip;
  }
}
