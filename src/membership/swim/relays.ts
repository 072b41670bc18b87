import type { Ack, IndirectPing, PingSource } from '../messages.js';
import type { Context } from './context.js';
import type { Endpoint } from './effects.js';

interface Relay {
  readonly to: Endpoint;
  readonly seqNo: number;
  readonly nack: boolean;
}

const key = (seqNo: number): string => `relay:${seqNo}`;

/** Pings made for others, at most `relaysMax` at a time. Each lasts one probe timeout, unscaled: the nack must be in time. */
export class Relays {
  readonly #context: Context;
  readonly #bySeqNo = new Map<number, Relay>();

  constructor(context: Context) {
    this.#context = context;
  }

  get size(): number {
    return this.#bySeqNo.size;
  }

  begin(request: IndirectPing, from: Endpoint): void {
    const context = this.#context;
    const { config, counts, schedule, self } = context;
    if (request.target.length !== 4 && request.target.length !== 16) {
      counts.malformed++;
      return;
    }
    if (this.#bySeqNo.size >= config.relaysMax) {
      counts.relaysRefused++;
      return;
    }
    const seqNo = context.nextSeqNo();
    this.#bySeqNo.set(seqNo, { to: answerTo(request.source, from), seqNo: request.seqNo, nack: request.nack });
    schedule.set(key(seqNo), context.nowMs + config.probeTimeoutMs, { is: 'relayTimeout', seqNo });
    const target = { addr: request.target, port: request.port === 0 ? self.port : request.port };
    context.sendWithNews(target, context.ping(seqNo, request.node));
  }

  /** True when the ack was for one of these. */
  onAck(ack: Ack): boolean {
    const relay = this.#bySeqNo.get(ack.seqNo);
    if (relay === undefined) return false;
    this.#bySeqNo.delete(ack.seqNo);
    this.#context.schedule.clear(key(ack.seqNo));
    this.#context.sendWithNews(relay.to, { is: 'ack', seqNo: relay.seqNo, payload: new Uint8Array() });
    return true;
  }

  onTimeout(seqNo: number): void {
    const relay = this.#bySeqNo.get(seqNo);
    if (relay === undefined) return;
    this.#bySeqNo.delete(seqNo);
    if (relay.nack) this.#context.sendWithNews(relay.to, { is: 'nack', seqNo: relay.seqNo });
  }
}

/** Where a ping wants its answer: what it names, else where it came from (old peers name nothing; NAT rewrites the latter). */
export function answerTo(source: PingSource, from: Endpoint): Endpoint {
  return source.addr.length > 0 && source.port > 0 ? { addr: source.addr, port: source.port } : from;
}
