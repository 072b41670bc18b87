import { expect } from 'chai';
import { compoundHeaderBytes, joinParts, splitCompound } from '../../../../src/wire/memberlist/compound.js';
import { compress } from '../../../../src/wire/memberlist/compress.js';
import { addCrc, crcHeaderBytes, takeCrc } from '../../../../src/wire/memberlist/crc.js';
import { KeyRing } from '../../../../src/wire/memberlist/key-ring.js';
import { labelHeader } from '../../../../src/wire/memberlist/label.js';
import { encodePacketMessage } from '../../../../src/wire/memberlist/messages.js';
import { PacketCodec, type PacketPolicy } from '../../../../src/wire/memberlist/packet.js';
import { sealPacket } from '../../../../src/wire/memberlist/seal.js';
import { seeded } from '../../../support/seeded.js';
import { ack, ascii, concat, faultOf, hex, none, plainPolicy, randomBytes, randomMessage, toHex } from './samples.js';

const codec = (change: Partial<PacketPolicy> = {}): PacketCodec => new PacketCodec({ ...plainPolicy, ...change });
const key = new Uint8Array(16).fill(1);
const otherKey = new Uint8Array(16).fill(2);
const ring = new KeyRing([key]);
const blue = ascii('blue');

const ack1 = encodePacketMessage(ack(1));
const ack2 = encodePacketMessage(ack(2));
const suspect = encodePacketMessage({ is: 'suspect', incarnation: 1, node: 'a', from: 'b' });
const compound = (...parts: readonly Uint8Array[]): Uint8Array =>
  concat(Uint8Array.of(7, parts.length, ...parts.flatMap((part) => [part.length >> 8, part.length & 0xff])), ...parts);
const seal = (plain: Uint8Array, label: Uint8Array = none): Uint8Array =>
  sealPacket(ring, plain, { version: 1, label, nonce: new Uint8Array(12) });

/** What a packet came to: sequence numbers or types of its messages, then the reasons of its drops. */
function outcome(packet: Uint8Array, policy: Partial<PacketPolicy> = {}): string {
  const { messages, drops } = codec(policy).read(packet);
  const told = messages.map((message) => ('seqNo' in message ? String(message.seqNo) : message.is));
  return [...told, ...drops.map((drop) => drop.reason)].join(' ');
}

describe('memberlist packet: what is read', () => {
  const rows: readonly [string, Uint8Array, string][] = [
    ['a message', ack1, '1'],
    ['a message and bytes behind it', concat(ack1, hex('ffff')), '1'],
    ['a compound', compound(ack1, suspect), '1 suspect'],
    ['a compound and bytes behind it', concat(compound(ack1, ack2), hex('ffff')), '1 2'],
    ['a compound of nothing', compound(), ''],
    ['a compound in a compound', compound(ack1, compound(ack2, suspect)), '1 2 suspect'],
    ['a compression', compress(ack1), '1'],
    ['a compression of a compound', compress(compound(ack1, ack2)), '1 2'],
    ['a compression in a compound', compound(compress(ack1), ack2), '1 2'],
    ['a compression in a compression', compress(compress(ack1)), '1'],
    ['a checksum', addCrc(compound(ack1, ack2)), '1 2'],
    ['a checksum that is off', addCrc(ack1).with(7, 0), 'crcMismatch'],
    ['a checksum of nothing', addCrc(none), 'empty'],
    ['a checksum cut short', hex('0c000000'), 'unsupportedType'],
    ['a checksum in a checksum', addCrc(addCrc(ack1)), 'unsupportedType'],
    ['a checksum in a compound', compound(addCrc(ack1), ack2), '2 unsupportedType'],
    ['a checksum in a compression', compress(addCrc(ack1)), 'unsupportedType'],
    ['a label in a compound', compound(concat(labelHeader(blue), ack1), ack2), '2 unsupportedType'],
    ['an empty part', compound(none, ack2), '2 empty'],
    ['a compression of nothing', compress(none), 'empty'],
    ['no bytes', none, 'empty'],
    ['a ping by way of this node to nowhere', hex('0180'), 'malformed'],
    ['a compound without a count', hex('07'), 'truncated'],
    ['a compound cut in its lengths', compound(ack1, ack2).slice(0, 5), 'truncated'],
    ['a compound cut in its last part', compound(ack1, suspect, ack2).slice(0, -1), '1 suspect truncated'],
    ['a compound cut in its first part', compound(ack1, ack2).slice(0, 8), 'truncated'],
    ['an unknown type beside an ack', compound(hex('c8'), ack2), '2 unsupportedType'],
    ['a push/pull', hex('0680'), 'unsupportedType'],
    ['an error', hex('0d80'), 'unsupportedType'],
    ['a stream frame', hex('0a00000000'), 'unsupportedType'],
    ['a message cut short', ack1.slice(0, -1), 'truncated'],
    ['an unknown compression', hex('0982a4416c676f01a3427566a3000302'), 'compressAlgorithm'],
    ['a compression that is none', hex('0982a4416c676f00a3427566a3ffffff'), 'compressData'],
    [
      'a good compression behind one that is none',
      compound(hex('0992 00 a3ffffff'), compress(ack1), ack2),
      '2 compressData tooLarge',
    ],
    ['eight wrappers', nested(8), '1'],
    ['nine wrappers', nested(9), 'tooDeep'],
  ];
  for (const [name, packet, expected] of rows) it(name, () => expect(outcome(packet)).to.equal(expected));

  function nested(depth: number): Uint8Array {
    let packet: Uint8Array = ack1;
    for (let i = 0; i < depth; i++) packet = i % 2 === 0 ? compound(packet) : compress(packet);
    return packet;
  }

  it('messages are copies: the packet may be overwritten', () => {
    const packet = encodePacketMessage({ is: 'user', payload: ascii('data') });
    const { messages } = codec().read(packet);
    packet.fill(0);
    expect(messages).to.deep.equal([{ is: 'user', payload: ascii('data') }]);
  });

  it('inflates no more than the packet as a whole may', () => {
    const kilobyte = compress(encodePacketMessage({ is: 'user', payload: new Uint8Array(1023) }));
    expect(outcome(compound(kilobyte, kilobyte, ack2), { inflatedBytesMax: 2048 })).to.equal('user user 2');
    expect(outcome(compound(kilobyte, kilobyte, ack2), { inflatedBytesMax: 2047 })).to.equal('user 2 tooLarge');
  });

  it('stops at 4096 messages', () => {
    const many = compound(...new Array<Uint8Array>(255).fill(ack1));
    const { messages, drops } = codec().read(compound(...new Array<Uint8Array>(20).fill(many)));
    expect(messages).to.have.length(4096);
    expect(drops.map((drop) => drop.reason)).to.deep.equal(['tooMany']);
  });

  it('stops behind 64 faults', () => {
    const bad = new Array<Uint8Array>(64).fill(hex('c8'));
    expect(outcome(compound(...bad))).to.equal(bad.map(() => 'unsupportedType').join(' '));
    expect(outcome(compound(ack1, compound(...bad, ack2), ack2))).to.match(/^1( unsupportedType){64} tooMany$/);
  });
});

describe('memberlist packet: label and encryption', () => {
  const labelled = concat(labelHeader(blue), ack1);
  const sealed = seal(ack1);
  const sealedBlue = concat(labelHeader(blue), seal(ack1, blue));
  const open: Partial<PacketPolicy> = { keys: ring, verifyIncoming: false };
  const proxied: Partial<PacketPolicy> = { label: blue, skipInboundLabelCheck: true };
  const rows: readonly [string, Uint8Array, Partial<PacketPolicy>, string][] = [
    ['the own label', labelled, { label: blue }, '1'],
    ['a label where none is expected', labelled, {}, 'labelMismatch'],
    ['no label where one is expected', ack1, { label: blue }, 'labelMismatch'],
    ['another label', labelled, { label: ascii('green') }, 'labelMismatch'],
    ['the start of the own label', labelled, { label: ascii('blues') }, 'labelMismatch'],
    ['a label of no bytes', hex('f400'), {}, 'labelMalformed'],
    ['a label cut short', labelled.slice(0, 4), { label: blue }, 'labelMalformed'],
    ['a label without its length', hex('f4'), {}, 'labelMalformed'],
    ['the label alone', labelHeader(blue), { label: blue }, 'empty'],
    ['a second label', concat(labelHeader(blue), labelled), { label: blue }, 'unsupportedType'],
    ['no label behind a proxy', ack1, proxied, '1'],
    ['a label behind a proxy', labelled, proxied, 'labelUnexpected'],
    ['the own label in the seal, behind a proxy', seal(ack1, blue), { ...proxied, keys: ring }, '1'],
    ['encrypted', sealed, { keys: ring }, '1'],
    ['encrypted, with a label', sealedBlue, { keys: ring, label: blue }, '1'],
    ['encrypted for another label', concat(labelHeader(blue), sealed), { keys: ring, label: blue }, 'undecryptable'],
    ['encrypted under the second key', sealed, { keys: new KeyRing([otherKey, key]) }, '1'],
    ['encrypted under another key', sealed, { keys: new KeyRing([otherKey]) }, 'undecryptable'],
    ['plain, where encryption is required', ack1, { keys: ring }, 'unencrypted'],
    ['a plain ping, where encryption is required', hex('0080'), { keys: ring }, 'undecryptable'],
    ['plain, where encryption is on its way in', ack1, open, '1'],
    ['encrypted, where encryption is on its way in', sealed, open, '1'],
    ['encrypted, without keys', sealed, {}, 'malformed'],
    ['a checksum within', seal(addCrc(ack1)), { keys: ring }, '1'],
    ['a checksum around', addCrc(sealed), { keys: ring }, 'unencrypted'],
    ['a label within', seal(labelled), { keys: ring }, 'unsupportedType'],
  ];
  for (const [name, packet, policy, expected] of rows)
    it(name, () => expect(outcome(packet, policy)).to.equal(expected));
});

describe('memberlist packet: what is written', () => {
  it('label, encryption, checksum, compression, compound, message: in this order', () => {
    const padded = encodePacketMessage({ is: 'user', payload: new Uint8Array(300) });
    const packet = codec({ label: blue, keys: ring, compress: true }).write([padded, ack1], true)[0]!;
    expect(toHex(packet.subarray(0, 7))).to.equal('f404626c756501');
    const inner = codec({ label: blue }).write([padded], false);
    expect(toHex(inner[0]!.subarray(0, 7))).to.equal('f404626c756508');
    const plain = codec({ compress: true }).write([padded, ack1], true)[0]!;
    expect([plain[0], plain[5]]).to.deep.equal([12, 9]);
    expect(outcome(packet, { label: blue, keys: ring })).to.equal('user 1');
  });

  it('compresses only what becomes shorter', () => {
    const squeeze = codec({ compress: true });
    expect(squeeze.write([ack1], false)).to.deep.equal([ack1]);
    const long = encodePacketMessage({ is: 'user', payload: new Uint8Array(300) });
    expect(squeeze.write([long], false)[0]).to.satisfy((packet: Uint8Array) => packet[0] === 9 && packet.length < 100);
  });

  it('in the clear where outgoing encryption is not on yet', () => {
    expect(codec({ keys: ring, verifyOutgoing: false }).write([ack1], false)).to.deep.equal([ack1]);
  });

  it('with version 0 for a node of protocol 1', () => {
    const [packet] = codec({ keys: ring, sealVersion: 0 }).write([ack1], false);
    expect([packet![0], packet!.length % 16]).to.deep.equal([0, 45 % 16]);
    expect(outcome(packet!, { keys: ring })).to.equal('1');
  });

  it('a new nonce for every packet', () => {
    let next = 0;
    const counting = codec({ keys: ring, nonce: () => new Uint8Array(12).fill(next++) });
    counting.write(new Array<Uint8Array>(600).fill(ack1), false);
    expect(next).to.equal(3);
  });

  it('more than 255 messages in more packets, in order', () => {
    const packets = codec().write(
      Array.from({ length: 600 }, (_, i) => encodePacketMessage(ack(i))),
      false,
    );
    expect(packets.map((packet) => packet[1])).to.deep.equal([255, 255, 90]);
    const numbers = packets.flatMap((packet) => outcome(packet).split(' ').map(Number));
    expect(numbers).to.deep.equal(Array.from({ length: 600 }, (_, i) => i));
  });

  it('what is too long for a compound stands alone', () => {
    const fits = encodePacketMessage({ is: 'user', payload: new Uint8Array(65_534) });
    const long = encodePacketMessage({ is: 'user', payload: new Uint8Array(65_535) });
    const packets = codec().write([ack1, fits, long, ack2, ack1], false);
    expect(packets.map((packet) => outcome(packet))).to.deep.equal(['1 user', 'user', '2 1']);
    expect(packets[1]).to.deep.equal(long);
  });

  it('nothing for nothing, and never an empty part', () => {
    expect(codec().write([], true)).to.deep.equal([]);
    expect(() => codec().write([none], false)).to.throw('an empty message is never sent');
  });

  it('keeps to the overhead that it names, but for the checksum', () => {
    for (const policy of [{}, { label: blue }, { keys: ring }, { keys: ring, label: blue, sealVersion: 0 as const }]) {
      const writer = codec(policy);
      const parts = [ack1, suspect, ack2];
      const room = parts.reduce((sum, part) => sum + 2 + part.length, 0) + compoundHeaderBytes + writer.overheadBytes;
      const bare = writer.write(parts, false)[0]!.length;
      expect(bare, JSON.stringify(Object.keys(policy))).to.be.within(room - 16, room);
      expect(writer.write(parts, true)[0]!.length).to.be.at.most(room + crcHeaderBytes);
    }
  });

  it('comes back under every policy', () => {
    const random = seeded('packets');
    for (let i = 0; i < 300; i++) {
      const policy: Partial<PacketPolicy> = {
        label: randomBytes(random, random.pick([0, 0, 1, 255])),
        keys: random.chance(0.5) ? ring : undefined,
        sealVersion: random.pick([0, 1]),
        compress: random.chance(0.5),
        nonce: () => randomBytes(random, 12),
      };
      const messages = Array.from({ length: random.pick([1, 2, 5, 300]) }, () => randomMessage(random));
      const packets = codec(policy).write(messages.map(encodePacketMessage), random.chance(0.5));
      const reads = packets.map((packet) => codec(policy).read(packet));
      expect(
        reads.flatMap((read) => read.drops),
        `seed ${random.seed} step ${i}`,
      ).to.deep.equal([]);
      expect(
        reads.flatMap((read) => read.messages),
        `seed ${random.seed} step ${i}`,
      ).to.deep.equal(messages);
    }
  });
});

describe('memberlist compound and checksum', () => {
  it('parts come back as they were', () => {
    const random = seeded('compound');
    for (let i = 0; i < 100; i++) {
      const parts = Array.from({ length: random.between(2, 255) }, () => randomBytes(random, random.between(1, 40)));
      const [body, ...more] = joinParts(parts);
      expect(more).to.deep.equal([]);
      expect(toHex(body!)).to.equal(toHex(compound(...parts)));
      expect(splitCompound(body!).parts.map(toHex)).to.deep.equal(parts.map(toHex));
    }
  });

  it('the checksum is that of zlib', () => {
    expect(toHex(addCrc(ascii('123456789')))).to.equal(`0ccbf43926${toHex(ascii('123456789'))}`);
    expect(takeCrc(ack1)).to.equal(ack1);
    expect(faultOf(() => takeCrc(hex('0ccbf4392600')))).to.equal('crcMismatch');
  });
});
