import { CountingClock, endpointAt, ringOf, socketTransport, soonEnough } from '../support/gossip-sockets.js';
import { pause, until } from '../support/until.js';
import { gossipTransportContract } from './gossip-transport.contract.js';

gossipTransportContract('udp', () => {
  const clock = new CountingClock();
  return {
    make: ({ port = 0, label = '', secret = '', streamTimeoutMs = 10_000 }) =>
      socketTransport({ clock, kind: 'udp', port, label, keys: ringOf(secret), limits: { streamTimeoutMs } }),
    endpoint: (port) => endpointAt(port),
    wait: soonEnough,
    until: (what, holds) => until(what, holds),
    pass: pause,
    pending: () => clock.pending,
  };
});
