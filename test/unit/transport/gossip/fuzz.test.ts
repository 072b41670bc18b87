import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect } from 'chai';
import { encodePacketMessage } from '../../../../src/wire/memberlist/messages.js';
import { encodeTcpPacket } from '../../../../src/wire/memberlist/tcp-packet.js';
import { nack, pingOf, stateOf } from '../../../contract/gossip-transport.contract.js';
import { loopback, ringOf } from '../../../support/gossip-sockets.js';
import { type Seeded, seeded } from '../../../support/seeded.js';
import { pause, until } from '../../../support/until.js';
import { gone, Peers, plainStreams } from './peers.js';

const seed = process.env.SEED ?? 'gossip sockets';

/** Bytes that may be anything: chance, or something sound with a few of its bytes changed, cut short, or gone on. */
function hostile(random: Seeded, sound: readonly Uint8Array[]): Buffer {
  if (random.chance(0.3)) return Buffer.from(Array.from({ length: random.below(300) }, () => random.below(256)));
  const bytes = Buffer.from(random.pick(sound));
  for (let i = random.below(4); i > 0; i--) bytes[random.below(bytes.length)] = random.below(256);
  if (random.chance(0.3)) return bytes.subarray(0, random.below(bytes.length));
  return random.chance(0.2) ? Buffer.concat([bytes, Buffer.alloc(random.below(100), random.below(256))]) : bytes;
}

describe(`gossip transport: whatever comes (SEED=${seed})`, () => {
  let peers: Peers;
  beforeEach(() => {
    peers = new Peers();
  });
  afterEach(async () => {
    await peers.close();
    expect(peers.clock.pending, 'timers left').to.equal(0);
  });
  const messages = [nack(3), pingOf(4), { is: 'user', payload: Buffer.alloc(50) } as const].map(encodePacketMessage);
  const questions = [plainStreams.write(stateOf('x'), 'dialler'), plainStreams.write(pingOf(1), 'dialler')];

  for (const secret of ['', 'one']) {
    const inWords = secret === '' ? 'in the clear' : 'with a secret';
    it(`reads or drops every datagram, and goes on (${inWords})`, async () => {
      const node = await peers.open({ keys: ringOf(secret) });
      const friend = await peers.open({ keys: ringOf(secret) });
      const random = seeded(`${seed}/datagrams/${secret}`);
      const socket = createSocket('udp4').bind(0, loopback);
      await once(socket, 'listening');
      for (let i = 0; i < 1500; i++) {
        socket.send(hostile(random, messages), node.port, loopback);
        if (i % 50 === 49) await pause(1);
      }
      socket.close();
      await until('the friend is heard', () => {
        friend.send(node.endpoint, nack(77));
        return node.of('packet').some(({ from }) => from.port === friend.port);
      });
      expect(node.count('gossip_packets_received')).to.be.above(100);
      expect(node.dropped('packets')).to.be.above(50);
      expect(node.lines.all.length).to.be.below(20);
    });
  }

  for (const kind of ['udp', 'tcp'] as const) {
    it(`reads or drops every stream, in any pieces, and goes on (${kind})`, async () => {
      const node = await peers.open({ kind, limits: { streamTimeoutMs: 400, packetTimeoutMs: 300 } });
      const friend = await peers.open({ kind });
      const random = seeded(`${seed}/streams/${kind}`);
      const framed = questions.map((question) => Buffer.concat([Uint8Array.of(2), question]));
      const sound =
        kind === 'udp' ? questions : [...framed, ...messages.map((packet) => encodeTcpPacket('10.0.0.1:1', packet))];
      for (let round = 0; round < 6; round++) {
        const sockets = Array.from({ length: 40 }, () => {
          const bytes = hostile(random, sound);
          const socket = peers.dial(node.port);
          const cut = random.below(bytes.length + 1);
          socket.write(bytes.subarray(0, cut));
          socket.write(bytes.subarray(cut));
          if (random.chance(0.6)) socket.end();
          else if (random.chance(0.3)) void pause(random.below(20)).then(() => socket.resetAndDestroy());
          return gone(socket);
        });
        await Promise.all(sockets);
      }
      node.answering();
      friend.exchange(node.endpoint, 1);
      friend.send(node.endpoint, nack(1));
      await until('the friend is heard', () => friend.of('exchanged').length === 1);
      expect(node.lines.all.length).to.be.below(20);
    });
  }

  it('is told why and goes on, whatever answers', async () => {
    const node = await peers.open();
    const random = seeded(`${seed}/answers`);
    const sound = questions.concat(plainStreams.write({ is: 'err', error: 'no' }, 'listener'));
    const to = await peers.serve((socket) => {
      socket.resume();
      socket.write(hostile(random, sound));
      if (random.chance(0.7)) socket.end();
      else if (random.chance(0.5)) socket.resetAndDestroy();
    });
    for (let i = 0; i < 150; i++) node.exchange(to, i, 500);
    await until('all outcomes', () => node.arrivals.length === 150);
    const failed = node.of('exchangeFailed');
    expect(failed.length).to.equal(node.count('gossip_streams_failed'));
    for (const { problem } of failed) expect(problem).to.match(/^127\.0\.0\.1:\d+: [\x20-\x7e]+$/);
  });
});
