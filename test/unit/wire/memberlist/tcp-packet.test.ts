import { expect } from 'chai';
import { isAddress } from '../../../../src/base/addresses.js';
import {
  connectionKind,
  encodeTcpPacket,
  streamByte,
  TcpPacketReader,
} from '../../../../src/wire/memberlist/tcp-packet.js';
import { seeded } from '../../../support/seeded.js';
import { ascii, concat, cutUp, hex, none, randomBytes, toHex } from './samples.js';

const from = '127.0.0.11:7946';
const packet = hex('0281a55365714e6f01');
const whole = encodeTcpPacket(from, packet);

/** The drop's reason, or what was in the packet. */
function outcome(pieces: readonly Uint8Array[], packetBytesMax = 1000): string {
  const reader = new TcpPacketReader(packetBytesMax);
  for (const piece of pieces) reader.push(piece);
  const end = reader.end();
  if ('reason' in end) return end.reason;
  return `${end.from} ${toHex(end.packet)}${end.intact ? '' : ' changed'}`;
}

describe('memberlist packets over TCP', () => {
  it('tells connections apart by their first byte', () => {
    expect([whole[0]!, streamByte, 0, 3, 0xf4].map(connectionKind)).to.deep.equal([
      'packet',
      'stream',
      ...[0, 0, 0].map(() => undefined),
    ]);
  });

  const rows: readonly [string, Uint8Array, string][] = [
    ['a packet', whole, `${from} ${toHex(packet)}`],
    ['an empty packet', encodeTcpPacket(from, none), `${from} `],
    ['a packet whose checksum is off is used all the same', whole.with(20, 0xff), `${from} 0281a5ff65714e6f01 changed`],
    ['an IPv6 sender', encodeTcpPacket('[::1]:7946', packet), `[::1]:7946 ${toHex(packet)}`],
    ['a sender that is no address', encodeTcpPacket('somewhere', packet), ` ${toHex(packet)}`],
    ['no sender', encodeTcpPacket('', packet), ` ${toHex(packet)}`],
    ['nothing', none, 'empty'],
    ['another kind', concat(hex('00'), whole.slice(1)), 'unsupportedType'],
    ['an end behind the kind', hex('01'), 'truncated'],
    ['an end within the address', whole.slice(0, 10), 'truncated'],
    ['an end within the checksum of no packet', encodeTcpPacket(from, none).slice(0, -1), 'truncated'],
  ];
  for (const [name, bytes, expected] of rows) {
    it(name, () => {
      expect(outcome([bytes])).to.equal(expected);
      expect(outcome([...bytes].map((byte) => Uint8Array.of(byte)))).to.equal(expected);
    });
  }

  it('a packet of as many bytes as are allowed, and no more', () => {
    const longest = 'x'.repeat(255);
    expect(outcome([encodeTcpPacket(longest, new Uint8Array(100))], 100)).to.match(/^ (00){100}$/);
    expect(outcome([encodeTcpPacket(longest, new Uint8Array(101))], 100)).to.equal('tooLarge');
  });

  it('holds nothing of what is too large, and says so at once', () => {
    const reader = new TcpPacketReader(100);
    expect(reader.push(new Uint8Array(300))).to.equal(undefined);
    expect(reader.push(new Uint8Array(300))).to.have.property('reason', 'tooLarge');
    expect(reader.push(none)).to.have.property('reason', 'tooLarge');
    expect(reader.end()).to.have.property('reason', 'tooLarge');
  });

  it('refuses to write a sender that is too long', () => {
    expect(() => encodeTcpPacket('x'.repeat(256), packet)).to.throw('at most 255 bytes');
  });

  it('any bytes in any pieces end in a packet or a drop', () => {
    const random = seeded('tcp-packets');
    for (let i = 0; i < 1000; i++) {
      const bytes = random.chance(0.5) ? randomBytes(random, random.below(600)) : Uint8Array.from(whole);
      if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
      if (random.chance(0.8) && bytes.length > 0) bytes[0] = 1;
      const reader = new TcpPacketReader(300);
      for (const piece of cutUp(random, bytes, 100)) reader.push(piece);
      const end = reader.end();
      if ('reason' in end) continue;
      expect(end.from === '' || isAddress(end.from), `seed ${random.seed} step ${i}`).to.equal(true);
      expect(end.packet.length).to.be.below(bytes.length);
    }
  });

  it('the address is as many bytes as it says', () => expect([whole[1], ascii(from).length]).to.deep.equal([15, 15]));
});
