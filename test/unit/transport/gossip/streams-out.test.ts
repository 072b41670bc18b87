import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import type { Socket } from 'node:net';
import { expect } from 'chai';
import { addressOf } from '../../../../src/membership/endpoints.js';
import type { PushPull } from '../../../../src/membership/messages.js';
import type { Endpoint } from '../../../../src/membership/swim/effects.js';
import { pingOf, stateOf } from '../../../contract/gossip-transport.contract.js';
import { endpointAt, keyOf, loopback, ringOf } from '../../../support/gossip-sockets.js';
import { until } from '../../../support/until.js';
import { Peers, plainStreams, type RealNode } from './peers.js';

describe('gossip transport: streams that this node opens', () => {
  let peers: Peers;
  beforeEach(() => {
    peers = new Peers();
  });
  afterEach(async () => {
    await peers.close();
    expect(peers.clock.pending, 'timers left').to.equal(0);
  });

  const problemOf = async (node: RealNode, to: Endpoint, withinMs = 20_000): Promise<string> => {
    node.arrivals.length = 0;
    node.exchange(to, 1, withinMs);
    await until('the outcome', () => node.arrivals.length === 1);
    const [failed] = node.of('exchangeFailed');
    expect(failed?.refused).to.equal(false);
    expect(node.count('gossip_streams_opened')).to.equal(node.count('gossip_streams_failed'));
    expect(failed?.problem.startsWith(`${addressOf(to)}: `), failed?.problem).to.equal(true);
    return failed!.problem.slice(`${addressOf(to)}: `.length);
  };
  const portHint = 'give its gossip port, by default 3322';
  const answerWith =
    (bytes: Uint8Array) =>
    (socket: Socket): void => {
      socket.once('data', () => socket.end(bytes));
    };

  for (const secret of ['', 'one']) {
    const inWords = secret === '' ? 'in the clear' : 'with a secret';
    it(`says that a gRPC port was given for a gossip port, ${inWords}`, async () => {
      const server = createHttp2();
      server.on('sessionError', () => {});
      server.listen(0, loopback);
      await once(server, 'listening');
      const address = server.address();
      const node = await peers.open({ keys: ringOf(secret) });
      try {
        const port = typeof address === 'object' && address !== null ? address.port : 0;
        const problem = await problemOf(node, endpointAt(port));
        expect(problem).to.equal(`what answers there speaks gRPC, not gossip; ${portHint}`);
      } finally {
        server.close();
      }
    });

    it(`says that a web server was given for a gossip port, ${inWords}`, async () => {
      const server = createHttp();
      server.listen(0, loopback);
      await once(server, 'listening');
      const address = server.address();
      const node = await peers.open({ keys: ringOf(secret) });
      try {
        const port = typeof address === 'object' && address !== null ? address.port : 0;
        const problem = await problemOf(node, endpointAt(port));
        expect(problem).to.equal(`what answers there speaks HTTP, not gossip; ${portHint}`);
      } finally {
        server.close();
        server.closeAllConnections();
      }
    });
  }

  const strangers: readonly (readonly [string, (socket: Socket) => void, RegExp])[] = [
    [
      'hangs up at once',
      (socket) => socket.end(),
      /closed the connection without an answer; .*label and gossip secret/,
    ],
    ['resets', (socket) => void socket.once('data', () => socket.resetAndDestroy()), /without an answer/],
    ['speaks of something else', answerWith(Buffer.from('SSH-2.0-x\r\n')), /does not speak gossip.*3322/],
    ['answers a byte', answerWith(Uint8Array.of(6)), /ended within its message.*3322/],
    ['speaks TLS', answerWith(Uint8Array.of(0x15, 3, 1, 0, 2)), /speaks TLS, not gossip/],
    [
      'refuses, with bytes that no terminal should see',
      answerWith(plainStreams.write({ is: 'err', error: `\x1b[31mno\n${'x'.repeat(500)}` }, 'listener')),
      /^it refused: \?\[31mno\?x{190,200}; do both have the same gossip secret\?$/,
    ],
    [
      'answers with an ack',
      answerWith(plainStreams.write({ is: 'ack', seqNo: 1, payload: new Uint8Array() }, 'listener')),
      /^it answered with ack where its state was asked for$/,
    ],
  ];
  for (const [what, onConnection, problem] of strangers) {
    it(`says what is the matter with one that ${what}`, async () => {
      const to = await peers.serve((socket) => {
        socket.resume();
        onConnection(socket);
      });
      expect(await problemOf(await peers.open(), to)).to.match(problem);
    });
  }

  it('gives up on one that answers a byte now and then, at the deadline for all of it', async () => {
    const bytes = plainStreams.write(stateOf('slow'), 'listener');
    const drips: NodeJS.Timeout[] = [];
    const to = await peers.serve((socket) => {
      let at = 0;
      drips.push(setInterval(() => socket.write(bytes.subarray(at, ++at)), 20));
      socket.resume();
    });
    const startedMs = performance.now();
    const problem = await problemOf(await peers.open(), to, 300);
    for (const drip of drips) clearInterval(drip);
    expect(problem).to.equal('no answer within 300ms');
    expect(performance.now() - startedMs).to.be.within(250, 5000);
  });

  it('tells its secret from that of the other, and the clear from either', async () => {
    const secretOf = (secret: string) => peers.open({ keys: ringOf(secret) });
    const [one, two, clear] = [await secretOf('one'), await secretOf('two'), await secretOf('')];
    expect(await problemOf(clear, one.endpoint)).to.match(/^its answer is encrypted.*has no gossip secret/);
    expect(await problemOf(one, two.endpoint)).to.match(/^its gossip secret is another one/);
    expect(await problemOf(one, clear.endpoint)).to.match(
      /^it answered in the clear, and this node has a gossip secret/,
    );
  });

  it('follows the key ring from one packet and stream to the next', async () => {
    const [ringA, ringB] = [ringOf('old')!, ringOf('old')!];
    const [a, b] = [await peers.open({ keys: ringA }), (await peers.open({ keys: ringB })).answering()];
    let exchange = 0;
    const works = async (): Promise<boolean> => {
      a.arrivals.length = 0;
      b.arrivals.length = 0;
      const drops = b.dropped('packets');
      a.exchange(b.endpoint, ++exchange);
      a.send(b.endpoint, { is: 'nack', seqNo: exchange });
      await until(
        'outcomes',
        () => a.arrivals.length === 1 && b.of('packet').length + b.dropped('packets') - drops === 1,
      );
      expect(a.arrivals[0]?.is === 'exchanged').to.equal(b.of('packet').length === 1);
      return a.arrivals[0]?.is === 'exchanged';
    };
    expect(await works()).to.equal(true);
    ringA.add(keyOf('new'));
    ringA.use(keyOf('new'));
    expect(await works(), 'not installed there yet').to.equal(false);
    ringB.add(keyOf('new'));
    expect(await works(), 'installed').to.equal(true);
    ringB.use(keyOf('new'));
    ringB.remove(keyOf('old'));
    ringA.remove(keyOf('old'));
    expect(await works(), 'the old one is gone').to.equal(true);
  });

  it('opens so many at a time and no more, and says so at once', async () => {
    const to = await peers.serve((socket) => void socket.resume());
    const node = await peers.open({ limits: { streamsOutMax: 3 } });
    for (let i = 1; i <= 5; i++) node.exchange(to, i);
    await until('two failures', () => node.arrivals.length === 2);
    expect(node.of('exchangeFailed').map(({ exchange }) => exchange)).to.deep.equal([4, 5]);
    expect(node.of('exchangeFailed')[0]?.problem).to.contain('3 streams are open already');
  });

  it('fails what cannot be written, and does not throw', async () => {
    const node = await peers.open();
    const other = await peers.open();
    const tooLong: PushPull = { ...stateOf('x'), nodes: [{ ...stateOf('x').nodes[0]!, name: 'kö\u0142n' }] };
    node.exchange(other.endpoint, 1, 1000, tooLong);
    node.carry({ do: 'streamPing', to: other.endpoint, ping: pingOf(2, '\u4e16'), withinMs: 1000 });
    node.send(other.endpoint, pingOf(3, '\u4e16'));
    await until('both failures', () => node.arrivals.length === 2);
    expect(node.of('exchangeFailed')[0]?.problem).to.contain('cannot be written');
    expect(node.count('gossip_send_errors')).to.equal(1);
  });

  it('reports nothing any more once it is closed', async () => {
    const to = await peers.serve((socket) => void socket.resume());
    const node = await peers.open();
    node.exchange(to, 1);
    node.exchange({ addr: new Uint8Array(3), port: 1 }, 2);
    await node.transport.close();
    expect(node.arrivals).to.deep.equal([]);
  });
});
