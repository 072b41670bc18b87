import { assert, unreachable } from '../../base/assert.js';
import type { Random } from '../../ports/random.js';
import type { NodeName, PacketMessage, Ping } from '../messages.js';
import { Awareness } from './awareness.js';
import { Broadcasts, partsMax } from './broadcasts.js';
import { announce, changeMeta, onAlive, onDead, onPlea, onSuspect, onSuspicionEnd } from './claims.js';
import { checkSwimConfig, pushPullPeriodMs, type SwimConfig } from './config.js';
import { Context, can, type Due } from './context.js';
import type { Endpoint, SwimCounts, SwimEffect, SwimInput, SwimMember } from './effects.js';
import { Exchanges } from './exchanges.js';
import { Inattention } from './inattention.js';
import { Leaving } from './leaving.js';
import { type Entry, isGone, Members, viewOf } from './members.js';
import { mergeState, ownState } from './merge.js';
import { Prober } from './probe.js';
import { answerTo, Relays } from './relays.js';
import { Reunion } from './reunion.js';
import { Schedule } from './schedule.js';
import { checkMeta, checkSelf, type SwimSelf } from './self.js';

export interface SwimDeps {
  readonly random: Random;
  /** Bytes of the message as it is encoded, its type byte included. */
  readonly sizeOf: (message: PacketMessage) => number;
}

/**
 * One member of a memberlist cluster: SWIM with Lifeguard's extensions, as a machine that is told what happened and when,
 * and answers with what is to be done. It knows no clock, socket, bytes or promise, so a whole cluster of it runs in one
 * process in any order of events.
 *
 * Each tick one member is probed; who does not answer, to us or to others whom we ask, is suspected, and a suspect that
 * does not deny it in time is dead. All news rides on packets that are sent anyway, each piece a limited number of times,
 * so that load per member does not depend on the size of the cluster, and news reaches all in about log n gossip ticks.
 * Whole states are exchanged now and then over a stream, which mends what gossip lost.
 *
 * Sources: Das et al., "SWIM" (2002); Dadgar et al., "Lifeguard" (2017); the behaviour of hashicorp/memberlist.
 */
export class SwimCore {
  readonly #context: Context;
  readonly #prober: Prober;
  readonly #relays: Relays;
  readonly #exchanges: Exchanges;
  readonly #reunion: Reunion;
  readonly #stagger: Random;
  readonly #inattention: Inattention;
  readonly #leaving: Leaving;
  #started = false;
  /** When the driver was last told to wake us, on the core's time; undefined when it has to be told again. */
  #wakeAtMs: number | undefined;

  /** @throws DistcacheError INVALID_ARGUMENT for a configuration or a self that cannot be. */
  constructor(self: SwimSelf, config: SwimConfig, deps: SwimDeps) {
    checkSwimConfig(config);
    checkSelf(self, config);
    const { random, sizeOf } = deps;
    const entry: Entry = { ...self, standing: { is: 'alive', sinceMs: 0 } };
    const members = new Members(config.membersMax, random.fork('members'));
    members.add(entry);
    const bytesMax = config.packetBytesMax - config.packetOverheadBytes - 4;
    const broadcasts = new Broadcasts({ max: config.broadcastsMax, bytesMax, sizeOf });
    const firstSeqNo = Math.floor(random.fork('seqNo').next() * 2 ** 32);
    const awareness = new Awareness(config.awarenessMax);
    const schedule = new Schedule<Due>();
    this.#context = new Context(config, entry, members, broadcasts, awareness, schedule, sizeOf, firstSeqNo);
    this.#prober = new Prober(this.#context);
    this.#relays = new Relays(this.#context);
    this.#exchanges = new Exchanges(this.#context);
    this.#reunion = new Reunion(this.#context, random.fork('reunion'));
    this.#stagger = random.fork('stagger');
    this.#inattention = new Inattention(config);
    this.#leaving = new Leaving(this.#context);
  }

  /**
   * Takes in one thing that happened at `nowMs`, and says what to do about it, in order.
   * @param nowMs monotonic milliseconds; never less than in the step before
   */
  step(input: SwimInput, nowMs: number): readonly SwimEffect[] {
    const context = this.#context;
    this.#onLag(this.#inattention.observe(nowMs, this.#wakeAtMs));
    this.#take(input);
    this.#leaving.check();
    this.#askForWake();
    return context.drain();
  }

  /** Everybody known, this node included, in no order. A copy. */
  members(): readonly SwimMember[] {
    return [...this.#context.members.values()].map(viewOf);
  }

  member(name: NodeName): SwimMember | undefined {
    const entry = this.#context.members.get(name);
    return entry === undefined ? undefined : viewOf(entry);
  }

  /** Everything counted so far; a copy. */
  counts(): SwimCounts {
    return { ...this.#context.counts, broadcastsDropped: this.#context.broadcasts.dropped };
  }

  /** 0 is well; grows while this node itself seems slow. */
  get health(): number {
    return this.#context.awareness.score;
  }

  /** Recomputes bounds and sums the slow way. For tests. */
  check(): void {
    const { counts, members, broadcasts, schedule, config } = this.#context;
    members.check();
    broadcasts.check();
    schedule.check();
    const probed = counts.probesAcked + counts.probesByStream + counts.probesFailed + (this.#prober.busy ? 1 : 0);
    assert(counts.probes === probed, `${counts.probes} probes, ${probed} accounted for`);
    const exchanged = counts.exchangesDone + counts.exchangesFailed + this.#exchanges.size;
    assert(counts.exchanges === exchanged, `${counts.exchanges} exchanges, ${exchanged} accounted for`);
    assert(this.#relays.size <= config.relaysMax && this.#exchanges.size <= config.exchangesMax);
    for (const entry of members.values()) {
      const timed = schedule.has(`suspicion:${entry.name}`);
      assert(timed === (entry.standing.is === 'suspect'), `${entry.name} is timed exactly while it is suspect`);
    }
  }

  #take(input: SwimInput): void {
    const context = this.#context;
    switch (input.is) {
      case 'start':
        this.#start();
        break;
      case 'wake':
        this.#onWake();
        break;
      case 'packet':
        this.#onPacket(input.messages, input.from);
        break;
      case 'sendFailed':
        this.#prober.onSendFailed(input.to);
        break;
      case 'streamPing':
        this.#onStreamPing(input.stream, input.ping);
        break;
      case 'streamPong':
        this.#prober.onStreamPong(input.seqNo, input.ok);
        break;
      case 'exchangeAsked':
        context.emit({ do: 'answer', stream: input.stream, message: ownState(context, input.state.join) });
        mergeState(context, input.state);
        break;
      case 'exchanged':
        this.#exchanges.onState(input.exchange, input.state);
        break;
      case 'exchangeFailed':
        this.#exchanges.onFailed(input.exchange, input.problem, input.refused);
        break;
      case 'join':
        this.#exchanges.join(input.join, input.targets);
        break;
      case 'seeds':
        this.#reunion.setSeeds(input.seeds);
        break;
      case 'doubt':
        this.#prober.doubt(input.name);
        break;
      case 'leave':
        this.#leaving.begin(input.withinMs);
        // A first round at once: the time given may be shorter than a gossip interval.
        this.#gossip();
        break;
      case 'meta':
        checkMeta(input.meta, context.config);
        // At once: until others know what this node is now, they and it disagree about who owns what.
        if (changeMeta(context, input.meta)) this.#gossip();
        break;
      default:
        unreachable(input);
    }
  }

  #start(): void {
    assert(!this.#started, 'a core is started once');
    this.#started = true;
    const { config, schedule, nowMs, self } = this.#context;
    self.standing = { is: 'alive', sinceMs: nowMs };
    announce(this.#context);
    // Nodes started together must not act together for ever: each task first waits a random part of its interval.
    const within = (intervalMs: number): number => nowMs + this.#stagger.next() * intervalMs;
    schedule.set('probeTick', within(config.probeIntervalMs), { is: 'probeTick' });
    schedule.set('gossipTick', within(config.gossipIntervalMs), { is: 'gossipTick' });
    schedule.set('pushPullTick', within(config.pushPullIntervalMs), { is: 'pushPullTick' });
    schedule.set('rejoinTick', within(config.rejoinIntervalMs), { is: 'rejoinTick' });
  }

  #onWake(): void {
    this.#wakeAtMs = undefined;
    const { schedule, nowMs } = this.#context;
    if (this.#inattention.recovering) return;
    for (let due = schedule.take(nowMs); due !== undefined; due = schedule.take(nowMs)) this.#onDue(due);
  }

  #onDue(due: Due): void {
    const context = this.#context;
    switch (due.is) {
      case 'probeTick':
        this.#prober.tick(() => this.#reap());
        // After the probe set its end, so that of equal times the end comes first and the tick finds the prober free.
        this.#again(due, context.config.probeIntervalMs);
        break;
      case 'gossipTick':
        this.#again(due, context.config.gossipIntervalMs);
        this.#gossip();
        break;
      case 'pushPullTick':
        this.#again(due, pushPullPeriodMs(context.config, context.members.size));
        this.#pushPull();
        break;
      case 'rejoinTick':
        this.#again(due, context.config.rejoinIntervalMs);
        this.#rejoin();
        break;
      case 'probeTimeout':
        this.#prober.onTimeout();
        break;
      case 'probeEnd':
        this.#prober.onEnd();
        break;
      case 'relayTimeout':
        this.#relays.onTimeout(due.seqNo);
        break;
      case 'suspicionEnd':
        onSuspicionEnd(context, due);
        break;
      case 'plea':
        onPlea(context, due);
        break;
      case 'exchangeTimeout':
        this.#exchanges.onFailed(due.exchange, 'the transport did not report in time');
        break;
      case 'leaveTimeout':
        this.#leaving.end(false);
        break;
      default:
        unreachable(due);
    }
  }

  /** The same task after its interval. Ticks that were missed meanwhile are dropped. */
  #again(due: Due, intervalMs: number): void {
    this.#context.schedule.set(due.is, this.#context.nowMs + intervalMs, due);
  }

  /**
   * The living first: who is alive outbids older accusations in the same packet. Pings last, so that an accusation which
   * came with a ping is denied in the very packet that answers it.
   */
  #onPacket(messages: readonly PacketMessage[], from: Endpoint): void {
    const context = this.#context;
    context.counts.packetsReceived++;
    for (const message of messages) if (message.is === 'alive') onAlive(context, message);
    for (const message of messages) {
      if (message.is === 'suspect') onSuspect(context, message);
      else if (message.is === 'dead') onDead(context, message);
    }
    for (const message of messages) this.#onProbeMessage(message, from);
  }

  #onProbeMessage(message: PacketMessage, from: Endpoint): void {
    const context = this.#context;
    switch (message.is) {
      case 'ping':
        this.#onPing(message, from);
        break;
      case 'indirectPing':
        this.#relays.begin(message, from);
        break;
      case 'ack':
        if (!this.#relays.onAck(message)) this.#prober.onAck(message);
        break;
      case 'nack':
        this.#prober.onNack(message);
        break;
      case 'user':
        context.counts.userMessages++;
        break;
      case 'alive':
      case 'suspect':
      case 'dead':
        break;
      default:
        unreachable(message);
    }
  }

  /** A ping for another name is left alone: its sender believes somebody else to be here, and silence is the truth. */
  #onPing({ node, seqNo, source }: Ping, from: Endpoint): void {
    const context = this.#context;
    if (node !== '' && node !== context.self.name) return;
    context.sendWithNews(answerTo(source, from), { is: 'ack', seqNo, payload: new Uint8Array() });
  }

  #onStreamPing(stream: number, { node, seqNo }: Ping): void {
    const { self } = this.#context;
    if (node !== '' && node !== self.name) this.#context.emit({ do: 'drop', stream });
    else this.#context.emit({ do: 'answer', stream, message: { is: 'ack', seqNo, payload: new Uint8Array() } });
  }

  #gossip(): void {
    const context = this.#context;
    const { config, members, broadcasts, nowMs, self } = context;
    if (broadcasts.size === 0) return;
    const hears = (entry: Entry): boolean => {
      const { is, sinceMs } = entry.standing;
      return entry !== self && is !== 'left' && (is !== 'dead' || nowMs - sinceMs <= config.gossipToTheDeadMs);
    };
    for (const entry of members.pick(config.gossipNodes, hears)) {
      const news = context.takeNews(0, partsMax);
      if (news.length === 0) return;
      context.send(entry, news, can(entry, 'checksums'));
    }
  }

  #pushPull(): void {
    const { members, self } = this.#context;
    const [entry] = members.pick(1, (peer) => peer !== self && peer.standing.is === 'alive');
    if (entry !== undefined) this.#exchanges.begin(entry, false);
  }

  #rejoin(): void {
    if (this.#context.leaving) return;
    const place = this.#reunion.next();
    if (place !== undefined) this.#exchanges.begin(place, true);
  }

  /** Forgets those who are gone for long. A name is free for any address then. */
  #reap(): void {
    const { config, members, nowMs, self } = this.#context;
    const old = ({ standing }: Entry): boolean => nowMs - standing.sinceMs > config.gossipToTheDeadMs;
    for (const entry of members.forget((candidate) => candidate !== self && isGone(candidate) && old(candidate))) {
      if (entry.standing.is === 'dead') this.#reunion.remember(entry);
    }
  }

  #onLag(lostMs: number): void {
    const { counts, awareness, config, schedule } = this.#context;
    this.#context.nowMs = this.#inattention.ownMs;
    if (lostMs <= 0) return;
    counts.lags++;
    counts.lagMs += lostMs;
    if (lostMs >= config.probeTimeoutMs) awareness.apply(1);
    // Whoever was away for longer than the dead are remembered is known to nobody, though it knows them all: it says so.
    if (lostMs >= config.gossipToTheDeadMs) schedule.set('pushPullTick', this.#context.nowMs, { is: 'pushPullTick' });
  }

  #askForWake(): void {
    const nextMs = this.#context.schedule.nextMs();
    if (nextMs === undefined) return;
    const atMs = Math.max(nextMs, this.#inattention.quietUntilMs);
    if (atMs === this.#wakeAtMs) return;
    this.#wakeAtMs = atMs;
    // Whole milliseconds, as timers have them: a rest below one could come back for ever.
    this.#context.emit({ do: 'wake', afterMs: Math.max(0, Math.ceil(atMs - this.#context.nowMs)) });
  }
}
