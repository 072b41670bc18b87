import { assert } from '../../base/assert.js';
import type { Ack, Nack, NodeName } from '../messages.js';
import { onSuspect } from './claims.js';
import { type Context, can } from './context.js';
import { type Endpoint, sameEndpoint } from './effects.js';
import { type Entry, isGone, viewOf } from './members.js';

/** What a probe knew when it began; the member may change or be forgotten while it runs. */
interface Target extends Endpoint {
  readonly name: string;
  readonly incarnation: number;
}

type Probe =
  | { readonly is: 'idle' }
  /** Pinged; nobody else was asked yet. */
  | {
      readonly is: 'direct';
      readonly entry: Entry;
      readonly target: Target;
      readonly seqNo: number;
      readonly endMs: number;
    }
  /** Others, and perhaps a stream, were asked. */
  | {
      readonly is: 'indirect';
      readonly entry: Entry;
      readonly target: Target;
      readonly seqNo: number;
      /** Asked members that would say that they got no answer either. */
      readonly nacksExpected: number;
      nacks: number;
      answeredByStream: boolean;
    };

/**
 * One probe at a time. A ping; after `probeTimeoutMs` without an ack, k members are asked to ping in our place while a
 * stream is tried; when the interval (stretched by our own health) ends without any answer, the member is suspected.
 *
 * Members that were asked and got no answer say so (nack): silence from them as well tells that the fault is rather ours,
 * and lowers our own health instead of blaming the target alone.
 */
export class Prober {
  readonly #context: Context;
  /** To be probed before it is their turn; no more than there are members. */
  readonly #doubted = new Set<NodeName>();
  #probe: Probe = { is: 'idle' };

  constructor(context: Context) {
    this.#context = context;
  }

  get busy(): boolean {
    return this.#probe.is !== 'idle';
  }

  /** Probes this member next: at once, or when the probe that runs has ended. */
  doubt(name: NodeName): void {
    if (this.#probeable(name) !== undefined) this.#doubted.add(name);
    if (!this.busy) this.#beginDoubted();
  }

  /** A tick of the probe interval; dropped while a probe runs. */
  tick(onWrap: () => void): void {
    if (this.busy || this.#beginDoubted()) return;
    const { members, self } = this.#context;
    const entry = members.next((candidate) => candidate !== self && !isGone(candidate), onWrap);
    if (entry !== undefined) this.#begin(entry);
  }

  onAck(ack: Ack): void {
    if (this.#isCurrent(ack.seqNo)) this.#succeed();
  }

  onNack(nack: Nack): void {
    const probe = this.#probe;
    if (probe.is === 'indirect' && probe.seqNo === nack.seqNo) {
      probe.nacks = Math.min(probe.nacks + 1, probe.nacksExpected);
    }
  }

  /** Counts only when the probe ends: packets may still arrive, and a network that drops them should be noticed. */
  onStreamPong(seqNo: number, ok: boolean): void {
    if (this.#probe.is === 'indirect' && this.#probe.seqNo === seqNo && ok) this.#probe.answeredByStream = true;
  }

  onSendFailed(to: Endpoint): void {
    if (this.#probe.is === 'direct' && sameEndpoint(this.#probe.target, to)) this.onTimeout();
  }

  /** The ping's own time is over: ask others. */
  onTimeout(): void {
    const probe = this.#probe;
    if (probe.is !== 'direct') return;
    const context = this.#context;
    const { config, members, self, schedule } = context;
    schedule.clear('probeTimeout');
    const { target, seqNo } = probe;
    const asked = members.pick(
      config.indirectChecks,
      (peer) => peer !== self && peer !== probe.entry && peer.standing.is === 'alive',
    );
    for (const peer of asked) {
      const nack = can(peer, 'nacks');
      const request = {
        seqNo,
        target: target.addr,
        port: target.port,
        node: target.name,
        nack,
        source: context.source,
      };
      context.sendWithNews(peer, { is: 'indirectPing', ...request });
    }
    if (config.tcpPings && can(probe.entry, 'streamPings')) {
      const to = { addr: target.addr, port: target.port };
      const withinMs = Math.max(1, probe.endMs - context.nowMs);
      context.emit({ do: 'streamPing', to, ping: context.ping(seqNo, target.name), withinMs });
    }
    const nacksExpected = asked.filter((peer) => can(peer, 'nacks')).length;
    this.#probe = { ...probe, is: 'indirect', nacksExpected, nacks: 0, answeredByStream: false };
  }

  /** The interval is over. */
  onEnd(): void {
    const probe = this.#probe;
    if (probe.is === 'idle') return;
    assert(probe.is === 'indirect', 'others were asked before a probe ends');
    const { counts, awareness, self } = this.#context;
    this.#finish();
    if (probe.answeredByStream) {
      counts.probesByStream++;
      awareness.apply(-1);
      this.#context.tell({ is: 'onlyByStream', member: viewOf(probe.entry) });
      return;
    }
    counts.probesFailed++;
    awareness.apply(probe.nacksExpected > 0 ? probe.nacksExpected - probe.nacks : 1);
    const { name: node, incarnation } = probe.target;
    onSuspect(this.#context, { is: 'suspect', incarnation, node, from: self.name });
  }

  #beginDoubted(): boolean {
    for (const name of this.#doubted) {
      this.#doubted.delete(name);
      const entry = this.#probeable(name);
      if (entry === undefined) continue;
      this.#begin(entry);
      return true;
    }
    return false;
  }

  #probeable(name: NodeName): Entry | undefined {
    const { members, self } = this.#context;
    const entry = members.get(name);
    return entry === undefined || entry === self || isGone(entry) ? undefined : entry;
  }

  #begin(entry: Entry): void {
    const context = this.#context;
    const { config, awareness, schedule, self, nowMs } = context;
    const seqNo = context.nextSeqNo();
    const endMs = nowMs + awareness.stretchedMs(config.probeIntervalMs);
    const { name, addr, port, incarnation } = entry;
    this.#probe = { is: 'direct', entry, target: { name, addr, port, incarnation }, seqNo, endMs };
    context.counts.probes++;
    schedule.set('probeTimeout', nowMs + config.probeTimeoutMs, { is: 'probeTimeout' });
    schedule.set('probeEnd', endMs, { is: 'probeEnd' });
    const ping = context.ping(seqNo, name);
    if (entry.standing.is === 'alive') context.sendWithNews(entry, ping);
    // A suspect hears of it from the ping itself, so that it can refute at once.
    else
      context.send(entry, [ping, { is: 'suspect', incarnation, node: name, from: self.name }], can(entry, 'checksums'));
  }

  #isCurrent(seqNo: number): boolean {
    return this.#probe.is !== 'idle' && this.#probe.seqNo === seqNo;
  }

  #succeed(): void {
    this.#finish();
    this.#context.counts.probesAcked++;
    this.#context.awareness.apply(-1);
  }

  #finish(): void {
    this.#probe = { is: 'idle' };
    this.#context.schedule.clear('probeTimeout');
    this.#context.schedule.clear('probeEnd');
  }
}
