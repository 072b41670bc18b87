import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import type { GossipLimits } from '../../../../src/transport/gossip/options.js';
import { gossipLimits } from '../../../../src/transport/gossip/options.js';
import { StreamsIn } from '../../../../src/transport/gossip/streams-in.js';
import { GossipTally } from '../../../../src/transport/gossip/tally.js';
import { encodeTcpPacket, streamByte } from '../../../../src/wire/memberlist/tcp-packet.js';
import { stateOf } from '../../../contract/gossip-transport.contract.js';
import { CountingClock, Lines, loopback } from '../../../support/gossip-sockets.js';
import { seeded } from '../../../support/seeded.js';
import { pause, until } from '../../../support/until.js';
import { gone, plainStreams } from './peers.js';

const seed = process.env.SEED ?? 'gossip totals';

describe(`gossip transport: totals of streams coming in (SEED=${seed})`, () => {
  it('hold after every step, with few places and little room', async () => {
    const random = seeded(seed);
    const clock = new CountingClock();
    const tally = new GossipTally(clock, new Lines());
    const few: Partial<GossipLimits> = { streamsInMax: 6, packetsInMax: 4, heldBytesMax: 20_000 };
    const limits = gossipLimits({ kind: 'tcp', limits: { ...few, streamTimeoutMs: 150, packetTimeoutMs: 100 } });
    let packets = 0;
    const streams: StreamsIn = new StreamsIn({
      kind: 'tcp',
      codec: plainStreams,
      clock,
      tally,
      limits,
      onQuestion: (stream) => {
        streams.check();
        const move = random.below(4);
        if (move === 0) streams.drop(stream);
        else if (move === 1) streams.answer(stream, { ...stateOf('b'), userState: Buffer.alloc(random.below(25_000)) });
        else if (move === 2) clock.after(random.below(30), () => streams.answer(stream, stateOf('b')));
        streams.check();
      },
      onPacket: () => packets++,
    });
    const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
      streams.accept(socket);
      streams.check();
      for (const event of ['data', 'end', 'error', 'close']) socket.on(event, () => streams.check());
    });
    server.listen(0, loopback);
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;

    const question = plainStreams.write({ ...stateOf('a'), userState: Buffer.alloc(3000) }, 'dialler');
    const kinds = [
      Buffer.concat([Uint8Array.of(streamByte), question]),
      Buffer.concat([
        Uint8Array.of(streamByte),
        plainStreams.write({ is: 'user', payload: Buffer.alloc(9000) }, 'dialler'),
      ]),
      Buffer.from(encodeTcpPacket('10.0.0.1:7946', Buffer.alloc(5000, 1))),
    ];
    const visitors = new Set<Promise<unknown>>();
    for (let i = 0; i < 400; i++) {
      const socket = connect({ host: loopback, port, allowHalfOpen: true });
      socket.on('error', () => {});
      const bytes = random.pick(kinds);
      socket.write(bytes.subarray(0, random.chance(0.6) ? bytes.length : random.below(bytes.length)));
      if (random.chance(0.6)) socket.end();
      else if (random.chance(0.2)) clock.after(random.below(20), () => socket.resetAndDestroy());
      const visitor: Promise<unknown> = gone(socket).then(() => {
        socket.destroy();
        visitors.delete(visitor);
      });
      visitors.add(visitor);
      if (visitors.size > 16) await Promise.race(visitors);
      else if (random.chance(0.3)) await pause(1);
    }
    await Promise.all(visitors);
    await streams.close();
    streams.check();
    await new Promise((resolve) => server.close(resolve));
    const counts = tally.counts();
    for (const name of ['streams_accepted', 'streams_refused', 'streams_overflowed', 'streams_timed_out']) {
      expect(counts[`gossip_${name}`], name).to.be.above(0);
    }
    expect(packets).to.be.above(0);
    await until('no timer is left', () => clock.pending === 0);
  });
});
