import { constants } from 'node:http2';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { silent } from '../../../src/ports/log.js';
import { createGrpcServer, type GrpcServer, type GrpcServerOptions } from '../../../src/transport/grpc-server.js';
import { FakeClock } from '../../support/fake-clock.js';
import { openAccess, protoDir, serverLimits } from '../../support/grpc-nodes.js';
import { framed, getOf, headThenNonsense, putOf, RawClient } from '../../support/raw-calls.js';
import { StubCacheService } from '../../support/stub-cache-service.js';
import { until, within } from '../../support/until.js';

const valueBytes = 1 << 20;

/** On real sockets; what takes half a minute passes on a clock of the test's. */
describe('limits of gRPC clients', () => {
  const clients: RawClient[] = [];
  let clock: FakeClock;
  let service: StubCacheService;
  let server: GrpcServer;

  async function start(options: Partial<GrpcServerOptions> = {}): Promise<void> {
    clock = new FakeClock();
    service = new StubCacheService();
    server = await createGrpcServer({
      addr: '127.0.0.1',
      port: 0,
      service,
      links: { accept: (stream) => stream.open({ frame: () => {}, drain: () => {}, closed: () => {} }) },
      protoDir,
      log: silent,
      clock,
      access: openAccess(),
      ...options,
      limits: {
        ...serverLimits,
        maxFrameBytes: valueBytes,
        maxValueBytes: valueBytes,
        maxInflightBytes: 3 * valueBytes,
        ...options.limits,
      },
    });
  }
  const clientOf = (
    ...options: ConstructorParameters<typeof RawClient> extends [number, ...infer Rest] ? Rest : never
  ) => {
    const client = new RawClient(server.port, ...options);
    clients.push(client);
    return client;
  };
  const held = (): number => server.counters().clientBytesHeld;

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await server.stop({ deadlineMs: clock.nowMs() });
    expect(server.counters()).to.include({ clientBytesHeld: 0, unsentBytes: 0, connections: 0 });
    expect(clock.pending()).to.equal(0);
  });

  const refused = async (headers: Promise<object>): Promise<object> => {
    const found = (await within(10_000, 'the answer', headers)) as Record<string, string>;
    return { status: Number(found['grpc-status']), code: found['distcache-code'] };
  };
  const overloaded = { status: status.RESOURCE_EXHAUSTED, code: 'OVERLOADED' };

  describe('memory of requests', () => {
    beforeEach(() => start());

    it('counts what has come of a request before it is whole, and for as long as it is under way', async () => {
      const client = clientOf();
      const whole = putOf('a', new Uint8Array(200_000));
      const { stream, closed } = client.call('Cache/Put');
      stream.write(whole.subarray(0, 100_000));
      await until('a half of it is counted', () => held() >= 100_000);
      expect(held()).to.be.below(105_000);
      stream.end(whole.subarray(100_000));
      await closed;
      await until('nothing is held', () => held() === 0);
      expect(service.entries.get('a')?.byteLength).to.equal(200_000);

      const slow = client.call('Cache/Get');
      slow.stream.end(getOf('slow'));
      await until('it is under way', () => service.options.length === 2);
      expect(held()).to.equal(getOf('slow').byteLength - 5);
      slow.stream.close(constants.NGHTTP2_CANCEL);
      await until('nothing is held', () => held() === 0);
    });

    it('refuses what would be more than one client may have, keeps nothing of it, and lets others go on', async () => {
      const greedy = clientOf();
      const half = putOf('half', new Uint8Array(valueBytes)).subarray(0, valueBytes);
      const calls = Array.from({ length: 3 }, () => greedy.call('Cache/Put'));
      for (const { stream } of calls.slice(0, 2)) stream.write(half);
      await until('two are on their way', () => held() >= 2 * valueBytes);
      const third = calls[2]!;
      third.stream.write(half);
      expect(await refused(third.headers)).to.deep.equal(overloaded);
      // The stream is reset, so that the client cannot keep what has come of it here.
      await within(10_000, 'the end of the third', third.closed);
      expect(server.counters().clientBytesRefused).to.equal(1);
      await until('nothing is left of it', () => held() < 2 * valueBytes + 10_000);

      const other = clientOf({ from: '127.0.0.2' });
      const put = other.call('Cache/Put');
      put.stream.end(putOf('b', new Uint8Array(1_000)));
      await within(10_000, 'the put of another', put.closed);
      expect(service.entries.has('b')).to.equal(true);
      expect(service.entries.has('half')).to.equal(false);
      for (const { stream } of calls) stream.close(constants.NGHTTP2_CANCEL);
      await until('nothing is held', () => held() === 0);
    });

    it('a request that was refused with its last byte is not carried out', async () => {
      const client = clientOf();
      const half = putOf('half', new Uint8Array(valueBytes)).subarray(0, valueBytes);
      const waiting = Array.from({ length: 2 }, () => client.call('Cache/Put'));
      for (const { stream } of waiting) stream.write(half);
      await until('two are on their way', () => held() >= 2 * valueBytes);
      const last = client.call('Cache/Put');
      last.stream.end(putOf('last', new Uint8Array(300_000)));
      expect(await refused(last.headers)).to.deep.equal(overloaded);
      await within(10_000, 'the end of it', last.closed);
      await clock.settle();
      expect(service.entries.has('last')).to.equal(false);
    });

    it('counts the pieces of a request that comes byte by byte, and one that is compressed as the largest', async () => {
      const client = clientOf();
      const pieces = client.call('Cache/Put').stream;
      for (const [index, byte] of [...putOf('a', new Uint8Array(10)).subarray(0, 20)].entries()) {
        await new Promise((resolve) => pieces.write(Uint8Array.of(byte), resolve));
        await until('it is there', () => held() >= 256 * (index + 1));
      }
      pieces.close(constants.NGHTTP2_CANCEL);
      await until('nothing is held', () => held() === 0);

      const bomb = client.call('Cache/Get', { 'grpc-encoding': 'gzip' });
      const zipped = framed(gzipSync(new Uint8Array(100 * valueBytes)), true);
      bomb.stream.write(zipped.subarray(0, 1_000));
      await until('it counts as the largest', () => held() > valueBytes);
      bomb.stream.end(zipped.subarray(1_000));
      expect(await refused(bomb.headers)).to.include({ status: status.RESOURCE_EXHAUSTED });
    });

    it('a link must greet in 64 KiB', async () => {
      const stranger = clientOf();
      const link = stranger.call('Peer/Link');
      link.stream.write(framed(new Uint8Array(200_000)).subarray(0, 100_000));
      expect(await refused(link.headers)).to.deep.equal(overloaded);
      await within(10_000, 'the end of it', link.closed);
      expect(server.counters().clientBytesRefused).to.equal(1);
    });
  });

  it('a request that stops in the middle, or comes byte by byte, is cut off after 30 s; its connection stays', async () => {
    await start();
    const client = clientOf();
    const [stopped, slow] = [client.call('Cache/Put'), client.call('Cache/Put')];
    stopped.stream.write(putOf('a', new Uint8Array(100_000)).subarray(0, 50_000));
    await until('it is on its way', () => held() >= 50_000);
    for (const byte of putOf('b', new Uint8Array(1_000)).subarray(0, 6)) {
      const before = held();
      slow.stream.write(Uint8Array.of(byte));
      await until('a byte has come', () => held() > before);
      await clock.advance(4_900);
    }
    expect(server.counters().writersCutOff).to.equal(0);
    await clock.advance(10_000);
    const late = { status: status.DEADLINE_EXCEEDED, code: 'TIMEOUT' };
    for (const { headers, closed } of [stopped, slow]) {
      expect(await refused(headers)).to.deep.equal(late);
      await within(10_000, 'the end of the stream', closed);
    }
    expect(server.counters()).to.include({ writersCutOff: 2, clientBytesHeld: 0, connections: 1 });
    const get = client.call('Cache/Get');
    get.stream.end(getOf('missing'));
    await within(10_000, 'the next call', get.closed);
  });

  it('who reads nothing of its answers for 30 s is cut off', async () => {
    await start();
    service.entries.set('large', new Uint8Array(valueBytes));
    const client = clientOf();
    client.call('Cache/Get', {}, false).stream.end(getOf('large'));
    await until('the answer waits', () => server.counters().unsentBytes >= valueBytes);
    await clock.advance(25_000);
    expect(server.counters()).to.include({ readersCutOff: 0, connections: 1 });
    await clock.advance(15_000);
    await within(10_000, 'the end of the connection', client.closed);
    expect(server.counters()).to.include({ readersCutOff: 1, connections: 0, unsentBytes: 0 });
  });

  it('has room for 1,024 calls on one connection, and refuses what comes beyond', async () => {
    await start({ limits: { ...serverLimits, maxInflightPerClient: 5_000, maxInflight: 5_000 } });
    // It asks for more before it has heard how many there may be; later ones would wait.
    const client = clientOf({ peerMaxConcurrentStreams: 2_000 });
    const calls = Array.from({ length: 1_034 }, () => client.call('Cache/Get'));
    let refusedCalls = 0;
    for (const { stream } of calls) {
      stream.on('close', () => {
        if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) refusedCalls++;
      });
    }
    await until('the rest is refused', () => refusedCalls === 10);
    expect(client.session.remoteSettings.maxConcurrentStreams).to.equal(1_024);
  });

  it('ends a call whose headers are longer than 64 KiB, and goes on with the others', async () => {
    await start();
    const client = clientOf();
    const bloated = client.call('Cache/Get', { 'x-bloat': 'x'.repeat(70 * 1024) });
    await within(10_000, 'the end of it', bloated.closed);
    expect(service.options).to.have.length(0);
    const get = clientOf().call('Cache/Get');
    get.stream.end(getOf('missing'));
    await within(10_000, 'a call of another', get.closed);
    expect(service.options).to.have.length(1);
  });

  for (const [what, path, contentType] of [
    ['a method that there is not', '/nobody', 'application/grpc'],
    ['what is no gRPC', '/distcache.v1.Cache/Get', 'text/plain'],
    ['a method that there is', '/distcache.v1.Cache/Get', 'application/grpc'],
  ] as const) {
    it(`survives a call of ${what} whose connection is over before it is heard of`, async () => {
      await start();
      const socket = connect(server.port, '127.0.0.1').on('error', () => {});
      const over = new Promise((resolve) => socket.on('close', resolve));
      socket.resume().end(headThenNonsense(path, contentType));
      await within(10_000, 'the end of the connection', over);
      const get = clientOf().call('Cache/Get');
      get.stream.end(getOf('missing'));
      await within(10_000, 'a call of another', get.closed);
      expect(service.options).to.have.length(1);
    });
  }

  it('closes a connection without calls in good order, and none with a call', async () => {
    await start({ idleMs: 50 });
    const [idle, busy] = [clientOf(), clientOf()];
    const call = busy.call('Cache/Get');
    call.stream.end(getOf('slow'));
    let goneAway: number | undefined;
    idle.session.on('goaway', (code) => {
      goneAway = code;
    });
    await within(10_000, 'the end of the idle one', idle.closed);
    expect(goneAway).to.equal(constants.NGHTTP2_NO_ERROR);
    expect(busy.session.closed).to.equal(false);
    await until('it is forgotten', () => server.counters().connections === 1);
    call.stream.close(constants.NGHTTP2_CANCEL);
    await within(10_000, 'the end of the other, once it is idle', busy.closed);
  });
});
