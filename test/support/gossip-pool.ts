import { GossipNode, type GossipNodeOptions } from './gossip-node.js';
import { gossipPolicy, HandPeer } from './hand-peer.js';
import { LoopbackIps, type SerfAgent, SerfAgents, type SerfOptions } from './serf.js';

/** The members of one test, each on an IP of its own. `close` ends them all, whatever became of the test. */
export class GossipPool {
  readonly ips = new LoopbackIps();
  readonly #agents = new SerfAgents(this.ips);
  readonly #others: { close(): Promise<void> }[] = [];
  readonly #opening = new Set<Promise<unknown>>();
  #nodes = 0;
  #hands = 0;

  /** A serf agent; `s1`, `s2` and so on. */
  serf(options: SerfOptions = {}): Promise<SerfAgent> {
    return this.#opens(this.#agents.start(options));
  }

  /** A node of ours; `n1`, `n2` and so on. */
  node(options: Partial<GossipNodeOptions> = {}): Promise<GossipNode> {
    return this.#keeps(GossipNode.start({ name: `n${++this.#nodes}`, host: this.ips.next(), ...options }));
  }

  /** A peer made by hand; `h1`, `h2` and so on. */
  hand(name = `h${++this.#hands}`, key?: Uint8Array): Promise<HandPeer> {
    return this.#keeps(HandPeer.open(name, this.ips.next(), gossipPolicy(key)));
  }

  async close(): Promise<void> {
    await this.#closeOpen();
    // A test that failed may have left others on their way up.
    await Promise.allSettled(this.#opening);
    await this.#closeOpen();
    this.#nodes = 0;
    this.#hands = 0;
  }

  async #closeOpen(): Promise<void> {
    await Promise.all([...this.#others.splice(0), this.#agents].map((part) => part.close()));
  }

  #keeps<T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> {
    return this.#opens(
      opening.then((part) => {
        this.#others.push(part);
        return part;
      }),
    );
  }

  #opens<T>(opening: Promise<T>): Promise<T> {
    this.#opening.add(opening);
    const forget = (): void => void this.#opening.delete(opening);
    opening.then(forget, forget);
    return opening;
  }
}
