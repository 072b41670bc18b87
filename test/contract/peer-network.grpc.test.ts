import { systemClock } from '../../src/platform/clock.js';
import { grpcNode } from '../support/grpc-nodes.js';
import { tcpRelay } from '../support/tcp-relay.js';
import { peerNetworkContract } from './peer-network.contract.js';

peerNetworkContract('gRPC over loopback', async () => {
  let targetPort = 0;
  const relay = await tcpRelay(() => targetPort);
  const a = await grpcNode('a');
  const b = await grpcNode('b', { advertise: () => `127.0.0.1:${relay.port}` });
  targetPort = b.server.port;
  const up = Promise.all([a, b].map(({ links }) => new Promise<void>((resolve) => links.onLink(() => resolve()))));
  a.links.dial(b.info.address);
  await up;
  return {
    clock: systemClock,
    a,
    b,
    until: (promise) => promise,
    breakLink: () => relay.breakAll(),
    close: async () => {
      await Promise.all([a.stop(), b.stop()]);
      await relay.close();
    },
  };
});
