import { plainVsn } from '../../../src/membership/swim/self.js';
import { GoPeer, type GoPeerOptions, type GoProgram } from '../../support/go-memberlist.js';
import { GossipNode, type GossipNodeOptions } from '../../support/gossip-node.js';
import { until } from '../../support/until.js';
import type { Secrets } from './raw.js';

export interface PoolOptions extends Secrets {
  readonly packets?: 'udp' | 'tcp';
  readonly compress?: boolean;
  /** Of both sides, from memberlist's profile for a network where not given. */
  readonly probeIntervalMs?: number;
  readonly probeTimeoutMs?: number;
  readonly pushPullIntervalMs?: number;
  readonly gossipToTheDeadMs?: number;
}

/** The profile's multiples of much shorter times: news reaches all by gossip alone, almost surely. */
const profile = 'lan';
const quick = { probeIntervalMs: 500, probeTimeoutMs: 200 } as const;

/**
 * Go peers and nodes of ours that are told the same, all at one IP. What is told of a single one may differ.
 * `close` ends them all, whatever became of the test.
 */
export class MixedPool {
  readonly peers: GoPeer[] = [];
  readonly nodes: GossipNode[] = [];
  readonly #crashed = new Set<GoPeer | GossipNode>();

  constructor(
    private readonly program: GoProgram,
    readonly options: PoolOptions = {},
  ) {}

  async go(name: string, options: Partial<GoPeerOptions> = {}): Promise<GoPeer> {
    const { packets = 'udp', ...common } = this.options;
    const transport = packets === 'tcp' ? 'tcp' : 'net';
    const peer = await GoPeer.start(this.program, { name, profile, ...quick, ...common, transport, ...options });
    this.peers.push(peer);
    return peer;
  }

  async node(name: string, options: Partial<GossipNodeOptions> = {}): Promise<GossipNode> {
    const { packets = 'udp', compress = false, label = '', keys, ...times } = this.options;
    const node = await GossipNode.start({
      name,
      host: '127.0.0.1',
      vsn: plainVsn,
      profile,
      // As distcache-go on its TCP packets: no ping over a stream beside one over a stream.
      changes: { ...quick, ...times, tcpPings: packets === 'udp' },
      ...(keys === undefined ? {} : { keys: keys.map((key) => Buffer.from(key, 'hex')) }),
      transport: { kind: packets, compress, label },
      ...options,
    });
    this.nodes.push(node);
    return node;
  }

  /** Ends one as a crash does: without a word. */
  async crash(member: GoPeer | GossipNode): Promise<void> {
    this.#crashed.add(member);
    await (member instanceof GoPeer ? member.kill() : member.close());
  }

  /** Every peer and node that did not crash lists exactly these as alive. */
  async allShow(...names: readonly string[]): Promise<void> {
    const wanted = [...names].sort().join();
    for (const peer of this.peers.filter((one) => !this.#crashed.has(one))) {
      await until(`${peer.self.name} lists ${wanted}`, async () => (await peer.names()).join() === wanted);
    }
    for (const node of this.nodes.filter((one) => !this.#crashed.has(one))) {
      await until(`${node.name} lists ${wanted}`, () => aliveAt(node).join() === wanted);
    }
  }

  /** Whoever was taken for failed or left by anybody, at any time so far. */
  losses(): readonly string[] {
    return [
      ...this.peers.flatMap(({ self, events }) =>
        events.flatMap((event) => (event.event === 'gone' ? [`${self.name} lost ${event.member.name}`] : [])),
      ),
      ...this.nodes.flatMap(({ name, events }) =>
        events.flatMap((event) =>
          event.is === 'failed' || event.is === 'left' ? [`${name} lost ${event.member.name}: ${event.is}`] : [],
        ),
      ),
    ];
  }

  async close(): Promise<void> {
    await Promise.all([...this.peers.map((peer) => peer.kill()), ...this.nodes.map((node) => node.close())]);
  }
}

/** The names of those it believes alive, sorted. */
const aliveAt = (node: GossipNode): readonly string[] =>
  node.core
    .members()
    .filter(({ state }) => state === 'alive')
    .map(({ name }) => name)
    .sort();
