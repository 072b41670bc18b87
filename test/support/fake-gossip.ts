import { joinAddress } from '../../src/base/addresses.js';
import { bytesOfIp, ipOfBytes } from '../../src/base/ip.js';
import type {
  GossipArrival,
  GossipAt,
  GossipCounts,
  GossipErrand,
  GossipTransport,
} from '../../src/membership/gossip/transport.js';
import type { PushPull } from '../../src/membership/messages.js';
import type { Endpoint, StreamId } from '../../src/membership/swim/effects.js';
import type { Cancel, Clock, Wait } from '../../src/ports/clock.js';
import { ListenError } from '../../src/transport/listen-error.js';
import { type Seeded, seeded } from './seeded.js';

export interface FakeGossipNetOptions {
  readonly clock: Clock;
  readonly random?: Seeded;
  /** One way, drawn anew for each packet, so that they overtake each other. */
  readonly latencyMs?: readonly [min: number, max: number];
}

export interface FakeGossipOptions {
  /** What `open` tells instead of the host, such as a wildcard. */
  readonly bound?: string;
  /** Packets and streams of another label never arrive. */
  readonly label?: string;
  /** Packets and streams under another secret never arrive; '' is the clear. */
  readonly secret?: string;
  /** How long an asked stream waits for its answer. */
  readonly streamTimeoutMs?: number;
}

type Waiting = Extract<GossipErrand, { do: 'exchange' | 'streamPing' }>;

/**
 * Gossip between nodes of one process under a fake clock: messages as they are, copied. Packets take their own time each,
 * get lost or come twice as told; streams are spared all but the time they take, and cuts, as TCP is.
 */
export class FakeGossipNet {
  /** Shares of packets, in [0, 1]. */
  loss = 0;
  duplicate = 0;
  latencyMs: readonly [min: number, max: number];
  readonly clock: Clock;
  readonly #random: Seeded;
  readonly #listening = new Map<string, FakeGossipTransport>();
  readonly #cuts = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #unroutable = new Set<string>();
  #portNext = 20_000;

  constructor({ clock, random = seeded('gossip'), latencyMs = [0.2, 2] }: FakeGossipNetOptions) {
    this.clock = clock;
    this.#random = random;
    this.latencyMs = latencyMs;
  }

  /** The transport of one node. It is reached at this IP; port 0 takes a free one when it opens. */
  transport(host: string, port = 7946, options: FakeGossipOptions = {}): FakeGossipTransport {
    return new FakeGossipTransport(this, host, port, options);
  }

  /** Nothing from `from` reaches `to` any more. Both are IPs, or `ip:port` for one node of several at an IP. */
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
  }

  healAll(): void {
    this.#cuts.clear();
    this.#unroutable.clear();
  }

  /** Whoever sends to this IP is told at once that no way leads there. */
  unroute(host: string): void {
    this.#unroutable.add(host);
  }

  /**
   * The process at `ip:port` is gone without a word. Its machine refuses streams; with `silent` that is gone too, and
   * streams to it run into their deadlines. Another transport may open there.
   */
  crash(address: string, { silent = false } = {}): void {
    this.#listening.get(address)?.halt();
    if (silent) this.#gone.add(address);
  }

  /** For FakeGossipTransport. */
  listen(transport: FakeGossipTransport, host: string, wished: number): number {
    let port = wished;
    while (port === 0) {
      const candidate = this.#portNext++;
      if (!this.#listening.has(joinAddress(host, candidate))) port = candidate;
    }
    const address = joinAddress(host, port);
    if (this.#listening.has(address)) throw new ListenError(address, 'address already in use', undefined);
    this.#gone.delete(address);
    this.#listening.set(address, transport);
    return port;
  }

  unlisten(address: string): void {
    this.#listening.delete(address);
  }

  at(address: string): FakeGossipTransport | undefined {
    return this.#listening.get(address);
  }

  isSilent(address: string): boolean {
    return this.#gone.has(address);
  }

  isUnroutable(host: string): boolean {
    return this.#unroutable.has(host);
  }

  passes(from: FakeGossipTransport, to: FakeGossipTransport): boolean {
    if (this.#cuts.size === 0) return true;
    return ![from.host, from.address].some((a) => [to.host, to.address].some((b) => this.#cuts.has(`${a}>${b}`)));
  }

  /** How many copies of a packet arrive. */
  copies(): number {
    if (this.#random.chance(this.loss)) return 0;
    return this.#random.chance(this.duplicate) ? 2 : 1;
  }

  delayMs(): number {
    const [min, max] = this.latencyMs;
    return min + this.#random.next() * (max - min);
  }
}

/** An asked stream that waits for its answer. */
interface Asked {
  readonly reply: (message: PushPull | { readonly is: 'ack'; readonly seqNo: number }) => void;
  readonly hangUp: () => void;
}

const streamsMax = 128;

export class FakeGossipTransport implements GossipTransport {
  readonly packetOverheadBytes = 0;
  #port: number;
  #state: 'new' | 'open' | 'closed' = 'new';
  #tell: (arrival: GossipArrival) => void = () => {};
  readonly #timers = new Set<Cancel>();
  readonly #asked = new Map<StreamId, Asked>();
  #stream = 0;
  readonly #counts = new Map<string, number>();

  constructor(
    private readonly net: FakeGossipNet,
    readonly host: string,
    port: number,
    readonly options: FakeGossipOptions,
  ) {
    this.#port = port;
  }

  /** `ip:port`; the port is known once it is open. */
  get address(): string {
    return joinAddress(this.host, this.#port);
  }

  get endpoint(): Endpoint {
    return { addr: bytesOfIp(this.host)!, port: this.#port };
  }

  async open(onArrival: (arrival: GossipArrival) => void, _wait?: Wait): Promise<GossipAt> {
    this.#port = this.net.listen(this, this.host, this.#port);
    this.#tell = onArrival;
    this.#state = 'open';
    return { host: this.options.bound ?? this.host, port: this.#port };
  }

  counts(): GossipCounts {
    return Object.fromEntries(this.#counts);
  }

  carry(errand: GossipErrand): void {
    if (this.#state !== 'open') return;
    switch (errand.do) {
      case 'send':
        this.#send(structuredClone(errand));
        break;
      case 'exchange':
      case 'streamPing':
        this.#ask(structuredClone(errand));
        break;
      case 'answer':
        this.#take(errand.stream)?.reply(structuredClone(errand.message));
        break;
      case 'drop':
        this.#take(errand.stream)?.hangUp();
    }
  }

  close(): Promise<void> {
    this.halt();
    return Promise.resolve();
  }

  /** Ends at once, as a process that is killed. What waits on its streams is told as a closed connection would. */
  halt(): void {
    if (this.#state === 'open') this.net.unlisten(this.address);
    this.#state = 'closed';
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { hangUp } of asked) hangUp();
  }

  /** For its peers: something comes in after `delayMs`, unless this closes before. */
  later(delayMs: number, run: () => void): Cancel {
    const cancel: Cancel = this.net.clock.after(delayMs, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
    return () => {
      cancel();
      this.#timers.delete(cancel);
    };
  }

  count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** For its peers: why it would not read what `from` sends, by the reasons of the codec. */
  objection(from: FakeGossipTransport): string | undefined {
    if ((from.options.label ?? '') !== (this.options.label ?? '')) return 'label_mismatch';
    const [theirs, ours] = [from.options.secret ?? '', this.options.secret ?? ''];
    if (theirs === ours) return undefined;
    if (ours === '') return 'unexpectedly_encrypted';
    return theirs === '' ? 'unencrypted' : 'undecryptable';
  }

  /** For its peers. */
  receive(arrival: GossipArrival): void {
    if (this.#state === 'open') this.#tell(arrival);
  }

  /** For its peers: takes a stream in, or hangs up. */
  admit(asked: Asked, arrival: (stream: StreamId) => GossipArrival): void {
    if (this.#asked.size >= streamsMax) {
      this.count('gossip_streams_refused');
      asked.hangUp();
      return;
    }
    const stream = ++this.#stream;
    const cancel = this.later(this.options.streamTimeoutMs ?? 10_000, () => {
      this.count('gossip_streams_timed_out');
      this.#take(stream)?.hangUp();
    });
    const ended =
      <A extends unknown[]>(run: (...args: A) => void) =>
      (...args: A): void => {
        cancel();
        run(...args);
      };
    this.#asked.set(stream, { reply: ended(asked.reply), hangUp: ended(asked.hangUp) });
    this.receive(arrival(stream));
  }

  #take(stream: StreamId): Asked | undefined {
    const asked = this.#asked.get(stream);
    this.#asked.delete(stream);
    return asked;
  }

  #send({ to, messages }: Extract<GossipErrand, { do: 'send' }>): void {
    this.count('gossip_packets_sent');
    const host = ipOfBytes(to.addr);
    if (host === undefined || to.port === 0 || this.net.isUnroutable(host)) {
      this.count('gossip_send_errors');
      this.later(0, () => this.receive({ is: 'sendFailed', to }));
      return;
    }
    const target = this.net.at(joinAddress(host, to.port));
    if (target === undefined || !this.net.passes(this, target)) return;
    for (let copies = this.net.copies(); copies > 0; copies--) {
      const copy = structuredClone(messages);
      target.later(this.net.delayMs(), () => {
        const objection = target.objection(this);
        target.count(objection === undefined ? 'gossip_packets_received' : `gossip_packets_dropped_${objection}`);
        if (objection === undefined) target.receive({ is: 'packet', from: this.endpoint, messages: copy });
      });
    }
  }

  #ask(errand: Waiting): void {
    this.count('gossip_streams_opened');
    const host = ipOfBytes(errand.to.addr);
    const address = joinAddress(host ?? '', errand.to.port);
    const deadlineMs = this.net.clock.nowMs() + errand.withinMs;
    let open = true;
    /** Reports once, after `delayMs`; what comes later is too late. */
    const report = (arrival: GossipArrival, delayMs = this.net.delayMs()): void => {
      if (!open) return;
      open = false;
      endDeadline();
      const leftMs = deadlineMs - this.net.clock.nowMs();
      if (this.#state === 'open') this.later(Math.min(delayMs, leftMs), () => this.receive(arrival));
    };
    const fail = (problem: string, { delayMs = this.net.delayMs(), refused = false } = {}): void =>
      report(failureOf(errand, `${address}: ${problem}`, refused), delayMs);
    const endDeadline = this.later(errand.withinMs, () =>
      fail(`no answer within ${errand.withinMs} ms`, { delayMs: 0 }),
    );
    if (host === undefined || errand.to.port === 0 || this.net.isUnroutable(host)) {
      fail('no route to it');
      return;
    }
    const target = this.net.at(address);
    if (target === undefined) {
      if (this.net.isSilent(address)) return;
      fail('connection refused; is a node listening there?', { delayMs: 2 * this.net.delayMs(), refused: true });
      return;
    }
    const passes = (): boolean => this.net.passes(this, target) && this.net.passes(target, this);
    if (!passes()) return;
    target.later(3 * this.net.delayMs(), () => {
      if (!open || !passes()) return;
      const hangUp = (): void => {
        if (passes()) fail('it closed the stream without an answer');
      };
      const objection = target.objection(this);
      if (objection !== undefined) {
        target.count(`gossip_streams_dropped_${objection}`);
        hangUp();
        return;
      }
      target.count('gossip_streams_accepted');
      target.admit(
        {
          hangUp,
          reply: (message) => {
            if (passes()) report(answerTo(errand, message) ?? failureOf(errand, `${address}: not an answer to that`));
          },
        },
        (stream) =>
          errand.do === 'exchange'
            ? { is: 'exchangeAsked', stream, state: errand.state }
            : { is: 'streamPing', stream, ping: errand.ping },
      );
    });
  }
}

const failureOf = (errand: Waiting, problem: string, refused = false): GossipArrival =>
  errand.do === 'exchange'
    ? { is: 'exchangeFailed', exchange: errand.exchange, problem, refused }
    : { is: 'streamPong', seqNo: errand.ping.seqNo, ok: false };

function answerTo(
  errand: Waiting,
  message: PushPull | { readonly is: 'ack'; readonly seqNo: number },
): GossipArrival | undefined {
  if (errand.do === 'exchange') {
    if (message.is !== 'pushPull') return undefined;
    return { is: 'exchanged', exchange: errand.exchange, state: message };
  }
  return {
    is: 'streamPong',
    seqNo: errand.ping.seqNo,
    ok: message.is === 'ack' && message.seqNo === errand.ping.seqNo,
  };
}
