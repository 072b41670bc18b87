import { GossipMembership } from '../../src/membership/gossip/membership.js';
import type { GossipMembershipOptions } from '../../src/membership/gossip/parts.js';
import type { GossipArrival, GossipErrand, GossipTransport } from '../../src/membership/gossip/transport.js';
import { type SwimConfig, swimConfig } from '../../src/membership/swim/config.js';
import type { Cancel, Clock, TimerOptions, Wait } from '../../src/ports/clock.js';
import type { Discovery } from '../../src/ports/discovery.js';
import type { LogLevel } from '../../src/ports/log.js';
import type { Member, MemberChange, NodeInfo } from '../../src/ports/membership.js';
import type { LinkEvent, PeerNetwork } from '../../src/ports/peers.js';
import { encodePacketMessage } from '../../src/wire/memberlist/messages.js';
import { FakeClock } from './fake-clock.js';
import { FakeGossipNet, type FakeGossipOptions } from './fake-gossip.js';
import { type Seeded, seeded } from './seeded.js';

/** The time of one process: stands still while that is suspended, and catches up at once when it goes on. */
export class ProcessClock implements Clock {
  readonly #clock: FakeClock;
  #isPaused = false;
  #isDead = false;
  #late: (() => void)[] = [];
  readonly #open = new Set<Cancel>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  after(delayMs: number, run: () => void, _options?: TimerOptions): Cancel {
    let isCancelled = false;
    const cancel: Cancel = () => {
      isCancelled = true;
      stop();
      this.#open.delete(cancel);
    };
    const stop = this.#clock.after(delayMs, () =>
      this.run(() => {
        this.#open.delete(cancel);
        if (!isCancelled) run();
      }),
    );
    this.#open.add(cancel);
    return cancel;
  }

  soon(run: () => void): void {
    this.#clock.soon(() => this.run(run));
  }

  /** Timers not run yet. */
  get open(): number {
    return this.#open.size;
  }

  /** As soon as the process runs; never, when it is gone. */
  run(callback: () => void): void {
    if (this.#isPaused) this.#late.push(callback);
    else if (!this.#isDead) callback();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    for (const callback of this.#late.splice(0)) this.run(callback);
  }

  /** The process is gone. */
  kill(): void {
    this.#isDead = true;
    this.#late = [];
    for (const cancel of [...this.#open]) cancel();
  }
}

/** Links come up between nodes that run, whoever dialled, and break when one of the two ends. */
class PoolPeers implements Pick<PeerNetwork, 'dial' | 'undial' | 'linked' | 'onLink'> {
  readonly dialled: string[] = [];
  readonly #links = new Map<string, PoolNode>();
  readonly #listeners = new Set<(event: LinkEvent) => void>();

  constructor(
    private readonly pool: MembershipPool,
    private readonly node: PoolNode,
  ) {}

  get listeners(): number {
    return this.#listeners.size;
  }

  dial(address: string): void {
    this.dialled.push(address);
    this.connect(address);
  }

  undial(address: string): void {
    for (let at = this.dialled.indexOf(address); at >= 0; at = this.dialled.indexOf(address))
      this.dialled.splice(at, 1);
  }

  linked(): readonly NodeInfo[] {
    return [...this.#links.values()].map(({ self }) => self);
  }

  onLink(listener: (event: LinkEvent) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  connect(address: string): void {
    this.pool.clock.after(2, () => {
      const other = this.pool.linkable(address);
      if (other === undefined || !this.node.isRunning || !this.dialled.includes(address)) return;
      this.up(other);
      other.peers.up(this.node);
    });
  }

  up(other: PoolNode): void {
    if (other === this.node || this.#links.has(other.self.id)) return;
    this.#links.set(other.self.id, other);
    for (const listener of [...this.#listeners]) listener({ is: 'up', peer: other.self });
  }

  down(other: PoolNode): void {
    if (!this.#links.delete(other.self.id)) return;
    for (const listener of [...this.#listeners]) listener({ is: 'down', peer: other.self, left: false });
  }
}

/** A source of addresses that does as a test says. */
export class ScriptedDiscovery implements Discovery {
  readonly provider = 'scripted';
  findAgainMs = Number.POSITIVE_INFINITY;
  /** What `find` does: answer with `addresses`, or something worse. */
  behaviour: 'answer' | 'throw' | 'reject' | 'hang' | 'deaf' | 'rubbish' = 'answer';
  /** What `start` rejects with; 'hang': it never settles. */
  startProblem: unknown;
  neverStops = false;
  finds = 0;
  /** More than one question at a time. */
  overlaps = 0;
  readonly calls: string[] = [];
  #asking = 0;
  readonly #watchers = new Set<(addresses: readonly string[]) => void>();

  constructor(public addresses: readonly string[]) {}

  get watchers(): number {
    return this.#watchers.size;
  }

  start(): Promise<void> {
    this.calls.push('start');
    if (this.startProblem === 'hang') return new Promise(() => {});
    return this.startProblem === undefined ? Promise.resolve() : Promise.reject(this.startProblem);
  }

  find(wait: Wait): Promise<readonly string[]> {
    this.finds++;
    if (this.#asking > 0) this.overlaps++;
    switch (this.behaviour) {
      case 'throw':
        throw new Error('find is broken');
      case 'reject':
        return Promise.reject(new Error('the source is down'));
      case 'rubbish':
        return Promise.resolve({ length: 3 } as unknown as readonly string[]);
      case 'hang':
      case 'deaf':
        this.#asking++;
        return new Promise((_, reject) => {
          if (this.behaviour === 'deaf') return;
          wait.signal?.addEventListener('abort', () => {
            this.#asking--;
            reject(new Error('gave up'));
          });
        });
      case 'answer':
        return Promise.resolve(this.addresses);
    }
  }

  watch(listener: (addresses: readonly string[]) => void): Cancel {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  tell(addresses: readonly string[]): void {
    this.addresses = addresses;
    for (const listener of [...this.#watchers]) listener(addresses);
  }

  stop(): Promise<void> {
    this.calls.push('stop');
    return this.neverStops ? new Promise(() => {}) : Promise.resolve();
  }
}

export interface PoolNodeOptions extends Partial<Omit<GossipMembershipOptions, 'swim'>> {
  readonly swim?: Partial<SwimConfig>;
  /** Addresses of `discovery`; see MembershipPool.gossipOf. */
  readonly seeds?: readonly string[];
  readonly info?: Partial<NodeInfo>;
  readonly transport?: FakeGossipOptions;
}

/** One process: a membership and what stands around it. */
export class PoolNode {
  readonly clock: ProcessClock;
  readonly self: NodeInfo;
  readonly discovery: ScriptedDiscovery;
  readonly peers: PoolPeers;
  readonly membership: GossipMembership;
  /** `joined node-a: alive` and so on. */
  readonly heard: string[] = [];
  readonly log: { readonly level: LogLevel; readonly message: string }[] = [];
  isRunning = true;
  wasKilled = false;

  constructor(pool: MembershipPool, name: string, options: PoolNodeOptions) {
    const { swim, seeds = [], info = {}, transport, ...more } = options;
    this.clock = new ProcessClock(pool.clock);
    const host = pool.hostOf(name);
    const incarnation = Math.floor(pool.clock.wallMs() / 1000);
    this.self = {
      id: `process-${pool.starts}`,
      name,
      address: `${host}:3320`,
      admin: '',
      gossip: '',
      version: '0.2.0',
      weight: 1,
      incarnation,
      ...info,
    };
    this.discovery = new ScriptedDiscovery(seeds);
    this.peers = new PoolPeers(pool, this);
    const inner = pool.net.transport(host, 7946, transport);
    this.membership = new GossipMembership(
      {
        clock: this.clock,
        random: pool.random.fork(this.self.id),
        log: { write: (level, message) => this.log.push({ level, message }) },
        transport: pausable(inner, this.clock),
        discovery: this.discovery,
        peers: this.peers,
        self: () => this.self,
        sizeOf: (message) => encodePacketMessage(message).length,
      },
      {
        advertise: ({ port }) => ({ host, port }),
        swim: swimConfig('lan', swim),
        minimumPeers: 1,
        joinRetryIntervalMs: 1000,
        maxJoinAttempts: 3,
        linkWithinMs: 5000,
        ...more,
      },
    );
    this.membership.onChange(({ is, member }: MemberChange) =>
      this.heard.push(`${is} ${member.name}: ${member.state}`),
    );
  }

  start(ms = 30_000): Promise<void> {
    return this.membership.start({ deadlineMs: this.clock.nowMs() + ms });
  }

  stop(ms = 5000): Promise<void> {
    return this.membership.stop({ deadlineMs: this.clock.nowMs() + ms });
  }

  /** `node-a alive serving` and so on. */
  list(): readonly string[] {
    return this.membership.members().map(({ name, state, serving }) => `${name} ${state}${serving ? ' serving' : ''}`);
  }

  member(name: string): Member | undefined {
    return this.membership.members().find((member) => member.name === name);
  }

  warnings(): readonly string[] {
    return this.log.filter(({ level }) => level !== 'info').map(({ message }) => message);
  }

  /** What this membership has open; nothing, when its process is gone. */
  get open(): number {
    if (this.wasKilled) return 0;
    return this.clock.open + this.peers.listeners + this.peers.dialled.length + this.discovery.watchers;
  }
}

/** Whole memberships in one process, over a fake network under a fake clock. */
export class MembershipPool {
  readonly clock = new FakeClock();
  readonly random: Seeded;
  readonly net: FakeGossipNet;
  readonly nodes = new Map<string, PoolNode>();
  starts = 0;
  readonly #hosts = new Map<string, string>();

  constructor(seed = 'pool') {
    this.random = seeded(seed);
    this.net = new FakeGossipNet({ clock: this.clock, random: this.random.fork('net') });
  }

  hostOf(name: string): string {
    const host = this.#hosts.get(name) ?? `10.0.0.${this.#hosts.size + 1}`;
    this.#hosts.set(name, host);
    return host;
  }

  /** Whoever starts under this name from now on does so at another IP, as pods do. */
  move(name: string): void {
    this.#hosts.set(name, `10.0.1.${this.starts}`);
  }

  gossipOf(name: string): string {
    return `${this.hostOf(name)}:7946`;
  }

  /** A process of this name, not started yet. */
  node(name: string, options: PoolNodeOptions = {}): PoolNode {
    this.starts++;
    const node = new PoolNode(this, name, options);
    this.nodes.set(name, node);
    for (const other of this.nodes.values()) {
      if (other.peers.dialled.includes(node.self.address)) other.peers.connect(node.self.address);
    }
    return node;
  }

  /** Nodes that find each other, all serving. */
  async cluster(names: readonly string[], options: PoolNodeOptions = {}): Promise<readonly PoolNode[]> {
    const seeds = names.map((name) => this.gossipOf(name));
    const nodes = names.map((name) => this.node(name, { seeds, ...options }));
    await this.clock.until(Promise.all(nodes.map((node) => node.start())));
    await this.clock.advance(5000);
    for (const node of nodes) node.heard.length = 0;
    return nodes;
  }

  linkable(address: string): PoolNode | undefined {
    return [...this.nodes.values()].find(({ self, isRunning }) => isRunning && self.address === address);
  }

  /** SIGKILL: the process is gone without a word. */
  kill(node: PoolNode): void {
    node.isRunning = false;
    node.wasKilled = true;
    node.clock.kill();
    this.net.crash(this.gossipOf(node.self.name));
    for (const other of this.nodes.values()) other.peers.down(node);
  }

  /** Stops in good order. */
  async leave(node: PoolNode): Promise<void> {
    await node.stop();
    node.isRunning = false;
    for (const other of this.nodes.values()) other.peers.down(node);
  }

  async stop(): Promise<void> {
    const running = [...this.nodes.values()].filter(({ isRunning }) => isRunning);
    await this.clock.until(Promise.all(running.map((node) => node.stop())));
    for (const node of running) node.isRunning = false;
  }
}

/** What arrives while the process is suspended waits in its sockets. */
function pausable(inner: GossipTransport, clock: ProcessClock): GossipTransport {
  return {
    packetOverheadBytes: inner.packetOverheadBytes,
    open: (onArrival: (arrival: GossipArrival) => void, wait: Wait) =>
      inner.open((arrival) => clock.run(() => onArrival(arrival)), wait),
    carry: (errand: GossipErrand) => inner.carry(errand),
    counts: () => inner.counts(),
    close: () => inner.close(),
  };
}
