import { join } from 'node:path';
import type { Client } from '../../../src/client/client.js';
import { connect } from '../../../src/client/client.js';
import type { History } from '../../support/history/history.js';
import { saidOf } from '../../support/history/member-events.js';
import type { RealNode, RealNodes } from '../../support/real-nodes.js';
import { programPath } from '../../support/servers.js';
import { until, within } from '../../support/until.js';
import type { Cuts } from './cuts.js';
import { sourceModule } from './source.js';

export interface Place {
  readonly name: string;
  node: RealNode;
  readonly client: Client;
  is: 'up' | 'down';
}

export interface Unrest {
  /** By the clock on the wall. */
  readonly wallMs: number;
  readonly what: string;
}

/** Milliseconds that a node has to be ready, to end well, or to see the others again. */
const limits = { readyMs: 30_000, endMs: 40_000, linkedMs: 90_000 };

const unrestLine = /^link to .* is (up|down)|touch with the other nodes|gives (no sign|signs) of life/;

/** In a session of its own, so that Ctrl-C ends the run in good order, and not the nodes before it. */
const apart: readonly string[] = programPath('setsid') === undefined ? [] : ['setsid'];

/** Nodes by name, each a process that comes back at the same address after whatever happened to it. */
export class ChaosCluster {
  readonly places = new Map<string, Place>();
  /** All that were started, whatever became of them. */
  readonly #runs = new Map<RealNode, string>();
  readonly #watches: Promise<void>[] = [];
  readonly #ending = new AbortController();
  #module = '';

  constructor(
    readonly nodes: RealNodes,
    private readonly history: History,
    private readonly cuts: Cuts | undefined,
    private readonly sourcePath: string,
    private readonly replicas: number,
  ) {}

  up(): readonly Place[] {
    return [...this.places.values()].filter((place) => place.is === 'up');
  }

  /** Starts this node, for the first time or again; it counts as up once it is ready. */
  async start(name: string): Promise<void> {
    this.#module ||= await this.nodes.file('source.mjs', sourceModule);
    const before = this.places.get(name);
    this.history.node(name, 'start');
    const node = await this.nodes.start({
      name,
      config: this.#config(),
      peers: this.up().map((place) => place.node),
      ...this.#address(name, before),
    });
    this.#runs.set(node, name);
    if (before === undefined) {
      const address = this.cuts === undefined ? node.grpc : `unix:${this.#door(name)}`;
      this.places.set(name, { name, node, client: connect({ addresses: [address] }), is: 'up' });
    } else Object.assign(before, { node, is: 'up' });
    this.#watches.push(this.#watch(this.places.get(name)!));
  }

  async kill(name: string): Promise<void> {
    const place = this.#take(name, 'crash');
    place.node.signal('SIGKILL');
    await place.node.exited;
  }

  /** Its exit code, 0 when it ended well. */
  async drain(name: string): Promise<unknown> {
    const place = this.#take(name, 'drain');
    place.node.signal('SIGTERM');
    return within(limits.endMs, `the end of ${name}`, place.node.exited);
  }

  freeze(name: string): void {
    this.history.node(name, 'freeze');
    this.places.get(name)!.node.signal('SIGSTOP');
  }

  wake(name: string): void {
    this.places.get(name)!.node.signal('SIGCONT');
    this.history.node(name, 'wake');
  }

  /** Resolves when every node that is up counts all that are up. */
  async linked(): Promise<void> {
    const up = this.up();
    for (const { name, client } of up) {
      const sees = async (): Promise<boolean> => {
        const status = await client.status({ timeoutMs: 2_000 }).catch(() => undefined);
        return status?.peers === up.length;
      };
      await until(`${name} sees ${up.length} nodes`, sees, limits.linkedMs, 100);
    }
  }

  /**
   * What nodes said of having lost or found each other, in the order of time: rings and leases do not stand still then. On a
   * busy machine that happens without a fault.
   */
  unrest(): readonly Unrest[] {
    const said = [...this.#runs].flatMap(([node, name]) =>
      node
        .log()
        .filter(({ msg }) => unrestLine.test(msg))
        .map(({ time, msg }) => ({ wallMs: Date.parse(time), what: `${name}: ${msg}` })),
    );
    return said.sort((a, b) => a.wallMs - b.wallMs);
  }

  /** One has found another silent since then, by the clock on the wall. */
  wasSilent(sinceWallMs: number): boolean {
    return this.unrest().some(({ wallMs, what }) => wallMs >= sinceWallMs && what.includes('no sign of life'));
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.all([...this.places.values()].map(({ client }) => client.close()));
    await Promise.all(this.#watches);
    await this.nodes.close();
  }

  #take(name: string, what: 'crash' | 'drain'): Place {
    const place = this.places.get(name)!;
    place.is = 'down';
    this.history.node(name, what);
    return place;
  }

  #config(): string {
    const cluster = this.replicas === 1 ? '' : `cluster: { replicas: ${this.replicas} }\n`;
    const source = `{ type: module, path: ${this.#module} }`;
    return `admin: false\n${cluster}keyspaces:\n  ks: { maxBytes: 64MiB, defaultTtl: 4s, source: ${source} }\n`;
  }

  #door(name: string): string {
    return join(this.nodes.folder, `${name}.sock`);
  }

  #address(name: string, before: Place | undefined) {
    const env = { CHAOS_NODE: name, CHAOS_SOURCE: this.sourcePath };
    const args = ['--log-level', 'debug'];
    if (this.cuts === undefined) {
      const again = before && { port: before.node.port, gossipPort: before.node.gossipPort };
      return { env, args, via: apart, ...again };
    }
    const { network } = this.cuts;
    const at = { addr: network.addressOf(name), port: 3320, gossipPort: 3322 };
    const door = { CHAOS_DOOR: this.#door(name), CHAOS_HOST: at.addr, CHAOS_PORT: String(at.port) };
    return { ...at, via: [...apart, ...network.on(name)], args: [...args, '--insecure'], env: { ...env, ...door } };
  }

  /** Records what this run of the node says of its peers, until it ends. */
  async #watch({ name, node, client }: Place): Promise<void> {
    try {
      for await (const event of client.events({ signal: this.#ending.signal, timeoutMs: 10_000 })) {
        if (this.places.get(name)?.node !== node) return;
        if (event.type === 'gap') this.history.member(name, 'gap', '');
        else if (event.type === 'listening') {
          for (const peer of await client.peers()) {
            const isHere = !['dead', 'left'].includes(peer.state);
            if (!peer.isSelf && isHere) this.history.member(name, 'present', peer.name);
          }
        } else if (!('keyspace' in event) && event.peer.name !== name) {
          this.history.member(name, saidOf[event.type], event.peer.name);
        }
      }
    } catch {
      // The node ended, or its connection broke: this run tells no more.
    }
  }
}
