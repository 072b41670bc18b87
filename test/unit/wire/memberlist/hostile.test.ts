import { expect } from 'chai';
import { compress } from '../../../../src/wire/memberlist/compress.js';
import { type Drop, dropReasons } from '../../../../src/wire/memberlist/fault.js';
import { KeyRing } from '../../../../src/wire/memberlist/key-ring.js';
import { packetFaultsMax, packetMessagesMax, udpPacketBytesMax } from '../../../../src/wire/memberlist/limits.js';
import { compressLzw, inflateLzw } from '../../../../src/wire/memberlist/lzw.js';
import { encodePacketMessage, encodeStreamMessage } from '../../../../src/wire/memberlist/messages.js';
import { PacketCodec, type PacketPolicy } from '../../../../src/wire/memberlist/packet.js';
import { StreamCodec, type StreamStep } from '../../../../src/wire/memberlist/stream.js';
import { type Seeded, seeded } from '../../../support/seeded.js';
import {
  ack,
  ascii,
  concat,
  cutUp,
  dropOfFault,
  hex,
  noSource,
  plainPolicy,
  randomBytes,
  randomMessage,
  randomPushPull,
} from './samples.js';

const ring = new KeyRing([new Uint8Array(16).fill(1)]);
const policies: Readonly<Record<string, PacketPolicy>> = {
  plain: plainPolicy,
  compressed: { ...plainPolicy, compress: true },
  labelled: { ...plainPolicy, label: ascii('blue'), compress: true },
  encrypted: { ...plainPolicy, keys: ring },
  'on its way to encryption': {
    ...plainPolicy,
    keys: ring,
    verifyIncoming: false,
    verifyOutgoing: false,
    compress: true,
  },
};

const known: ReadonlySet<string> = new Set(dropReasons);
const isDrop = (drop: Drop): boolean => known.has(drop.reason) && drop.detail.length < 200;

/** Bytes of which hardly any are what their sender wrote: changed, cut, doubled, or with a hostile length put in. */
function spoil(random: Seeded, bytes: Uint8Array): Uint8Array {
  const spoiled = Uint8Array.from(bytes);
  for (let i = random.below(4); i > 0 && spoiled.length > 0; i--) {
    const at = random.below(spoiled.length);
    random.pick([
      () => spoiled.fill(spoiled[at]! ^ (1 << random.below(8)), at, at + 1),
      () => spoiled.fill(random.below(256), at, at + 1),
      () => spoiled.set(random.pick(hostileLengths).subarray(0, spoiled.length - at), at),
      () => spoiled.copyWithin(at, random.below(spoiled.length), at + random.below(100)),
    ])();
  }
  return random.chance(0.5) ? spoiled : spoiled.subarray(0, random.below(spoiled.length + 1));
}

/** Headers that announce gigabytes, and values far out of range. */
const hostileLengths = [
  'dbffffffff',
  'c6ffffffff',
  'ddffffffff',
  'dfffffffff',
  'c9ffffffff',
  'dcffff',
  'deffff',
  'cfffffffffffffffff',
  'd3ffffffffffffffff',
  '8f',
  '9f',
  'bf',
].map(hex);

/** Reads a packet and holds it to its bounds. */
function checkPacket(policy: PacketPolicy, packet: Uint8Array, where: string): void {
  const { messages, drops } = new PacketCodec(policy).read(packet);
  const isBounded = messages.length <= packetMessagesMax && drops.length <= packetFaultsMax + 1;
  if (!isBounded || !drops.every(isDrop)) expect.fail(`${where}: ${messages.length} messages, ${drops.length} drops`);
  let payloadBytes = 0;
  for (const message of messages) if (message.is === 'user') payloadBytes += message.payload.length;
  if (payloadBytes > packet.length + policy.inflatedBytesMax) expect.fail(`${where}: ${payloadBytes} bytes came of it`);
}

/** Far above the dearest there is, about 10 ms, and far below what would keep a node from answering in time. */
const packetCpuMsMax = 150;

/** Milliseconds that the processor works on it, on average over `times`: other processes do not count. */
function cpuMs(times: number, run: () => void): number {
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / times;
}

/** Feeds a stream in pieces, and holds every step to the contract. Gives the last step. */
function checkStream(
  policy: PacketPolicy,
  pieces: readonly Uint8Array[],
  where: string,
): StreamStep | Drop | undefined {
  const reader = new StreamCodec(policy).reader('listener');
  for (const piece of pieces) {
    const step = reader.push(piece);
    if (step.is === 'more') continue;
    if (step.is === 'refused') {
      if (!isDrop(step.drop)) expect.fail(`${where}: ${step.drop.reason}`);
      if (step.reply !== undefined) {
        const answer = new StreamCodec({ ...policy, verifyIncoming: false }).reader('dialler').push(step.reply);
        if (answer.is !== 'message' || answer.message.is !== 'err') expect.fail(`${where}: a reply that is no error`);
      }
    }
    if (reader.end() !== undefined) expect.fail(`${where}: goes on after its end`);
    return step;
  }
  const end = reader.end();
  if (end !== undefined && !isDrop(end)) expect.fail(`${where}: ${end.reason}`);
  return end;
}

describe('memberlist, hostile: no bytes lead to anything but messages and drops', () => {
  for (const [name, policy] of Object.entries(policies)) {
    it(`random and spoiled packets, ${name}`, () => {
      const random = seeded(`packets/${name}`);
      const codec = new PacketCodec(policy);
      for (let i = 0; i < 3000; i++) {
        const where = `seed ${random.seed} step ${i}`;
        const parts = Array.from({ length: random.between(1, 4) }, () => encodePacketMessage(randomMessage(random)));
        const valid = codec.write(parts, random.chance(0.5))[0]!;
        const packet = random.chance(0.2) ? randomBytes(random, random.below(200)) : spoil(random, valid);
        checkPacket(policy, packet, where);
      }
    });

    it(`random and spoiled streams, ${name}`, () => {
      const random = seeded(`streams/${name}`);
      const codec = new StreamCodec(policy);
      for (let i = 0; i < 1000; i++) {
        const where = `seed ${random.seed} step ${i}`;
        const valid = codec.write(
          random.pick([
            () => randomPushPull(random, 4),
            () => ({ is: 'user', payload: randomBytes(random, random.below(100)) }) as const,
            () => ({ is: 'ping', seqNo: 1, node: 'a', source: noSource }) as const,
          ])(),
          'dialler',
        );
        const bytes = random.chance(0.2) ? randomBytes(random, random.below(200)) : spoil(random, valid);
        checkStream(policy, cutUp(random, bytes, random.pick([1, 100, 100_000])), where);
      }
    });
  }

  it('spoiled messages behind a checksum that fits, and within a compression', () => {
    const random = seeded('inner');
    for (let i = 0; i < 4000; i++) {
      const body = spoil(random, encodePacketMessage(randomMessage(random)));
      checkPacket(plainPolicy, random.chance(0.5) ? body : compress(body), `seed ${random.seed} step ${i}`);
    }
  });

  it('random LZW, with and without a clear in front', () => {
    const random = seeded('lzw-noise');
    const reasons = new Set<string>();
    for (let i = 0; i < 3000; i++) {
      const noise = randomBytes(random, random.below(300));
      const packed = random.chance(0.5) ? noise : spoil(random, compressLzw(noise.map((byte) => byte & 3)));
      const drop = dropOfFault(() => expect(inflateLzw(packed, 100).length).to.be.at.most(100));
      if (drop !== undefined) reasons.add(drop.reason);
    }
    expect([...reasons].sort()).to.deep.equal(['compressData', 'tooLarge']);
  });
});

describe('memberlist, hostile: work and memory are bounded', () => {
  const ack1 = encodePacketMessage(ack(1));
  const compound = (...parts: readonly Uint8Array[]): Uint8Array =>
    concat(Uint8Array.of(7, parts.length, ...parts.flatMap((p) => [p.length >> 8, p.length & 0xff])), ...parts);
  const fill = (part: Uint8Array, bytesMax: number): Uint8Array =>
    compound(...new Array<Uint8Array>(Math.min(255, Math.floor((bytesMax - 2) / (part.length + 2)))).fill(part));

  /** Compressed zeros: the densest that LZW can be. */
  const bomb = compress(new Uint8Array(4 << 20));
  const packets: readonly [string, Uint8Array][] = [
    ['a bomb', bomb],
    ['a bomb in a bomb in a bomb', compress(compress(bomb))],
    ['bombs side by side', fill(bomb, udpPacketBytesMax)],
    ['bombs that fail at their end', fill(compress(new Uint8Array(900_000)).slice(0, -20), udpPacketBytesMax)],
    ['small compressions by the thousand', fill(fill(compress(ack1), 60_000 / 60), udpPacketBytesMax)],
    ['compressions of nothing by the thousand', fill(fill(hex('099200a3000302'), 255), udpPacketBytesMax)],
    ['compounds of compounds of nothing', fill(fill(fill(fill(hex('0700'), 60), 500), 4000), udpPacketBytesMax)],
    [
      'compounds of empty parts',
      fill(compound(...new Array<Uint8Array>(100).fill(new Uint8Array())), udpPacketBytesMax),
    ],
    [
      'a bomb of compounds',
      compress(concat(...new Array<Uint8Array>(200).fill(fill(fill(ack1, 4000), 60_000)).slice(0, 16))),
    ],
    ['messages by the ten thousand', fill(fill(hex('0b80'), 1000), udpPacketBytesMax)],
    ['sixty thousand wrappers', concat(...new Array<Uint8Array>(10_000).fill(hex('0701fff0')))],
    ['an array ten thousand deep', concat(hex('0081a178'), new Uint8Array(10_000).fill(0x91))],
    ['an unknown field of many values', concat(hex('0081a178dcffff'), new Uint8Array(65_535).fill(0xc0))],
    ['a map of many fields', concat(hex('00deffff'), new Uint8Array(65_535).fill(0xa0))],
  ];
  for (const [name, packet] of packets) {
    it(name, () => {
      const heldBefore = process.memoryUsage().arrayBuffers;
      expect(cpuMs(20, () => checkPacket(plainPolicy, packet, name))).to.be.below(packetCpuMsMax);
      expect(process.memoryUsage().arrayBuffers - heldBefore, 'bytes, none of them freed').to.be.below(20 * (8 << 20));
    });
  }

  it('sixteen keys are the most that a packet can cost', () => {
    const keys = new KeyRing(Array.from({ length: 16 }, (_, i) => new Uint8Array(32).fill(i)));
    const noise = concat(Uint8Array.of(1), randomBytes(seeded('keys'), 1400));
    expect(cpuMs(100, () => checkPacket({ ...plainPolicy, keys }, noise, 'noise'))).to.be.below(packetCpuMsMax);
  });

  const announcements: readonly [string, string][] = [
    ['an encrypted frame of 20 MiB', '0a01400000'],
    ['a compression of 39 MiB', '0982a4416c676f00a3427566db02700000'],
    ['a compression as an array of 4096', '0982a4416c676f00a3427566dd00001000'],
    ['a user message of 20 MiB', '0881aa557365724d73674c656ece01400000'],
    ['a user state of 20 MiB', '0681ac5573657253746174654c656ece01400000'],
    ['65536 nodes', '0681a54e6f646573ce00010000'],
  ];
  for (const [name, header] of announcements) {
    it(`${name}, announced and never sent, cost what was sent`, () => {
      const policy = header.startsWith('0a') ? policies.encrypted! : plainPolicy;
      const reader = new StreamCodec(policy).reader('listener');
      const before = process.memoryUsage().arrayBuffers;
      expect(reader.push(hex(header))).to.deep.equal({ is: 'more' });
      for (let i = 0; i < 10; i++) expect(reader.push(new Uint8Array(100).fill(0x80))).to.deep.equal({ is: 'more' });
      expect(process.memoryUsage().arrayBuffers - before).to.be.below(1 << 20);
      expect(reader.end()).to.have.property('reason', 'truncated');
    });
  }

  it('bytes in an array that arrive piece by piece, half of them two bytes long', () => {
    const values = Buffer.alloc(3 * 2048).fill(hex('05cc80'));
    const body = concat(hex('0982a4416c676f00a3427566dd00001000'), values);
    const pieces = Array.from({ length: Math.ceil(body.length / 10) }, (_, i) => body.subarray(10 * i, 10 * i + 10));
    expect(checkStream(plainPolicy, pieces, 'array')).to.have.nested.property('drop.reason', 'compressData');
  });

  it('a push/pull of the smallest nodes', () => {
    const header = hex('0681a54e6f646573ce00010000');
    const step = checkStream(plainPolicy, [concat(header, new Uint8Array(65_536).fill(0x80))], 'nodes');
    expect(step).to.have.nested.property('message.nodes').with.length(65_536);
  });

  it('a stream that inflates to more than 40 MiB', () => {
    const within = compress(encodeStreamMessage({ is: 'user', payload: new Uint8Array(20 << 20) }));
    expect(checkStream(plainPolicy, [within], 'within')).to.have.nested.property('message.is', 'user');
    const beyond = compress(new Uint8Array((40 << 20) + 1));
    expect(checkStream(plainPolicy, [beyond], 'beyond')).to.have.nested.property('drop.reason', 'tooLarge');
  });
});
