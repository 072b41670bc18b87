import { connect, type Socket } from 'node:net';
import { addressOf } from '../../membership/endpoints.js';
import type { Endpoint } from '../../membership/swim/effects.js';
import { encodeTcpPacket } from '../../wire/memberlist/tcp-packet.js';
import type { CarrierDeps, PacketCarrier } from './datagrams.js';
import { dialable } from './endpoints.js';
import type { GossipLimits } from './options.js';
import { liesWithReceiver } from './problems.js';

export interface TcpPacketOptions extends CarrierDeps {
  readonly limits: GossipLimits;
  /** `host:port` that receivers are to answer to. */
  readonly from: () => string;
}

/**
 * One short connection for each packet, as distcache-go. A target that takes connections and reads nothing holds its own
 * few of them, not those of the others.
 */
export class TcpPackets implements PacketCarrier {
  readonly #options: TcpPacketOptions;
  readonly #open = new Set<Socket>();
  readonly #perTarget = new Map<string, number>();
  #closing: Promise<void> | undefined;
  #emptied: () => void = () => {};

  constructor(options: TcpPacketOptions) {
    this.#options = options;
  }

  send(to: Endpoint, packet: Uint8Array): void {
    if (this.#closing !== undefined) return;
    const { clock, tally, unsendable, limits, from } = this.#options;
    const place = dialable(to);
    if (place === undefined) {
      tally.add('gossip_send_errors');
      clock.soon(() => unsendable(to));
      return;
    }
    const target = addressOf(to);
    const toTarget = this.#perTarget.get(target) ?? 0;
    if (this.#open.size >= limits.sendsMax || toTarget >= limits.sendsPerTargetMax) {
      tally.add('gossip_sends_dropped');
      tally.trouble(
        'sends',
        `${toTarget} packets to ${target} are on their way, ${this.#open.size} in all; dropped one`,
      );
      return;
    }
    this.#perTarget.set(target, toTarget + 1);
    const socket = connect({ host: place.ip, port: place.port, noDelay: true });
    this.#open.add(socket);
    let failure: Error | undefined;
    let written = false;
    const cancelDeadline = clock.after(limits.packetTimeoutMs, () => {
      failure ??= new Error(`not taken within ${limits.packetTimeoutMs} ms`);
      socket.destroy();
    });
    socket.on('error', (error) => {
      failure ??= error;
    });
    socket.on('finish', () => {
      written = true;
    });
    socket.on('close', () => {
      cancelDeadline();
      this.#forget(socket, target);
      if (written && failure === undefined) {
        tally.add('gossip_packets_sent');
        tally.add('gossip_packet_bytes_sent', packet.length);
        return;
      }
      const why = failure?.message ?? 'broken off';
      tally.add('gossip_send_errors');
      tally.trouble('send', `a packet of ${packet.length} bytes to ${target} was not sent: ${why}`);
      if (failure !== undefined && liesWithReceiver(failure)) unsendable(to);
    });
    socket.resume();
    socket.end(encodeTcpPacket(from(), packet));
  }

  close(): Promise<void> {
    this.#closing ??= this.#linger();
    return this.#closing;
  }

  /** The news that this node leaves is sent last of all, so a moment is given to what is on its way. */
  async #linger(): Promise<void> {
    if (this.#open.size === 0) return;
    const { clock, limits } = this.#options;
    const empty = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    const cancel = clock.after(limits.lingerMs, () => {
      for (const socket of this.#open) socket.destroy();
    });
    await empty;
    cancel();
  }

  #forget(socket: Socket, target: string): void {
    this.#open.delete(socket);
    const left = (this.#perTarget.get(target) ?? 1) - 1;
    if (left === 0) this.#perTarget.delete(target);
    else this.#perTarget.set(target, left);
    if (this.#open.size === 0) this.#emptied();
  }
}
