import { randomBytes } from 'node:crypto';
import { joinAddress, splitAddress } from '../../src/base/addresses.js';
import { bytesOfIp } from '../../src/base/ip.js';
import type {
  GossipArrival,
  GossipCounts,
  GossipErrand,
  GossipTransport,
} from '../../src/membership/gossip/transport.js';
import type { PacketMessage, Vsn } from '../../src/membership/messages.js';
import { type SwimConfig, type SwimProfile, swimConfig } from '../../src/membership/swim/config.js';
import { SwimCore } from '../../src/membership/swim/core.js';
import type { Endpoint, SwimEvent, SwimInput, SwimMember } from '../../src/membership/swim/effects.js';
import { systemClock } from '../../src/platform/clock.js';
import { systemRandom } from '../../src/platform/random.js';
import type { Cancel } from '../../src/ports/clock.js';
import { silent } from '../../src/ports/log.js';
import { createGossipTransport } from '../../src/transport/gossip/gossip-transport.js';
import type { GossipTransportOptions } from '../../src/transport/gossip/options.js';
import { KeyRing } from '../../src/wire/memberlist/key-ring.js';
import { encodePacketMessage } from '../../src/wire/memberlist/messages.js';
import { serfVsn } from './hand-peer.js';
import { patienceMs } from './serf.js';
import { until } from './until.js';

export interface GossipNodeOptions {
  readonly name: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port?: number;
  readonly profile?: SwimProfile;
  readonly changes?: Partial<SwimConfig>;
  readonly vsn?: Vsn;
  readonly meta?: Uint8Array;
  readonly incarnation?: number;
  /** 16, 24 or 32 bytes each; the first encrypts. */
  readonly keys?: readonly Uint8Array[];
  /** Of what it sends. */
  readonly compress?: boolean;
  /** Plain UDP otherwise. */
  readonly transport?: Partial<Pick<GossipTransportOptions, 'kind' | 'label' | 'compress'>>;
}

/** What a node does not do although it should: answer datagram pings, or anything at all. */
export type Deafness = 'none' | 'pings' | 'all';

type Timed<T> = T & { readonly atMs: number };
type Kind = PacketMessage['is'];
export type HeardMessage<K extends Kind = Kind> = Timed<Extract<PacketMessage, { is: K }>> & {
  /** Where its packet came from. */
  readonly origin: Endpoint;
};

/** SwimCore on real sockets and the real clock, with the thinnest driver between, and everything it sees on record. */
export class GossipNode {
  readonly core: SwimCore;
  readonly keys: KeyRing | undefined;
  readonly events: Timed<SwimEvent>[] = [];
  readonly heard: HeardMessage[] = [];
  readonly sent: Timed<GossipErrand>[] = [];
  deafness: Deafness = 'none';
  #cancelWake: Cancel = () => {};
  #joins = 0;
  #closed = false;

  private constructor(
    readonly options: GossipNodeOptions,
    readonly endpoint: Endpoint,
    private readonly transport: GossipTransport,
    keys: KeyRing | undefined,
  ) {
    const { name, profile = 'lan', changes = {}, vsn = serfVsn, meta = new Uint8Array(), incarnation = 10 } = options;
    this.keys = keys;
    const self = { name, ...endpoint, incarnation, meta, vsn };
    const config = swimConfig(profile, { packetOverheadBytes: transport.packetOverheadBytes, ...changes });
    const sizeOf = (message: PacketMessage): number => encodePacketMessage(message).length;
    this.core = new SwimCore(self, config, { random: systemRandom, sizeOf });
  }

  static async start(options: GossipNodeOptions): Promise<GossipNode> {
    const { host, port = 0, compress = false } = options;
    const keys = options.keys && new KeyRing(options.keys);
    const transport = createGossipTransport({
      host,
      port,
      kind: 'udp',
      label: '',
      ...options.transport,
      keys,
      compress,
      nonce: () => randomBytes(12),
      clock: systemClock,
      log: silent,
    });
    const early: GossipArrival[] = [];
    let take = (arrival: GossipArrival): void => void early.push(arrival);
    const at = await transport.open((arrival) => take(arrival), { deadlineMs: systemClock.nowMs() + 5000 });
    const node = new GossipNode(options, { addr: bytesOfIp(at.host)!, port: at.port }, transport, keys);
    node.step({ is: 'start' });
    take = (arrival) => node.#arrive(arrival);
    for (const arrival of early) take(arrival);
    return node;
  }

  get name(): string {
    return this.options.name;
  }

  /** `ip:port` of its gossip. */
  get address(): string {
    return joinAddress(this.options.host, this.endpoint.port);
  }

  /** What the transport counted under this name so far. */
  counted(name: string): number {
    return this.transport.counts()[name] ?? 0;
  }

  /** Whatever arrived and was not read, counted by reason. */
  dropped(): Readonly<Record<string, number>> {
    const counts = Object.entries(this.transport.counts());
    return Object.fromEntries(counts.filter(([name, count]) => /_(?:dropped|errors|corrupt)/.test(name) && count > 0));
  }

  get incarnation(): number {
    return this.core.member(this.name)!.incarnation;
  }

  /** Counted by the transport, by snake_case name. */
  counts(): GossipCounts {
    return this.transport.counts();
  }

  step(input: SwimInput): void {
    if (this.#closed) return;
    for (const effect of this.core.step(input, systemClock.nowMs())) {
      if (effect.do === 'wake') {
        this.#cancelWake();
        this.#cancelWake = systemClock.after(effect.afterMs, () => this.step({ is: 'wake' }));
      } else if (effect.do === 'tell') this.events.push({ ...effect.event, atMs: performance.now() });
      else this.#carry(effect);
    }
    this.core.check();
  }

  /** Resolves with how many of them answered; rejects when none did. */
  async join(...addresses: readonly string[]): Promise<number> {
    const join = ++this.#joins;
    const targets = addresses.map(splitAddress).map(({ host, port }) => ({ addr: bytesOfIp(host)!, port }));
    this.step({ is: 'join', join, targets });
    const done = await this.#told((event) => event.is === 'joinDone' && event.join === join, 'joinDone');
    const { contacted, problems } = done as Extract<SwimEvent, { is: 'joinDone' }>;
    if (contacted === 0) throw new Error(problems.join('; '));
    return contacted;
  }

  async leave(withinMs = 5000): Promise<void> {
    this.step({ is: 'leave', withinMs });
    await this.#told(({ is }) => is === 'leaveDone', 'leaveDone');
  }

  member(name: string): SwimMember | undefined {
    return this.core.member(name);
  }

  /** `alive 10`: state and incarnation. */
  state(name: string): string {
    const member = this.core.member(name);
    return member === undefined ? 'unknown' : `${member.state} ${member.incarnation}`;
  }

  /** The kinds of events about a member so far, in order. */
  told(name: string): readonly SwimEvent['is'][] {
    return this.events.filter((event) => 'member' in event && event.member.name === name).map(({ is }) => is);
  }

  /** The first event of a kind about a member that is, or comes. */
  tells(is: SwimEvent['is'], name: string, limitMs = patienceMs): Promise<Timed<SwimEvent>> {
    return this.#told(
      (event) => event.is === is && 'member' in event && event.member.name === name,
      `${is} ${name}`,
      limitMs,
    );
  }

  /** @param names all that it lists, and each alive */
  async showsAlive(names: readonly string[], limitMs = patienceMs): Promise<void> {
    const wanted = [...names].sort().join();
    const holds = (): boolean => {
      const members = this.core.members();
      const sorted = members.map(({ name }) => name).sort();
      return sorted.join() === wanted && members.every(({ state }) => state === 'alive');
    };
    await until(`${this.name} lists ${wanted} alive`, holds, limitMs);
  }

  /** The first message of a kind that fits, of those that came or come. */
  async hears<K extends Kind>(
    kind: K,
    fits: (message: HeardMessage<K>) => boolean = () => true,
    limitMs = patienceMs,
  ): Promise<HeardMessage<K>> {
    const find = (): HeardMessage<K> | undefined =>
      this.heard.find((message): message is HeardMessage<K> => message.is === kind && fits(message as HeardMessage<K>));
    await until(`${this.name} hears ${kind}`, () => find() !== undefined, limitMs, 5);
    return find()!;
  }

  /** One packet beside what the core sends. */
  say(to: Endpoint, ...messages: readonly PacketMessage[]): void {
    this.transport.carry({ do: 'send', to, messages, checksum: false });
  }

  /** Ends as a process that is killed: without a word. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelWake();
    await this.transport.close();
  }

  async #told(fits: (event: SwimEvent) => boolean, what: string, limitMs = patienceMs): Promise<Timed<SwimEvent>> {
    await until(`${this.name} tells ${what}`, () => this.events.some(fits), limitMs, 5);
    return this.events.find(fits)!;
  }

  #carry(errand: GossipErrand): void {
    if (this.deafness === 'all') {
      if (errand.do === 'answer') this.transport.carry({ do: 'drop', stream: errand.stream });
      return;
    }
    this.sent.push({ ...errand, atMs: performance.now() });
    this.transport.carry(errand);
  }

  #arrive(arrival: GossipArrival): void {
    if (this.#closed) return;
    if (this.deafness === 'all') {
      if ('stream' in arrival) this.transport.carry({ do: 'drop', stream: arrival.stream });
      return;
    }
    if (arrival.is !== 'packet') {
      this.step(arrival);
      return;
    }
    const atMs = performance.now();
    for (const message of arrival.messages) this.heard.push({ ...message, origin: arrival.from, atMs });
    if (this.deafness === 'none') this.step(arrival);
    else this.step({ ...arrival, messages: arrival.messages.filter(({ is }) => is !== 'ping') });
  }
}
