import type { Guards } from '../../../src/coherence/guards.js';
import { HybridClock } from '../../../src/coherence/hybrid-clock.js';
import { CacheEngine } from '../../../src/engine/engine.js';
import { type KeyspaceOptions, resolveOptions } from '../../../src/engine/options.js';
import { xxh3Hasher } from '../../../src/platform/hasher.js';
import { asyncLoadContext } from '../../../src/platform/load-context.js';
import type { Loaded } from '../../../src/ports/data-source.js';
import type { NodeInfo } from '../../../src/ports/membership.js';
import { lruIndex } from '../../../src/store/lru-index.js';
import { createPeerLinks, type PeerLinks } from '../../../src/transport/peer-links.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeNetwork } from '../../support/fake-network.js';
import { History } from '../../support/history/history.js';
import { saidOf } from '../../support/history/member-events.js';
import { textFor } from '../../support/history/records.js';
import { type Seeded, seeded } from '../../support/seeded.js';
import { Cuts } from './cuts.js';
import { Detector } from './detector.js';
import { MachineClock } from './machine-clock.js';
import { type News, ScriptedMembership } from './scripted-membership.js';

export const ks = 'ks';
export const virtualNodes = 16;

/** Every other key bears the same tag. */
export const tagsOf = (key: string): readonly string[] => [Number(key.slice(1)) % 2 === 0 ? 'even' : 'odd'];

export interface WorldOptions {
  readonly seed: string;
  readonly guards: Guards;
  readonly nodes: number;
  readonly replicas: number;
  readonly keyspace: Partial<KeyspaceOptions>;
  /** Clocks on the wall differ by so much at most. */
  readonly skewMs: number;
  /** One way, at most. */
  readonly latencyMs: number;
  readonly sourceMs: number;
  /** Part of its answers that are failures, until `mendSource`. */
  readonly sourceFails: number;
  /** Calls that one node may have under way to another. */
  readonly maxInflight: number;
}

export interface SimNode {
  readonly name: string;
  readonly address: string;
  readonly engine: CacheEngine;
  readonly links: PeerLinks;
  readonly membership: ScriptedMembership;
  readonly clock: MachineClock;
  state: 'starting' | 'up' | 'paused' | 'gone';
  /** What it was when it was paused. */
  before: 'starting' | 'up';
  readonly died: PromiseWithResolvers<void>;
}

/** A cluster of real engines over a fake network and clock, with a data source that counts. */
export class World {
  readonly clock: FakeClock;
  readonly network: FakeNetwork;
  readonly cuts: Cuts;
  readonly history: History;
  readonly random: Seeded;
  /** The latest life of each name. */
  readonly nodes = new Map<string, SimNode>();
  /** The data source: the latest seq of each key. */
  readonly source = new Map<string, number>();
  readonly logged: string[] = [];
  /** Told of each process that starts, before it does anything. */
  readonly starting = new Set<(node: SimNode) => void>();
  #sourceFails: number;
  readonly #detector: Detector;
  /** Work of the world's own that must have ended. */
  readonly #tasks = new Set<Promise<void>>();
  #lives = 0;

  constructor(readonly options: WorldOptions) {
    this.random = seeded(options.seed);
    this.#sourceFails = options.sourceFails;
    this.clock = new FakeClock({ isAlone: true, startMs: this.random.chance(0.3) ? 8e12 : 0 });
    const latency = this.random.fork('latency');
    this.network = new FakeNetwork({
      clock: this.clock,
      latencyMs: () => (latency.chance(0.05) ? latency.next() * 5 : 1) * latency.next() * options.latencyMs,
    });
    this.cuts = new Cuts(this.network);
    this.history = new History(() => this.clock.nowMs());
    this.#detector = new Detector(this, this.random.fork('detector'));
  }

  node(name: string): SimNode {
    return this.nodes.get(name)!;
  }

  /** Those that clients can ask. */
  up(): readonly SimNode[] {
    return [...this.nodes.values()].filter(({ state }) => state === 'up');
  }

  alive(): readonly SimNode[] {
    return [...this.nodes.values()].filter(({ state }) => state !== 'gone');
  }

  /** Every process that is there and runs can be spoken to by this one, and speaks to it. */
  reaches(a: SimNode, b: SimNode): boolean {
    if (a.state === 'gone' || b.state === 'gone' || a.state === 'paused' || b.state === 'paused') return false;
    return this.network.passable(a.address, b.address) && this.network.passable(b.address, a.address);
  }

  /** Each of the others hears it after a while, if there is a way by then. */
  spread(from: string, { info, state, serving }: News, names: Iterable<string> = [...this.nodes.keys()]): void {
    const random = this.random.fork(`spread/${from}/${info.incarnation}/${state}/${serving}`);
    for (const name of names) {
      if (name === info.name) continue;
      const again = (): void => {
        const [to, source] = [this.nodes.get(name), this.nodes.get(from)];
        if (to === undefined || to.state === 'gone') return;
        // Who leaves tells those it can reach; the rest find out by themselves.
        const isThere = source !== undefined && source.membership.self.id === info.id && source.state !== 'gone';
        if (isThere && !this.reaches(to, source) && !this.reachesByOthers(to, source)) {
          if (state !== 'left') this.clock.after(200, again);
          return;
        }
        // What was said before something later was said is old news.
        if (isThere && source.membership.info().incarnation > info.incarnation && state !== 'left') return;
        to.clock.run(() => to.membership.hear({ info, state, serving }));
      };
      this.clock.after(random.between(2, 250), again);
    }
  }

  reachesByOthers(a: SimNode, b: SimNode): boolean {
    return this.alive().some((other) => other !== a && other !== b && this.reaches(a, other) && this.reaches(other, b));
  }

  /**
   * What who starts is told: of those it reaches, and of those who do not count as dead to one that it reaches. Of who drains,
   * perhaps what held before; it hears the rest a little later.
   */
  running(by: string): readonly News[] {
    const asker = this.nodes.get(by)!;
    const isKnown = ({ membership }: SimNode): boolean => membership.isServing || membership.isDraining;
    const there = this.alive().filter((node) => node !== asker);
    const near = there.filter((node) => isKnown(node) && this.reaches(asker, node));
    const counts = ({ name }: SimNode): boolean =>
      near.some(({ membership }) => ['alive', 'suspect'].includes(membership.stateOf(name) ?? ''));
    const random = this.random.fork(`running/${by}/${asker.membership.self.id}`);
    return there
      .filter((node) => near.includes(node) || (!node.membership.isDraining && counts(node)))
      .map(({ name, membership }) => {
        const news = membership.news();
        if (!membership.isDraining || random.chance(0.5)) return news;
        this.spread(name, news, [by]);
        return { info: { ...news.info, incarnation: news.info.incarnation - 1 }, state: 'alive', serving: true };
      });
  }

  /** A new process of this name, which joins those that run. */
  start(name: string): SimNode {
    const life = ++this.#lives;
    const random = this.random.fork(`${name}/${life}`);
    const clock = new MachineClock(this.clock);
    clock.skewMs = Math.round((random.next() * 2 - 1) * this.options.skewMs);
    const hybrid = new HybridClock(clock);
    const address = `${name}:3320`;
    const host = this.network.host(address);
    const self: NodeInfo = {
      id: random.id(),
      name,
      address,
      admin: '',
      gossip: '',
      version: '0',
      weight: 1,
      incarnation: Math.floor(clock.wallMs() / 1000),
    };
    const log = { write: (_: string, message: string) => void this.logged.push(`${name}: ${message}`) };
    const links = createPeerLinks({
      clock,
      random,
      log,
      stamp: hybrid,
      self: () => self,
      label: 'sim',
      dialer: host.dialer,
      limits: { maxInflight: this.options.maxInflight, maxFrameBytes: 1 << 20, maxInflightBytes: 1 << 28 },
    });
    host.listen((stream) => links.accept(stream));
    const membership = new ScriptedMembership(self, clock, links, this);
    const resolved = resolveOptions(
      {
        keyspaces: [
          {
            name: ks,
            maxBytes: '1MiB',
            dataSource: { fetch: (key) => this.#fetch(key, name, clock) },
            ...this.options.keyspace,
          },
        ],
        replicas: this.options.replicas,
        virtualNodes,
      },
      { totalMemoryBytes: 2 ** 34, evictionPolicies: ['lru'] },
    );
    const engine = new CacheEngine(
      {
        clock,
        random,
        log,
        hasher: xxh3Hasher,
        context: asyncLoadContext(),
        membership,
        peers: links,
        hybrid,
        self: () => self,
        label: 'sim',
        evictionPolicies: new Map([['lru', lruIndex]]),
        guards: this.options.guards,
      },
      resolved,
    );
    const died = Promise.withResolvers<void>();
    const node: SimNode = {
      name,
      address,
      engine,
      links,
      membership,
      clock,
      state: 'starting',
      before: 'starting',
      died,
    };
    this.nodes.set(name, node);
    for (const heard of this.starting) heard(node);
    this.history.node(name, 'start');
    void this.#listen(name, engine);
    this.#task(
      node,
      engine.open({ deadlineMs: this.clock.nowMs() + 30_000 }).then(
        () => {
          if (node.state === 'starting') node.state = 'up';
        },
        (error) => {
          if (node.state !== 'gone') throw error;
        },
      ),
    );
    return node;
  }

  /** The process is gone with all it knew. `silent`: nobody is told, as when a machine loses power. */
  crash(node: SimNode, silent: boolean): void {
    node.state = 'gone';
    node.clock.kill();
    this.network.crash(node.address, { silent });
    node.died.resolve();
    this.history.node(node.name, 'crash');
  }

  /** SIGTERM: hands over, leaves and ends. */
  leave(node: SimNode): void {
    node.state = 'starting';
    this.history.node(node.name, 'drain');
    this.#task(
      node,
      node.engine.close({ deadlineMs: this.clock.nowMs() + 5000 }).then(() => {
        node.state = 'gone';
        node.clock.kill();
        this.network.crash(node.address);
      }),
    );
  }

  pause(node: SimNode): void {
    if (node.state !== 'up' && node.state !== 'starting') return;
    node.before = node.state;
    node.state = 'paused';
    node.clock.pause();
    this.network.freeze(node.address);
    this.history.node(node.name, 'freeze');
  }

  /** `sleptMs`: all the time that the whole machine stood still, and not the process alone. */
  resume(node: SimNode, sleptMs = 0): void {
    if (node.state !== 'paused') return;
    node.state = node.before;
    node.clock.slept(sleptMs);
    this.history.node(node.name, 'wake');
    // Timers first, or what waits in the sockets first: both happen.
    if (this.random.chance(0.5)) node.clock.resume();
    this.network.thaw(node.address);
    node.clock.resume();
  }

  /** What this run of a node tells of its peers. */
  async #listen(name: string, engine: CacheEngine): Promise<void> {
    for await (const event of engine.events()) {
      if (event.type === 'gap') this.history.member(name, 'gap', '');
      else if (!('keyspace' in event)) this.history.member(name, saidOf[event.type], event.peer.name);
    }
  }

  mendSource(): void {
    this.#sourceFails = 0;
  }

  startDetector(): void {
    this.#detector.start();
  }

  /** Stops everything; what the world itself began has ended then, or failed. */
  async stop(): Promise<void> {
    this.#detector.stop();
    for (const node of this.alive()) this.leave(node);
    await this.clock.until(Promise.all([...this.#tasks]), 60_000);
    await this.clock.advance(500);
  }

  /** A process that is gone ends nothing. */
  #task(node: SimNode, work: Promise<void>): void {
    const tracked = Promise.race([work, node.died.promise]).finally(() => this.#tasks.delete(tracked));
    // Its failure is seen by `stop`.
    tracked.catch(() => {});
    this.#tasks.add(tracked);
  }

  /**
   * The row is read at some moment within the time that the source takes. All of it happens in the time of the process that
   * asks: one that stands still gets its answer when it goes on, one that is gone never.
   */
  async #fetch(key: string, node: string, clock: MachineClock): Promise<Loaded> {
    const random = this.random.fork(`fetch/${key}/${this.history.loads.length}/${this.clock.nowMs()}`);
    const ended = this.history.load(key, node);
    const tookMs = random.next() * this.options.sourceMs;
    const readMs = random.next() * tookMs;
    const after = (ms: number): Promise<void> =>
      new Promise((resolve) => {
        clock.after(ms, resolve);
      });
    await after(readMs);
    const seq = this.source.get(key) ?? 0;
    await after(tookMs - readMs);
    ended();
    if (random.chance(this.#sourceFails)) throw new Error('the source is down');
    return { value: textFor(key, seq), tags: tagsOf(key) };
  }
}
