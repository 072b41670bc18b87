import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { systemClock } from '../../../src/platform/clock.js';
import type { DialProblem } from '../../../src/ports/peers.js';
import { type GrpcNode, grpcNode } from '../../support/grpc-nodes.js';
import { tcpRelay } from '../../support/tcp-relay.js';

const event = (node: GrpcNode, is: 'up' | 'down'): Promise<void> =>
  new Promise((resolve) => {
    const cancel = node.links.onLink((told) => {
      if (told.is !== is) return;
      cancel();
      resolve();
    });
  });

describe('links over gRPC', () => {
  const nodes: GrpcNode[] = [];
  const add = async (...args: Parameters<typeof grpcNode>): Promise<GrpcNode> => {
    const node = await grpcNode(...args);
    nodes.push(node);
    return node;
  };
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  it('the larger id that dials is dialled back', async () => {
    const [a, b] = [await add('a'), await add('b')];
    const up = Promise.all([event(a, 'up'), event(b, 'up')]);
    b.links.dial(a.info.address);
    await up;
    expect([a.links.counters().links, b.links.counters().links]).to.deep.equal([1, 1]);
  });

  it('a restarted node, with a new id at its old address, is linked again from either side', async () => {
    const middle = await add('m');
    let targetPort = 0;
    const relay = await tcpRelay(() => targetPort);
    try {
      for (const id of ['z', 'a', 'y']) {
        const up = event(middle, 'up');
        const node = await grpcNode(id, { name: 'node-r', advertise: () => `127.0.0.1:${relay.port}` });
        targetPort = node.server.port;
        middle.links.dial(node.info.address);
        await up;
        expect(middle.links.linked().map((peer) => peer.id)).to.deep.equal([id]);
        const down = event(middle, 'down');
        await node.stop();
        await down;
      }
    } finally {
      await relay.close();
    }
  });

  it('a peer whose packets vanish is down after 3 to 4 s, and stopping does not wait for it', async () => {
    let targetPort = 0;
    const relay = await tcpRelay(() => targetPort);
    try {
      const [a, b] = [await add('a'), await add('b', { advertise: () => `127.0.0.1:${relay.port}` })];
      targetPort = b.server.port;
      const up = Promise.all([event(a, 'up'), event(b, 'up')]);
      a.links.dial(b.info.address);
      await up;
      relay.freeze();
      const startMs = systemClock.nowMs();
      await Promise.all([event(a, 'down'), event(b, 'down')]);
      expect(systemClock.nowMs() - startMs).to.be.within(1_900, 8_000);
    } finally {
      await relay.close();
    }
  });

  const strangers: Record<string, { listen: () => Server; message: RegExp }> = {
    nobody: {
      listen: () => createServer(),
      message: /^127\.0\.0\.1:\d+: connection refused; is a node listening there\?$/,
    },
    'a web server': {
      listen: () => createHttpServer(),
      message: /^127\.0\.0\.1:\d+: [^\n]*(gRPC|broke)[^\n]*$/,
    },
    'something that hangs up': {
      listen: () => createServer((socket) => socket.destroy()),
      message: /^127\.0\.0\.1:\d+: it took the connection and dropped it; does it speak gRPC\?$/,
    },
  };
  for (const [name, { listen, message }] of Object.entries(strangers)) {
    it(`tells in one line that ${name} answers`, async () => {
      const server = listen().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      if (name === 'nobody') server.close();
      try {
        const a = await add('a');
        const told = new Promise<DialProblem>((resolve) => a.links.onDialProblem(resolve));
        a.links.dial(`127.0.0.1:${port}`);
        const problem = await told;
        expect(problem.message).to.match(message);
        expect(problem.passing).to.equal(true);
      } finally {
        server.close();
      }
    });
  }

  it('tells that an address is none', async () => {
    const a = await add('a');
    const told = new Promise<DialProblem>((resolve) => a.links.onDialProblem(resolve));
    a.links.dial('not a host:99999999');
    expect((await told).message).to.match(/^not a host:99999999: /);
  });
});
