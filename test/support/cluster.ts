import { HybridClock } from '../../src/coherence/hybrid-clock.js';
import { CacheEngine } from '../../src/engine/engine.js';
import { type CoreOptions, type KeyspaceOptions, resolveOptions } from '../../src/engine/options.js';
import { xxh3Hasher } from '../../src/platform/hasher.js';
import { asyncLoadContext } from '../../src/platform/load-context.js';
import type { FetchOptions, FetchResult } from '../../src/ports/data-source.js';
import type { Log, LogLevel } from '../../src/ports/log.js';
import type { NodeInfo } from '../../src/ports/membership.js';
import type { Recorder } from '../../src/ports/recorder.js';
import { lruIndex } from '../../src/store/lru-index.js';
import { createPeerLinks, type PeerLinks } from '../../src/transport/peer-links.js';
import { FakeClock } from './fake-clock.js';
import { FakeNetwork } from './fake-network.js';
import { LinkMembership } from './link-membership.js';
import { seeded } from './seeded.js';

export interface ClusterOptions {
  readonly nodes?: number;
  /** What every node's keyspace `ks` loads from, and options beside it. */
  readonly fetch?: (key: string, options: FetchOptions, node: string) => Promise<FetchResult> | FetchResult;
  readonly keyspace?: Partial<KeyspaceOptions>;
  readonly core?: Partial<CoreOptions>;
  /** The keyspaces of one node, where they are to be others than the usual one. */
  readonly keyspacesOf?: (node: string, usual: KeyspaceOptions) => readonly KeyspaceOptions[];
  /** Watches each node. */
  readonly recorderOf?: (links: PeerLinks, clock: FakeClock) => Recorder;
  readonly latencyMs?: number;
  readonly startMs?: number;
  readonly seed?: string;
}

export interface TestNode {
  readonly name: string;
  readonly address: string;
  readonly engine: CacheEngine;
  readonly links: PeerLinks;
  readonly hybrid: HybridClock;
  readonly logged: { level: LogLevel; message: string }[];
}

/** The keyspace that every node of a test cluster has. */
export const ks = 'ks';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
export const bytesOf = (text: string): Uint8Array => encoder.encode(text);
export const textOf = (bytes: Uint8Array | undefined): string | undefined => bytes && decoder.decode(bytes);

/** A cluster of real engines in this process, on a fake clock and network. Data sources count their fetches per key. */
export class TestCluster {
  readonly clock: FakeClock;
  readonly network: FakeNetwork;
  readonly nodes: TestNode[] = [];
  /** Fetches begun, by key, over all nodes. */
  readonly fetched = new Map<string, number>();
  readonly #options: ClusterOptions;
  readonly #seed: ReturnType<typeof seeded>;

  private constructor(options: ClusterOptions) {
    this.#options = options;
    this.clock = new FakeClock({ startMs: options.startMs ?? 0 });
    this.network = new FakeNetwork({ clock: this.clock, latencyMs: () => options.latencyMs ?? 0 });
    this.#seed = seeded(options.seed ?? 'cluster');
  }

  /** All nodes serve and see each other. */
  static async of(options: ClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster(options);
    const count = options.nodes ?? 3;
    for (let i = 1; i <= count; i++) cluster.make(`node-${i}`, count);
    await cluster.run(Promise.all(cluster.nodes.map((node) => node.engine.open(cluster.wait(10_000)))));
    return cluster;
  }

  /** A node that is not started; knows the addresses of all nodes up to `count`. */
  make(name: string, count: number): TestNode {
    const address = `${name}:3320`;
    const { clock, network } = this;
    const random = this.#seed.fork(`${name}/${this.nodes.length}`);
    const hybrid = new HybridClock(clock);
    const host = network.host(address);
    const self: NodeInfo = {
      id: random.id(),
      name,
      address,
      admin: '',
      gossip: '',
      version: '0.0.0-test',
      weight: 1,
      incarnation: Math.floor(clock.wallMs() / 1000),
    };
    const logged: TestNode['logged'] = [];
    const log: Log = { write: (level, message) => void logged.push({ level, message }) };
    const links = createPeerLinks({
      clock,
      random,
      log,
      stamp: hybrid,
      self: () => self,
      label: 'test',
      dialer: host.dialer,
      limits: { maxInflight: 100_000, maxInflightBytes: 256 * 1024 ** 2, maxFrameBytes: 17 * 1024 ** 2 },
    });
    host.listen((stream) => links.accept(stream));
    const addresses = Array.from({ length: count }, (_, i) => `node-${i + 1}:3320`).filter(
      (other) => other !== address,
    );
    const membership = new LinkMembership(
      { clock, peers: links, self: () => self },
      { addresses, minimumPeers: 1, firstContactMs: 2000 },
    );
    const keyspace: KeyspaceOptions = {
      name: ks,
      maxBytes: '8MiB',
      dataSource: {
        fetch: (key, options) => {
          this.fetched.set(key, (this.fetched.get(key) ?? 0) + 1);
          return this.#options.fetch === undefined ? `value of ${key}` : this.#options.fetch(key, options, name);
        },
      },
      ...this.#options.keyspace,
    };
    const resolved = resolveOptions(
      { keyspaces: this.#options.keyspacesOf?.(name, keyspace) ?? [keyspace], ...this.#options.core },
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
        label: 'test',
        evictionPolicies: new Map([['lru', lruIndex]]),
        recorder: this.#options.recorderOf?.(links, clock),
      },
      resolved,
    );
    const node = { name, address, engine, links, hybrid, logged };
    this.nodes.push(node);
    return node;
  }

  /** Lets fake time pass until `promise` settles. */
  run<T>(promise: Promise<T>, limitMs?: number): Promise<T> {
    return this.clock.until(promise, limitMs);
  }

  wait(ms: number): { readonly deadlineMs: number } {
    return { deadlineMs: this.clock.nowMs() + ms };
  }

  node(index: number): TestNode {
    return this.nodes[index]!;
  }

  ownerOf(key: string): TestNode {
    const name = this.node(0).engine.owner(ks, key);
    return this.nodes.find((node) => node.name === name)!;
  }

  others(key: string): readonly TestNode[] {
    const owner = this.ownerOf(key);
    return this.nodes.filter((node) => node !== owner);
  }

  /** A key that this node owns. */
  keyOwnedBy(node: TestNode, prefix = 'key'): string {
    for (let i = 0; ; i++) if (this.ownerOf(`${prefix}-${i}`) === node) return `${prefix}-${i}`;
  }

  async text(node: TestNode, key: string): Promise<string | undefined> {
    return textOf((await this.run(node.engine.get(ks, key))).value);
  }

  async stop(): Promise<void> {
    await this.run(Promise.all(this.nodes.map((node) => node.engine.close(this.wait(1000)))));
    // What is still on the way arrives.
    await this.clock.advance(100);
  }
}
