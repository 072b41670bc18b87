import { CountingClock, endpointAt, ringOf, socketTransport, soonEnough } from '../support/gossip-sockets.js';
import { TestAuthority } from '../support/issued.js';
import { pause, until } from '../support/until.js';
import { gossipTransportContract } from './gossip-transport.contract.js';

const { ca, ...authority } = await (async () => {
  const made = await TestAuthority.create();
  return { ca: made.ca.cert, ...(await made.node()) };
})();

gossipTransportContract('udp, streams over TLS', () => {
  const clock = new CountingClock();
  const files = () => ({ ca, ...authority, clientAuth: 'require' as const });
  return {
    make: ({ port = 0, label = '', secret = '', streamTimeoutMs = 10_000 }) =>
      socketTransport({
        clock,
        kind: 'udp',
        port,
        label,
        keys: ringOf(secret),
        tls: { files, nodeName: 'distcache-node' },
        limits: { streamTimeoutMs },
      }),
    endpoint: (port) => endpointAt(port),
    wait: soonEnough,
    until: (what, holds) => until(what, holds),
    pass: pause,
    pending: () => clock.pending,
  };
});
