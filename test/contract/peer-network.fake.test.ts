import { FakeClock } from '../support/fake-clock.js';
import { FakeNetwork } from '../support/fake-network.js';
import { fakeNode } from '../support/peer-nodes.js';
import { peerNetworkContract } from './peer-network.contract.js';

peerNetworkContract('fake network', async () => {
  const clock = new FakeClock();
  const network = new FakeNetwork({ clock });
  const [a, b] = [fakeNode(network, clock, 'a', 'a:1'), fakeNode(network, clock, 'b', 'b:1')];
  a.links.dial('b:1');
  await clock.advance(100);
  return {
    clock,
    a,
    b,
    until: (promise) => clock.until(promise),
    breakLink: () => network.hangUp('a:1', 'b:1'),
    close: async () => {
      await clock.until(Promise.all([a.links.close(), b.links.close()]));
    },
  };
});
