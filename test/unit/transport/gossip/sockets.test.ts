import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { expect } from 'chai';
import { codeOf } from '../../../../src/base/errors.js';
import { bytesOfIp } from '../../../../src/base/ip.js';
import { silent } from '../../../../src/ports/log.js';
import { createGossipTransport } from '../../../../src/transport/gossip/gossip-transport.js';
import type { GossipTransportOptions } from '../../../../src/transport/gossip/options.js';
import { ListenError } from '../../../../src/transport/listen-error.js';
import { encodePacketMessage } from '../../../../src/wire/memberlist/messages.js';
import { PacketCodec } from '../../../../src/wire/memberlist/packet.js';
import { connectionKind, encodeTcpPacket, TcpPacketReader } from '../../../../src/wire/memberlist/tcp-packet.js';
import { nack, plain } from '../../../contract/gossip-transport.contract.js';
import { endpointAt, loopback, ringOf, socketTransport, soonEnough } from '../../../support/gossip-sockets.js';
import { pause, until } from '../../../support/until.js';
import { gone, Peers } from './peers.js';

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

describe('gossip transport: sockets', () => {
  let peers: Peers;
  beforeEach(() => {
    peers = new Peers();
  });
  afterEach(async () => {
    await peers.close();
    expect(peers.clock.pending, 'timers left').to.equal(0);
  });

  const refusal = async (options: Partial<GossipTransportOptions>): Promise<ListenError> => {
    const transport = socketTransport({ clock: peers.clock, ...options });
    const outcome = await transport.open(() => {}, soonEnough()).catch((error: unknown) => error);
    await transport.close();
    expect(outcome).to.be.instanceOf(ListenError);
    return outcome as ListenError;
  };

  it('needs its port in both protocols, and leaves none open when it gets but one', async function () {
    // Between two steps a connection of another process may take a port of the range for those.
    this.retries(3);
    const held: { close(): unknown }[] = [];
    const holdUdp = async (wished: number): Promise<Socket> => {
      const udp = createSocket('udp4').bind(wished, loopback);
      held.push(udp);
      await once(udp, 'listening');
      return udp;
    };
    try {
      const udp = await holdUdp(0);
      const { port } = udp.address();
      const error = await refusal({ port });
      expect(error.address).to.equal(`127.0.0.1:${port}`);
      expect(error.message).to.contain('address already in use; choose another --discovery-port');
      const tcp = createServer().listen(port, loopback);
      held.push(tcp);
      await once(tcp, 'listening');
      held.shift();
      udp.close();
      await once(udp, 'close');
      expect((await refusal({ port })).message).to.contain('address already in use');
      expect((await refusal({ port, kind: 'tcp' })).message).to.contain('address already in use');
      await holdUdp(port);
    } finally {
      for (const socket of held) socket.close();
    }
  });

  it('says that this machine has no such address', async () => {
    expect((await refusal({ host: '203.0.113.7' })).message).to.contain('this machine has no such address');
  });

  it('does not open for one who waits no more, and opens once', async () => {
    const stopped = new AbortController();
    stopped.abort();
    const waits = [
      { wait: { ...soonEnough(), signal: stopped.signal }, code: 'ABORTED' },
      { wait: { deadlineMs: peers.clock.nowMs() - 1 }, code: 'TIMEOUT' },
    ];
    for (const { wait, code } of waits) {
      const transport = socketTransport({ clock: peers.clock });
      expect(await transport.open(() => {}, wait).then(String, codeOf)).to.equal(code);
    }
    const node = await peers.open();
    expect(await node.transport.open(() => {}, soonEnough()).then(String, codeOf)).to.equal('NOT_STARTED');
  });

  it('takes down what it opens when it is closed meanwhile', async () => {
    const transport = socketTransport({ clock: peers.clock });
    const opening = transport.open(() => {}, soonEnough()).then(String, codeOf);
    await transport.close();
    expect(await opening).to.equal('ABORTED');
  });

  const impossible: readonly (readonly [string, Partial<GossipTransportOptions>, RegExp])[] = [
    ['a name for a host', { host: 'localhost' }, /gossip host is "localhost"; give an IP address/],
    ['a port that is none', { port: 65_536 }, /gossip port is 65536; .* from 0 to 65535/],
    ['a label too long', { label: 'ö'.repeat(128) }, /label has 256 bytes; it may have 255/],
    ['a limit of nothing', { limits: { streamsInMax: 0 } }, /streamsInMax is 0/],
  ];
  for (const [what, options, message] of impossible) {
    it(`refuses ${what}`, () => {
      const all = {
        host: loopback,
        port: 0,
        kind: 'udp',
        label: '',
        keys: undefined,
        log: silent,
        ...options,
      } as const;
      const make = () => createGossipTransport({ ...all, clock: peers.clock, nonce: () => new Uint8Array(12) });
      expect(make).to.throw(message);
    });
  }

  it('counts what label and encryption add to a packet', () => {
    const overhead = (label: string, secret: string): number =>
      socketTransport({ clock: peers.clock, label, keys: ringOf(secret) }).packetOverheadBytes;
    expect([overhead('', ''), overhead('blue', ''), overhead('', 'x'), overhead('blue', 'x')]).to.deep.equal([
      0, 6, 29, 35,
    ]);
  });

  for (const kind of ['udp', 'tcp'] as const) {
    it(`speaks IPv6 (${kind})`, async function () {
      if (!hasIpv6) this.skip();
      const a = await peers.open({ kind, host: '::1' });
      const b = (await peers.open({ kind, host: '::1' })).answering();
      a.send(b.endpoint, nack(1));
      a.exchange(b.endpoint, 1);
      await until('both', () => a.arrivals.length === 1 && b.arrivals.length === 2);
      expect(plain(b.of('packet')[0]?.from)).to.deep.equal(plain(endpointAt(a.port, '::1')));
      expect(a.arrivals[0]?.is).to.equal('exchanged');
    });

    it(`knows an IPv4 that comes to a socket for both as four bytes, and reaches it (${kind})`, async function () {
      if (!hasIpv6) this.skip();
      const both = (await peers.open({ kind, host: '::' })).answering();
      const v4 = (await peers.open({ kind })).answering();
      v4.send(both.endpoint, nack(1));
      await until('the packet', () => both.arrivals.length === 1);
      const { from } = both.of('packet')[0]!;
      expect(plain(from)).to.deep.equal(plain(v4.endpoint));
      both.send(from, nack(2));
      both.send(
        { addr: Uint8Array.of(...new Array<number>(10).fill(0), 255, 255, 127, 0, 0, 1), port: v4.port },
        nack(3),
      );
      both.exchange(from, 1);
      await until('answers', () => v4.of('packet').length === 2 && both.of('exchanged').length === 1);
      expect(v4.of('packet').map(({ from: { port } }) => port)).to.deep.equal([both.port, both.port]);
    });
  }

  it('says at once that a socket for IPv4 leads to no IPv6', async () => {
    const node = await peers.open();
    node.send({ addr: bytesOfIp('2001:db8::1')!, port: 7946 }, nack(1));
    await until('the failure', () => node.of('sendFailed').length === 1);
  });

  it('blames no receiver for a packet that is too long', async () => {
    const [a, b] = [await peers.open(), await peers.open()];
    a.send(b.endpoint, { is: 'user', payload: Buffer.alloc(65_530) });
    await until('the error', () => a.count('gossip_send_errors') === 1);
    await pause(30);
    expect(a.arrivals).to.deep.equal([]);
    expect(a.lines.all[0]?.message).to.match(/a packet of 65536 bytes to 127\.0\.0\.1:\d+ was not sent/);
  });

  it('drops what the machine does not take fast enough, and counts it', async () => {
    const [a, b] = [await peers.open({ limits: { sendsMax: 10 } }), await peers.open()];
    for (let i = 0; i < 25; i++) a.send(b.endpoint, nack(i));
    await until('ten are out', () => a.count('gossip_packets_sent') === 10);
    expect(a.count('gossip_sends_dropped')).to.equal(15);
    expect(a.lines.all).to.have.length(1);
    a.send(b.endpoint, nack(99));
    await until('there is room again', () => a.count('gossip_packets_sent') === 11);
  });

  it('reads what others compress, and compresses when told to', async () => {
    const [a, b] = [await peers.open({ compress: true }), (await peers.open()).answering()];
    const payload = Buffer.alloc(1000, 'abc');
    a.send(b.endpoint, { is: 'user', payload });
    a.exchange(b.endpoint, 1);
    await until('both', () => a.arrivals.length === 1 && b.arrivals.length === 2);
    expect(b.count('gossip_packet_bytes_received')).to.be.below(200);
    expect(plain(b.of('packet')[0]?.messages)).to.deep.equal(plain([{ is: 'user', payload }]));
  });

  it('takes the clear and a secret both while encryption is being introduced', async () => {
    const keys = ringOf('one');
    const clear = await peers.open();
    const listening = (await peers.open({ keys, verifyIncoming: false, verifyOutgoing: false })).answering();
    const sealing = (await peers.open({ keys, verifyIncoming: false })).answering();
    for (const [i, from] of [clear, sealing].entries()) {
      from.send(listening.endpoint, nack(1), nack(2));
      from.exchange(listening.endpoint, 1);
      await until('both', () => from.arrivals.length === 1 && listening.arrivals.length === 2 * (i + 1));
      expect(from.arrivals[0]?.is).to.equal('exchanged');
    }
  });

  describe('packets over TCP', () => {
    const codec = new PacketCodec({
      label: new Uint8Array(),
      skipInboundLabelCheck: false,
      keys: undefined,
      sealVersion: 1,
      verifyIncoming: true,
      verifyOutgoing: true,
      nonce: () => new Uint8Array(12),
      compress: false,
      inflatedBytesMax: 1000,
    });
    const packetOf = (seqNo: number): Uint8Array => codec.write([encodePacketMessage(nack(seqNo))], true)[0]!;

    it('carries where answers are awaited, as distcache-go does', async () => {
      const received: Uint8Array[] = [];
      const to = await peers.serve((socket) => {
        socket.on('data', (piece) => received.push(piece));
        socket.on('end', () => socket.end());
      });
      const node = await peers.open({ kind: 'tcp' });
      node.transport.advertise('2001:db8::5', 7946);
      node.send(to, nack(5));
      await until('it is sent', () => node.count('gossip_packets_sent') === 1);
      const bytes = Buffer.concat(received);
      expect(connectionKind(bytes[0]!)).to.equal('packet');
      const reader = new TcpPacketReader(1000);
      reader.push(bytes);
      const read = reader.end();
      expect(plain(read)).to.deep.equal(plain({ from: '[2001:db8::5]:7946', packet: packetOf(5), intact: true }));
    });

    const senders: readonly (readonly [string, string, (own: number) => readonly [string, number]])[] = [
      ['the address written in it', '10.1.2.3:7946', () => ['10.1.2.3', 7946]],
      ['a mapped address', '[::ffff:10.1.2.3]:7946', () => ['10.1.2.3', 7946]],
      ['the connection, where a wildcard is written', '0.0.0.0:7946', () => [loopback, 7946]],
      ['the connection, where a name is written', 'example.org:7946', (own) => [loopback, own]],
      ['the connection, where nonsense is written', 'what?', (own) => [loopback, own]],
    ];
    for (const [what, written, expected] of senders) {
      it(`takes its sender from ${what}`, async () => {
        const node = await peers.open({ kind: 'tcp' });
        const socket = peers.dial(node.port);
        await once(socket, 'connect');
        const [host, port] = expected(socket.localPort!);
        socket.end(encodeTcpPacket(written, packetOf(6)));
        await until('the packet', () => node.arrivals.length === 1);
        expect(plain(node.of('packet')[0]?.from)).to.deep.equal(plain(endpointAt(port, host)));
      });
    }

    it('uses one whose checksum does not fit, and reports it', async () => {
      const node = await peers.open({ kind: 'tcp' });
      const bytes = encodeTcpPacket('10.1.2.3:7946', packetOf(6));
      bytes[bytes.length - 1]! ^= 1;
      peers.dial(node.port).end(bytes);
      await until('the packet', () => node.arrivals.length === 1);
      expect(node.count('gossip_packets_corrupt')).to.equal(1);
      expect(node.lines.all[0]?.message).to.equal('the checksum of a packet from 10.1.2.3:7946 does not fit it');
    });

    it('closes what begins with another byte, at once', async () => {
      const node = await peers.open({ kind: 'tcp' });
      const socket = peers.dial(node.port);
      socket.write('GET / HTTP/1.1\r\n\r\n');
      await gone(socket);
      expect(node.count('gossip_streams_dropped_unsupported_type')).to.equal(1);
      expect(node.lines.all[0]?.message).to.contain('begins with byte 71, neither a packet nor a stream');
    });

    it('closes one that says nothing, and one that stops within a packet, at its deadline', async () => {
      const node = await peers.open({ kind: 'tcp', limits: { packetTimeoutMs: 200 } });
      const [silentOne, half] = [peers.dial(node.port), peers.dial(node.port)];
      half.write(encodeTcpPacket('10.1.2.3:7946', packetOf(6)).subarray(0, 12));
      await Promise.all([gone(silentOne), gone(half)]);
      expect([node.count('gossip_streams_timed_out'), node.count('gossip_packets_timed_out')]).to.deep.equal([1, 1]);
    });

    it('takes in so many at a time and no more', async () => {
      const node = await peers.open({ kind: 'tcp', limits: { packetsInMax: 4 } });
      const head = encodeTcpPacket('10.1.2.3:7946', packetOf(6)).subarray(0, 12);
      const sockets = Array.from({ length: 6 }, () => peers.dial(node.port));
      for (const socket of sockets) socket.write(head);
      await until('two are refused', () => node.count('gossip_packets_refused') === 2);
      const asker = await peers.open({ kind: 'tcp' });
      node.answering();
      asker.exchange(node.endpoint, 1);
      await until('streams have room of their own', () => asker.of('exchanged').length === 1);
    });

    it('fails at once where nobody listens', async () => {
      const node = await peers.open({ kind: 'tcp' });
      const gonePeer = await peers.open({ kind: 'tcp' });
      await gonePeer.transport.close();
      node.send(gonePeer.endpoint, nack(1));
      await until('the failure', () => node.of('sendFailed').length === 1);
      expect(plain(node.of('sendFailed')[0]?.to)).to.deep.equal(plain(gonePeer.endpoint));
    });

    it('opens few connections to one target that takes its time, and has others for the rest', async () => {
      const slow = await peers.serve((socket) => void socket.resume());
      const node = await peers.open({ kind: 'tcp', limits: { sendsPerTargetMax: 3, packetTimeoutMs: 400 } });
      const other = await peers.open({ kind: 'tcp' });
      for (let i = 0; i < 8; i++) node.send(slow, nack(i));
      node.send(other.endpoint, nack(9));
      expect(node.count('gossip_sends_dropped')).to.equal(5);
      await until('the other got its own', () => other.arrivals.length === 1);
      await until('the slow are given up', () => node.count('gossip_send_errors') === 3);
      expect(node.arrivals, 'slow is not unreachable').to.deep.equal([]);
      node.send(slow, nack(10));
      expect(node.count('gossip_sends_dropped')).to.equal(5);
    });

    it('lets packets go out that were sent just before it closes, but not for ever', async () => {
      const [a, b] = [
        await peers.open({ kind: 'tcp', keys: ringOf('x') }),
        await peers.open({ kind: 'tcp', keys: ringOf('x') }),
      ];
      const slow = await peers.serve((socket) => void socket.resume());
      a.send(b.endpoint, { is: 'dead', incarnation: 1, node: 'a', from: 'a' });
      a.send(slow, nack(1));
      await a.transport.close();
      await until('the farewell', () => b.arrivals.length === 1);
    });
  });
});
