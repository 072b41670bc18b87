import { expect } from 'chai';
import type { PingSource } from '../../../src/membership/messages.js';
import type { Endpoint } from '../../../src/membership/swim/effects.js';
import { joinParts } from '../../../src/wire/memberlist/compound.js';
import { compress } from '../../../src/wire/memberlist/compress.js';
import { addCrc } from '../../../src/wire/memberlist/crc.js';
import { encodePacketMessage } from '../../../src/wire/memberlist/messages.js';
import { GossipPool } from '../../support/gossip-pool.js';
import type { HandPeer } from '../../support/hand-peer.js';
import { needs } from '../../support/servers.js';

interface Asked {
  readonly seqNo: number;
  readonly node: string;
  readonly source: PingSource;
}

const bytes = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => Uint8Array.from(part)));
const text = (value: string): Uint8Array => bytes([0xa0 | value.length], Buffer.from(value, 'latin1'));
const str8 = (value: string): Uint8Array => bytes([0xd9, value.length], Buffer.from(value, 'latin1'));
const u32 = (value: number): Uint8Array => {
  const out = Buffer.alloc(5);
  out[0] = 0xce;
  out.writeUInt32BE(value, 1);
  return out;
};
const u16 = (value: number): Uint8Array => bytes([0xcd, value >> 8, value & 0xff]);
const raw = (value: Uint8Array): Uint8Array => bytes([0xa0 | value.length], value);

const ping = ({ seqNo, node, source }: Asked): Uint8Array => encodePacketMessage({ is: 'ping', seqNo, node, source });
/** A part that nobody reads: no such sequence number is waited for. */
const filler = encodePacketMessage({ is: 'nack', seqNo: 4_000_000_000 });
const compound = (...parts: readonly Uint8Array[]): Uint8Array => joinParts([...parts, filler])[0]!;
const pairs = (...fields: readonly Uint8Array[]): Uint8Array => bytes([0, 0x80 | (fields.length / 2)], ...fields);

/** A packet around a ping, and whether whoever gets it has to answer. */
const packets: readonly [string, 'answered' | 'dropped', (asked: Asked) => Uint8Array][] = [
  ['a bare ping', 'answered', ping],
  ['a good checksum', 'answered', (asked) => addCrc(ping(asked))],
  [
    'a bad checksum',
    'dropped',
    (asked) => {
      const packet = addCrc(ping(asked));
      packet[1]! ^= 1;
      return packet;
    },
  ],
  ['a checksum cut short', 'dropped', (asked) => addCrc(ping(asked)).subarray(0, 4)],
  ['a checksum within a compound', 'dropped', (asked) => compound(addCrc(ping(asked)))],
  ['a checksum within a compression', 'dropped', (asked) => compress(addCrc(ping(asked)))],
  ['a compression', 'answered', (asked) => compress(ping(asked))],
  ['a compression of an unknown kind', 'dropped', (asked) => damaged(compress(ping(asked)), 7)],
  ['a compression in a compression', 'answered', (asked) => compress(compress(ping(asked)))],
  ['a compression in a compound', 'answered', (asked) => compound(compress(ping(asked)))],
  ['a compound', 'answered', (asked) => compound(ping(asked))],
  ['a compound in a compound', 'answered', (asked) => compound(compound(ping(asked)))],
  ['a compound in a compression under a checksum', 'answered', (asked) => addCrc(compress(compound(ping(asked))))],
  ['a compound that ends in its second part', 'answered', (asked) => compound(ping(asked)).subarray(0, -1)],
  ['a compound that ends in its table', 'dropped', (asked) => compound(ping(asked)).subarray(0, 5)],
  ['a label where none is used', 'dropped', (asked) => bytes([0xf4, 1, 0x78], ping(asked))],
  ['trailing bytes', 'answered', (asked) => bytes(ping(asked), [1, 2, 3])],
  ['a ping cut short', 'dropped', (asked) => ping(asked).subarray(0, -1)],
  ['a ping for somebody else', 'dropped', (asked) => ping({ ...asked, node: 'somebody' })],
  ['a ping for whom it may concern', 'answered', (asked) => ping({ ...asked, node: '' })],
  [
    'keys in another order, and unknown ones',
    'answered',
    ({ seqNo, node, source }) =>
      pairs(
        ...[text('SourcePort'), u16(source.port), text('SourceAddr'), raw(source.addr), text('SeqNo'), u32(seqNo)],
        ...[text('Later'), bytes([0x92, 0xc3, 0x81], text('a'), [0xc0]), text('Node'), text(node)],
      ),
  ],
  [
    'no address to answer to but that of the packet',
    'answered',
    ({ seqNo, node }) => pairs(text('Node'), text(node), text('SeqNo'), u32(seqNo)),
  ],
  [
    'texts with lengths of their own byte, in a map with a long header',
    'answered',
    ({ seqNo, node }) => bytes([0, 0xde, 0, 2], str8('SeqNo'), u32(seqNo), str8('Node'), str8(node)),
  ],
  ['a struct as an array', 'answered', ({ seqNo, node }) => bytes([0, 0x92], u32(seqNo), text(node))],
  ['a number below zero', 'dropped', ({ node }) => pairs(text('Node'), text(node), text('SeqNo'), bytes([0xff]))],
];

function damaged(packet: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(packet);
  copy[at] = 1;
  return copy;
}

describe('packets to serf and to a node', function () {
  this.timeout(60_000);
  const pool = new GossipPool();

  before(function () {
    needs(this, 'serf', 'serf');
  });

  afterEach(() => pool.close());

  /** What became of each packet: by a good ping behind it, the wait for an answer ends. */
  async function outcomes(hand: HandPeer, to: Endpoint, node: string): Promise<readonly string[]> {
    const seen: string[] = [];
    for (const [name, , write] of packets) {
      const asked = { seqNo: hand.nextSeqNo(), node, source: hand.source };
      const behind = { ...asked, seqNo: hand.nextSeqNo() };
      await hand.send(to, write(asked));
      await hand.send(to, ping(behind));
      await hand.hears('ack', ({ seqNo }) => seqNo === behind.seqNo);
      const isAnswered = hand.heard('ack').some(({ seqNo }) => seqNo === asked.seqNo);
      seen.push(`${name}: ${isAnswered ? 'answered' : 'dropped'}`);
    }
    return seen;
  }

  it('C1: checksums, compression, nesting and odd msgpack are read or dropped as by serf', async () => {
    const [s1, n1, h1, h2] = await Promise.all([pool.serf(), pool.node(), pool.hand(), pool.hand()]);
    const [ofSerf, ofNode] = await Promise.all([outcomes(h1, s1.endpoint, 's1'), outcomes(h2, n1.endpoint, 'n1')]);
    const expected = packets.map(([name, outcome]) => `${name}: ${outcome}`);
    expect(ofSerf, 'serf').to.deep.equal(expected);
    expect(ofNode, 'node').to.deep.equal(expected);
    await s1.logged('Got invalid checksum for UDP packet');
  });

  it('C2: a node that restarts with an old incarnation denies what is left of its earlier life', async () => {
    const s1 = await pool.serf();
    const before = await pool.node({ name: 'again', incarnation: 5 });
    await before.join(s1.address);
    await s1.showsAlive(['again', 's1']);
    await before.close();
    await s1.shows('again', 'failed');
    const { host } = before.options;
    const after = await pool.node({ name: 'again', host, port: before.endpoint.port, incarnation: 1 });
    await after.join(s1.address);
    expect(after.incarnation).to.equal(6);
    await s1.shows('again', 'alive');
    await after.showsAlive(['again', 's1']);
    expect(after.core.counts().refuted).to.equal(1);
  });
});
