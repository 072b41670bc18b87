import { expect } from 'chai';
import type { Ping } from '../../../src/membership/messages.js';
import { encodePacketMessage } from '../../../src/wire/memberlist/messages.js';
import { PacketCodec } from '../../../src/wire/memberlist/packet.js';
import { decodeTcpPacket, encodeTcpPacket } from '../../../src/wire/memberlist/tcp-packet.js';
import { GoPeer, type GoProgram } from '../../support/go-memberlist.js';
import { until } from '../../support/until.js';
import { MixedPool } from './pool.js';
import { exchangeBytes, listen, policyOf } from './raw.js';

const options = { name: 'go1', transport: 'tcp', label: 'prefix-demo' } as const;
const ping: Ping = { is: 'ping', seqNo: 77, node: 'go1', source: { addr: new Uint8Array(), port: 0, node: '' } };

/** distcache-go's packets over TCP, byte by byte and large. */
export function tcpTests(program: () => GoProgram): void {
  const codec = new PacketCodec(policyOf({ label: options.label }));

  /** The packet of a ping whose sender listens at `port`. */
  const pingFrom = (port: number): Uint8Array =>
    encodeTcpPacket(`127.0.0.1:${port}`, codec.write([encodePacketMessage(ping)], false)[0]!);

  for (const { name, damage } of [
    { name: 'whole', damage: (bytes: Uint8Array) => bytes },
    { name: 'with a checksum that does not fit', damage: (bytes: Uint8Array) => bytes.with(-1, bytes.at(-1)! ^ 1) },
  ]) {
    it(`a ping ${name} is answered to where its sender says that it listens`, async () => {
      const go = await GoPeer.start(program(), options);
      const ours = await listen();
      try {
        await exchangeBytes(go, damage(pingFrom(ours.port)), { thenEnd: true });
        const { from, packet, intact } = decodeTcpPacket(await ours.next());
        expect({ from, intact }).to.deep.equal({ from: go.address, intact: true });
        const { messages, drops } = codec.read(packet);
        expect(drops).to.deep.equal([]);
        expect(messages).to.deep.include({ is: 'ack', seqNo: 77, payload: new Uint8Array() });
        expect(go.logged(/checksum does not fit/)).to.equal(name !== 'whole');
      } finally {
        ours.close();
        await go.kill();
      }
    });
  }

  it('packets far longer than a datagram are taken on both sides', async () => {
    const pool = new MixedPool(program(), { packets: 'tcp' });
    try {
      const go = await pool.go('go1');
      const node = await pool.node('ours1');
      await node.join(go.address);
      await pool.allShow('go1', 'ours1');
      const payload = new Uint8Array(600_000).fill(7);
      await go.send(payload, { to: 'ours1' });
      await until('we take theirs', () => node.core.counts().userMessages === 1);
      node.say({ addr: Uint8Array.of(127, 0, 0, 1), port: go.self.port }, { is: 'user', payload });
      await until('they take ours', () => go.events.some(({ event }) => event === 'user'));
      expect(node.dropped()).to.deep.equal({});
      expect(go.complaints()).to.deep.equal([]);
    } finally {
      await pool.close();
    }
  });

  it('a connection for a purpose that neither knows is closed, and counted here', async () => {
    const pool = new MixedPool(program(), { packets: 'tcp' });
    try {
      const go = await pool.go('go1');
      expect(await exchangeBytes(go, Uint8Array.of(0, 1, 2))).to.have.length(0);
      const stranger = await pool.go('go2', { transport: 'net' });
      const node = await pool.node('ours1');
      const joined = await stranger.join(node.address).then(
        () => true,
        () => false,
      );
      expect(joined, 'without packets over TCP nobody joins').to.equal(false);
      expect(node.counted('gossip_streams_dropped_unsupported_type')).to.equal(1);
      expect(node.core.members()).to.have.length(1);
    } finally {
      await pool.close();
    }
  });
}
