import type { Ack, IndirectPing, PingSource } from '../messages.js';
import type { Context } from './context.js';
import type { Endpoint } from './effects.js';

interface Relay {
  readonly to: Endpoint;
  readonly seqNo: number;
  readonly endMs: number;
  /** It is still to be said that no answer came. */
  nack: boolean;
}

/**
 * When to say that no answer came, in parts of the timeout. Whoever asks began to wait a timeout earlier, and in the LAN
 * profile it stops two timeouts after it began: a nack sent after a whole one comes a moment too late to be counted, and
 * the asker thinks itself slow. The share is that of Dadgar et al., "Lifeguard" (2017). An ack that comes after it still
 * goes through.
 */
const nackAfterShare = 0.8;

const key = (seqNo: number): string => `relay:${seqNo}`;

/** Pings made for others, at most `relaysMax` at a time. Each lasts one probe timeout, unscaled. */
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
    const { nack } = request;
    const endMs = context.nowMs + config.probeTimeoutMs;
    const nackMs = context.nowMs + nackAfterShare * config.probeTimeoutMs;
    this.#bySeqNo.set(seqNo, { to: answerTo(request.source, from), seqNo: request.seqNo, endMs, nack });
    schedule.set(key(seqNo), nack ? nackMs : endMs, { is: 'relayTimeout', seqNo });
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
    if (!relay.nack) {
      this.#bySeqNo.delete(seqNo);
      return;
    }
    relay.nack = false;
    this.#context.schedule.set(key(seqNo), relay.endMs, { is: 'relayTimeout', seqNo });
    this.#context.sendWithNews(relay.to, { is: 'nack', seqNo: relay.seqNo });
  }
}

/** Where a ping wants its answer: what it names, else where it came from (old peers name nothing; NAT rewrites the latter). */
export function answerTo(source: PingSource, from: Endpoint): Endpoint {
  return source.addr.length > 0 && source.port > 0 ? { addr: source.addr, port: source.port } : from;
}
