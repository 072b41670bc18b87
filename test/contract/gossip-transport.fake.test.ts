import { bytesOfIp } from '../../src/base/ip.js';
import { FakeClock } from '../support/fake-clock.js';
import { FakeGossipNet } from '../support/fake-gossip.js';
import { gossipTransportContract } from './gossip-transport.contract.js';

gossipTransportContract('the fake network', () => {
  const clock = new FakeClock({ startMs: 5000 });
  const net = new FakeGossipNet({ clock });
  return {
    make: ({ port = 0, ...options }) => net.transport('10.0.0.1', port, options),
    endpoint: (port) => ({ addr: bytesOfIp('10.0.0.1')!, port }),
    wait: () => ({ deadlineMs: clock.nowMs() + 1000 }),
    until: async (what, holds) => {
      for (let ms = 0; !holds(); ms++) {
        if (ms > 60_000) throw new Error(`waited a minute of fake time in vain: ${what}`);
        await clock.advance(1);
      }
    },
    pass: (ms) => clock.advance(ms),
    pending: () => clock.pending(),
  };
});
