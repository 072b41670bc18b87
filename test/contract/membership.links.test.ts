import { FakeClock } from '../support/fake-clock.js';
import { FakeNetwork } from '../support/fake-network.js';
import { LinkMembership } from '../support/link-membership.js';
import { countingStamp, fakeNode, nodeInfo, type PeerNode } from '../support/peer-nodes.js';
import { ScriptedNetwork } from '../support/scripted-network.js';
import { membershipContract } from './membership.contract.js';

const addressOf = (name: string): string => `${name}:3320`;
const self = nodeInfo('5', addressOf('node-b'), 'node-b');

membershipContract(
  'a fixed list, on links that do as the suite says',
  async ({ minimumPeers, others, expected = [] }) => {
    const clock = new FakeClock();
    const network = new ScriptedNetwork();
    const running = new Map(others.map((name) => [name, nodeInfo(`${name}/0`, addressOf(name), name)]));
    let starts = 0;
    network.onDial = (address) => {
      const peer = [...running.values()].find((one) => one.address === address);
      if (peer !== undefined) clock.after(5, () => network.up(peer));
      else clock.after(5, () => network.refuse(address));
    };
    const membership = new LinkMembership(
      { clock, peers: network, self: () => self },
      { addresses: [...others, ...expected].map(addressOf), minimumPeers, firstContactMs: 2000 },
    );
    const end = (name: string, left: boolean): void => {
      const peer = running.get(name)!;
      running.delete(name);
      network.down(peer, left);
    };
    return {
      membership,
      selfName: self.name,
      nowMs: () => clock.nowMs(),
      pass: (ms) => clock.advance(ms),
      until: (promise) => clock.until(promise),
      appear: (name) => {
        running.set(name, nodeInfo(`${name}/${++starts}`, addressOf(name), name));
        network.up(running.get(name)!);
      },
      leave: (name) => end(name, true),
      vanish: (name) => end(name, false),
      open: () => clock.pending() + network.listeners + network.dialled.length,
      close: async () => {},
    };
  },
);

membershipContract('a fixed list, on links over the fake network', async ({ minimumPeers, others, expected = [] }) => {
  const clock = new FakeClock();
  const network = new FakeNetwork({ clock, latencyMs: () => 2 });
  const log = { write: () => {} };
  const node = fakeNode(network, clock, self.id, self.address, { info: self, stamp: countingStamp(), log });
  const running = new Map<string, PeerNode>();
  let starts = 0;
  const appear = (name: string): void => {
    // Ids below and above that of the node under test, so that either side dials.
    const info = nodeInfo(`${(starts * 7) % 10}/${++starts}`, addressOf(name), name);
    const peer = fakeNode(network, clock, info.id, info.address, { info, log });
    peer.links.dial(self.address);
    running.set(name, peer);
  };
  for (const name of others) appear(name);
  const membership = new LinkMembership(
    { clock, peers: node.links, self: () => self },
    { addresses: [...others, ...expected].map(addressOf), minimumPeers, firstContactMs: 2000 },
  );
  return {
    membership,
    selfName: self.name,
    nowMs: () => clock.nowMs(),
    pass: (ms) => clock.advance(ms),
    until: (promise) => clock.until(promise),
    appear,
    leave: (name) => {
      void running.get(name)!.links.close();
      running.delete(name);
    },
    vanish: (name) => {
      network.crash(addressOf(name));
      void running.get(name)!.links.close();
      running.delete(name);
    },
    // The links are not the membership's.
    open: () => 0,
    close: async () => {
      await clock.until(Promise.all([node.links.close(), ...[...running.values()].map(({ links }) => links.close())]));
    },
  };
});
