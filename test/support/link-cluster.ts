import { expect } from 'chai';
import type { DistcacheError } from '../../src/base/errors.js';
import { FakeClock } from './fake-clock.js';
import { FakeNetwork } from './fake-network.js';
import { fakeNode, type PeerNode, type PeerNodeOptions } from './peer-nodes.js';

export const addressOf = (id: string): string => `${id}:3320`;

/** Nodes of the fake network under a fake clock. */
export class LinkCluster {
  readonly clock = new FakeClock();
  readonly network: FakeNetwork;
  readonly nodes: PeerNode[] = [];

  constructor(latencyMs = 1) {
    this.network = new FakeNetwork({ clock: this.clock, latencyMs: () => latencyMs });
  }

  add(id: string, more: Partial<PeerNodeOptions> & { address?: string } = {}): PeerNode {
    const node = fakeNode(this.network, this.clock, id, more.address ?? addressOf(id), more);
    this.nodes.push(node);
    return node;
  }

  async get(from: PeerNode, peerId: string, key = 'x'): Promise<string> {
    const call = from.links.call(
      peerId,
      { do: 'get', keyspace: 'k', key, loading: [], minVersion: 0, standIn: false },
      { deadlineMs: this.clock.nowMs() + 1_000 },
    );
    const text = call.then(
      (reply) => (reply.is === 'value' ? Buffer.from(reply.value).toString() : reply.is),
      (error: DistcacheError) => error.code,
    );
    return this.clock.until(text);
  }

  /** Stops everything and proves that nothing is left. */
  async stop(): Promise<void> {
    await this.clock.until(Promise.all(this.nodes.map(({ links }) => links.close())));
    await this.clock.advance(1_000);
    expect(this.clock.pending(), 'timers').to.equal(0);
    expect(this.network.openStreams(), 'streams').to.equal(0);
  }
}
