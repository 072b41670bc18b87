import { once } from 'node:events';
import type { Socket } from 'node:net';
import { expect } from 'chai';
import { nack, pingOf, stateOf } from '../../../contract/gossip-transport.contract.js';
import { ringOf } from '../../../support/gossip-sockets.js';
import { pause, until } from '../../../support/until.js';
import { gone, Peers, plainStreams, readAll } from './peers.js';

describe('gossip transport: streams that others open', () => {
  let peers: Peers;
  beforeEach(() => {
    peers = new Peers();
  });
  afterEach(async () => {
    await peers.close();
    expect(peers.clock.pending, 'timers left').to.equal(0);
  });
  const question = plainStreams.write(stateOf('asker'), 'dialler');

  it('closes one that sends a byte now and then at its deadline, whatever it sends', async () => {
    const node = await peers.open({ limits: { streamTimeoutMs: 300 } });
    const slow = peers.dial(node.port);
    await once(slow, 'connect');
    const startedMs = performance.now();
    let at = 0;
    const drip = setInterval(() => slow.write(question.subarray(at, ++at)), 20);
    await gone(slow);
    clearInterval(drip);
    expect(performance.now() - startedMs).to.be.within(250, 5000);
    expect(node.arrivals).to.deep.equal([]);
    expect(node.count('gossip_streams_timed_out')).to.equal(1);
    expect(node.lines.all.map(({ message }) => message)).to.have.length(1);
    expect(node.lines.all[0]?.message).to.match(/stream from 127\.0\.0\.1:\d+ was not through within 300ms; closed it/);
  });

  it('keeps 128 of 200 that come at once; the others are closed, and there is room again afterwards', async () => {
    const node = (await peers.open()).answering();
    const sockets = Array.from({ length: 200 }, () => peers.dial(node.port));
    const closed = new Set<Socket>();
    for (const socket of sockets) void gone(socket).then(() => closed.add(socket));
    await until(
      'all of them came',
      () => node.count('gossip_streams_accepted') + node.count('gossip_streams_refused') === 200,
    );
    await until('72 were closed', () => closed.size === 72);
    expect(node.count('gossip_streams_accepted')).to.equal(128);
    expect(node.lines.all).to.have.length(1);
    const kept = sockets.filter((socket) => !closed.has(socket));
    const asker = await peers.open();
    asker.exchange(node.endpoint, 1);
    await until('the 129th is refused', () => asker.arrivals.length === 1);
    expect(asker.arrivals[0]?.is).to.equal('exchangeFailed');
    for (const socket of kept) socket.write(question);
    await until('all kept ones were answered', () => node.of('exchangeAsked').length === 128);
    for (const socket of kept) socket.end();
    await until('they have ended', () => closed.size === 200);
    // Closed on this side, they may still be open on the other for a moment.
    await until('there is room again', async () => {
      const told = asker.arrivals.length;
      asker.exchange(node.endpoint, told + 1);
      await until('the answer', () => asker.arrivals.length > told);
      return asker.arrivals[told]?.is === 'exchanged';
    });
  });

  it('lives with a reset in the middle of a message, and with one before the answer', async () => {
    const node = await peers.open();
    const early = peers.dial(node.port);
    early.write(question.subarray(0, 10));
    await until('its first bytes', () => node.count('gossip_stream_bytes_received') === 10);
    early.resetAndDestroy();
    await until('it is counted', () => node.count('gossip_streams_dropped_truncated') === 1);

    const late = peers.dial(node.port);
    late.write(question);
    await until('the question', () => node.arrivals.length === 1);
    late.resetAndDestroy();
    await once(late, 'close');
    await pause(50);
    node.carry({ do: 'answer', stream: node.of('exchangeAsked')[0]!.stream, message: stateOf('b') });
    const again = peers.dial(node.port);
    again.write(question);
    await until('the next question', () => node.arrivals.length === 2);
  });

  it('answers one that ended its own side behind the question, and reads what came in pieces', async () => {
    const node = (await peers.open()).answering();
    const socket = peers.dial(node.port);
    const answer = readAll(socket);
    for (const byte of question) socket.write(Uint8Array.of(byte));
    socket.end();
    expect([...(await answer)]).to.deep.equal([...plainStreams.write(stateOf('answerer'), 'listener')]);
  });

  it('lets a slow reader have a large answer in full', async () => {
    const large = { ...stateOf('large'), userState: Buffer.alloc(8 * 1024 * 1024, 7) };
    const node = (await peers.open()).answering(large);
    const socket = peers.dial(node.port);
    socket.write(question);
    await until('the question', () => node.arrivals.length === 1);
    await pause(100);
    const bytes = await readAll(socket);
    expect(bytes.equals(plainStreams.write(large, 'listener'))).to.equal(true);
    socket.end();
  });

  it('breaks off one that does not read its answer in time', async () => {
    const large = { ...stateOf('large'), userState: Buffer.alloc(16 * 1024 * 1024, 7) };
    const node = (await peers.open({ limits: { streamTimeoutMs: 300 } })).answering(large);
    const socket = peers.dial(node.port);
    socket.write(question);
    await until('it is broken off', () => node.count('gossip_streams_timed_out') === 1);
    expect(node.lines.all[0]?.message).to.contain('did not read its answer within 300ms');
  });

  it('lets all of them hold so much together and no more', async () => {
    const node = await peers.open({ limits: { heldBytesMax: 100_000 } });
    const user = plainStreams.write({ is: 'user', payload: Buffer.alloc(80_000) }, 'dialler');
    const [first, second] = [peers.dial(node.port), peers.dial(node.port)];
    const closed = gone(second);
    first.write(user.subarray(0, 70_000));
    await until('the first is held', () => node.count('gossip_stream_bytes_received') === 70_000);
    second.write(user.subarray(0, 70_000));
    await closed;
    expect(node.count('gossip_streams_overflowed')).to.equal(1);
    first.write(user.subarray(70_000));
    await until('the first is whole', () => node.count('gossip_stream_user_messages') === 1);
    const beforeBytes = node.count('gossip_stream_bytes_received');
    const third = peers.dial(node.port);
    third.write(user.subarray(0, 70_000));
    await until('there is room again', () => node.count('gossip_stream_bytes_received') === beforeBytes + 70_000);
    expect(node.count('gossip_streams_overflowed')).to.equal(1);
  });

  it('counts messages of applications, and closes', async () => {
    const node = await peers.open();
    const socket = peers.dial(node.port);
    socket.write(plainStreams.write({ is: 'user', payload: Buffer.from('deploy') }, 'dialler'));
    expect(await readAll(socket)).to.have.length(0);
    expect(node.count('gossip_stream_user_messages')).to.equal(1);
    expect(node.arrivals).to.deep.equal([]);
  });

  it('tells a peer in the clear that encryption is required, in so many words', async () => {
    const node = await peers.open({ keys: ringOf('one') });
    const asker = await peers.open();
    asker.exchange(node.endpoint, 1);
    await until('the failure', () => asker.arrivals.length === 1);
    expect(asker.of('exchangeFailed')[0]?.problem).to.match(/encrypted.*give both the same/);
    const [line] = node.lines.all;
    expect(line?.message).to.match(/^dropped a gossip stream from 127\.0\.0\.1:\d+: .*give both the same$/);
    expect(line?.fields).to.deep.equal({ reason: 'unencrypted' });
  });

  it('takes a connection without a byte for somebody who looks whether the port is open', async () => {
    const node = await peers.open();
    peers.dial(node.port).end();
    await until('it is counted', () => node.count('gossip_streams_dropped_empty') === 1);
    expect(node.lines.all).to.deep.equal([]);
  });

  it('breaks off one that goes on sending behind its message', async () => {
    const node = await peers.open();
    const socket = peers.dial(node.port);
    socket.write(question);
    await until('the question', () => node.arrivals.length === 1);
    const closed = gone(socket);
    socket.write(Buffer.alloc(200_000));
    await closed;
    node.carry({ do: 'answer', stream: node.of('exchangeAsked')[0]!.stream, message: stateOf('b') });
    expect(node.count('gossip_stream_bytes_sent')).to.equal(0);
  });

  it('ends them all when it closes, and tells nothing of them', async () => {
    const node = await peers.open();
    const [silent, half, asking] = [peers.dial(node.port), peers.dial(node.port), peers.dial(node.port)];
    half.write(question.subarray(0, 10));
    asking.write(plainStreams.write(pingOf(1), 'dialler'));
    await until('they came', () => node.arrivals.length === 1 && node.count('gossip_streams_accepted') === 3);
    const closed = [silent, half, asking].map(gone);
    await node.transport.close();
    await Promise.all(closed);
    expect(node.arrivals).to.have.length(1);
    node.send(node.endpoint, nack(1));
  });
});
