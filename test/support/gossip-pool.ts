import { GossipNode, type GossipNodeOptions } from './gossip-node.js';
import { gossipPolicy, HandPeer } from './hand-peer.js';
import { LoopbackIps, type SerfAgent, SerfAgents, type SerfOptions } from './serf.js';

/** The members of one test, each on an IP of its own. `close` ends them all, whatever became of the test. */
export class GossipPool {
  readonly ips = new LoopbackIps();
  readonly #agents = new SerfAgents(this.ips);
  readonly #nodes: GossipNode[] = [];
  readonly #hands: HandPeer[] = [];
  #nodeCount = 0;
  #handCount = 0;

  /** A serf agent; `s1`, `s2` and so on. */
  serf(options: SerfOptions = {}): Promise<SerfAgent> {
    return this.#agents.start(options);
  }

  /** A node of ours; `n1`, `n2` and so on. */
  async node(options: Partial<GossipNodeOptions> = {}): Promise<GossipNode> {
    const node = await GossipNode.start({ name: `n${++this.#nodeCount}`, host: this.ips.next(), ...options });
    this.#nodes.push(node);
    return node;
  }

  /** A peer made by hand; `h1`, `h2` and so on. */
  async hand(name = `h${++this.#handCount}`, key?: Uint8Array): Promise<HandPeer> {
    const hand = await HandPeer.open(name, this.ips.next(), gossipPolicy(key));
    this.#hands.push(hand);
    return hand;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes, ...this.#hands, this.#agents].map((part) => part.close()));
    this.#nodes.length = 0;
    this.#hands.length = 0;
    this.#nodeCount = 0;
    this.#handCount = 0;
  }
}
