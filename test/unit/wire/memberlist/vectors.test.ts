import { expect } from 'chai';
import type { PacketMessage, PingSource, PushPull, StreamMessage } from '../../../../src/membership/messages.js';
import { KeyRing } from '../../../../src/wire/memberlist/key-ring.js';
import { compressLzw, inflateLzw } from '../../../../src/wire/memberlist/lzw.js';
import {
  decodeNodeState,
  decodePacketMessage,
  encodePacketMessage,
  encodeStreamMessage,
} from '../../../../src/wire/memberlist/messages.js';
import { PackReader, PackWriter, readStruct, writeStruct } from '../../../../src/wire/memberlist/msgpack.js';
import { PacketCodec } from '../../../../src/wire/memberlist/packet.js';
import {
  openPacket,
  openStream,
  type SealVersion,
  sealPacket,
  sealStream,
} from '../../../../src/wire/memberlist/seal.js';
import { StreamCodec, type StreamRole } from '../../../../src/wire/memberlist/stream.js';
import { compressShape, pushPullHeaderShape, userHeaderShape } from '../../../../src/wire/memberlist/structs.js';
import { decodeTcpPacket, encodeTcpPacket } from '../../../../src/wire/memberlist/tcp-packet.js';
import {
  ack,
  aliveNode,
  ascii,
  concat,
  hex,
  none,
  noSource,
  plainPolicy,
  readVectors,
  stateOf,
  toHex,
} from './samples.js';

const vectors = readVectors();
const a: PingSource = { addr: hex('7f000002'), port: 7946, node: 'a' };
const s1: PingSource = { addr: hex('7f000002'), port: 7946, node: 's1' };
const meta40 = new Uint8Array(40).fill(0xaa);

/** The type byte that stands before the body of each message. */
const typeOf = { ping: '00', indirectPing: '01', ack: '02', suspect: '03', alive: '04', dead: '05', nack: '0b' };

const messages: Readonly<Record<string, Exclude<PacketMessage, { is: 'user' }>>> = {
  ping: { is: 'ping', seqNo: 7, node: 'b', source: a },
  'ping.min': { is: 'ping', seqNo: 300, node: '', source: noSource },
  'ping.emptyslice': { is: 'ping', seqNo: 70_000, node: 'b', source: noSource },
  indirect: { is: 'indirectPing', seqNo: 7, target: hex('7f000003'), port: 7946, node: 'c', nack: true, source: a },
  'ack nil': { is: 'ack', seqNo: 7, payload: none },
  'ack empty': { is: 'ack', seqNo: 7, payload: none },
  'ack pay': { is: 'ack', seqNo: 200, payload: hex('0102') },
  nack: { is: 'nack', seqNo: 7 },
  name40: { is: 'nack', seqNo: 5 },
  suspect: { is: 'suspect', incarnation: 1, node: 'b', from: 'a' },
  sus40: { is: 'suspect', incarnation: 1, node: 'n'.repeat(40), from: 'a' },
  'alive nil meta': aliveNode('a'),
  'alive val': aliveNode('a', { vsn: [1, 5, 2, 2, 5, 4] }),
  'alive meta40': aliveNode('a', { incarnation: 128, meta: meta40, vsn: [1, 5, 2, 2, 5, 4] }),
};

/** Written as nil where Go wrote an empty byte field: the two mean the same. */
const writtenAsNil = new Set(['ack empty', 'alive val']);

const headers: Readonly<Record<string, readonly [nodes: number, stateLength: number, join: boolean]>> = {
  pph: [1, 0, true],
  pph200: [200, 40_000, false],
  'pph big': [70_000, 3_000_000, false],
};

const nodeStates = {
  pns: stateOf('a'),
  'pns left': stateOf('a', { incarnation: 70_000, meta: ascii('m'), state: 'left' }),
} as const;

for (const [codec, values] of Object.entries(vectors.codec).filter(([name]) => name !== 'inputs')) {
  describe(`memberlist vectors of ${codec}`, () => {
    const vector = (name: string): string => values[name]!;
    const done = new Set<string>();
    const row = (name: string, check: () => void): void => {
      done.add(name);
      it(name, check);
    };

    for (const [name, message] of Object.entries(messages)) {
      row(name, () => {
        const bytes = typeOf[message.is] + vector(name);
        expect(decodePacketMessage(hex(bytes))).to.deep.equal(message);
        const written = writtenAsNil.has(name) ? bytes.replace(/(5061796c6f6164|4d657461)a0/, '$1c0') : bytes;
        expect(toHex(encodePacketMessage(message))).to.equal(written);
      });
    }

    for (const [name, [Nodes, UserStateLen, Join]] of Object.entries(headers)) {
      row(name, () => {
        expect(readStruct(new PackReader(hex(vector(name))), pushPullHeaderShape)).to.deep.equal({
          Nodes,
          UserStateLen,
          Join,
        });
        const writer = new PackWriter();
        writeStruct(writer, pushPullHeaderShape, { Nodes, UserStateLen, Join });
        // Numbers are written as the older codecs do; the newer ones write those above 127 as signed, and read both.
        expect(toHex(writer.finish())).to.equal(vectors.codec['go-msgpack v0.5.5'][name]);
      });
    }

    for (const [name, state] of Object.entries(nodeStates)) {
      row(name, () => {
        expect(decodeNodeState(new PackReader(hex(vector(name))))).to.deep.equal(state);
        const message: PushPull = { is: 'pushPull', join: true, nodes: [state], userState: none };
        expect(toHex(encodeStreamMessage(message))).to.equal(`06${vector('pph')}${vector(name)}`);
      });
    }

    for (const [name, length] of [
      ['umh', 5],
      ['umh 200', 200],
    ] as const) {
      row(name, () => {
        expect(readStruct(new PackReader(hex(vector(name))), userHeaderShape)).to.deep.equal({ UserMsgLen: length });
        const payload = new Uint8Array(length).fill(7);
        const bytes = `08${vectors.codec['go-msgpack v0.5.5'][name]}${toHex(payload)}`;
        expect(toHex(encodeStreamMessage({ is: 'user', payload }))).to.equal(bytes);
      });
    }

    row('err', () => {
      expect(toHex(encodeStreamMessage({ is: 'err', error: 'boom' }))).to.equal(`0d${vector('err')}`);
      expect(streamOf(hex(`0d${vector('err')}`), 'dialler')).to.deep.equal({ is: 'err', error: 'boom' });
    });

    row('compress', () => {
      const fields = readStruct(new PackReader(hex(vector('compress'))), compressShape);
      expect([fields.Algo, toHex(fields.Buf)]).to.deep.equal([0, '010203']);
      const writer = new PackWriter();
      writeStruct(writer, compressShape, fields);
      expect(toHex(writer.finish())).to.equal(vector('compress'));
    });

    it('none is left out', () => expect([...done].sort()).to.deep.equal(Object.keys(values).sort()));
  });
}

describe('memberlist vectors of LZW', () => {
  for (const [text, packed] of Object.entries(vectors.lzw)) {
    it(text, () => {
      const plain = ascii(text === '(empty)' ? '' : text);
      expect(toHex(compressLzw(plain))).to.equal(packed);
      expect(inflateLzw(hex(packed), 100)).to.deep.equal(plain);
    });
  }
});

describe('memberlist vectors of AES-GCM', () => {
  const { gcm } = vectors;
  const ring = new KeyRing([hex(gcm.key!)]);
  const plain = hex(gcm.plaintext!);
  const sealing = (version: SealVersion, label: string) => ({ version, label: ascii(label), nonce: hex(gcm.nonce!) });

  for (const [name, version, label] of [
    ['packet_v1', 1, ''],
    ['packet_v1_label_blue', 1, 'blue'],
    ['packet_v0', 0, ''],
  ] as const) {
    it(name, () => {
      expect(toHex(sealPacket(ring, plain, sealing(version, label)))).to.equal(gcm[name]);
      expect(toHex(openPacket(ring, hex(gcm[name]!), ascii(label)))).to.equal(gcm.plaintext);
    });
  }
  for (const [name, label] of [
    ['stream_v1', ''],
    ['stream_v1_label_blue', 'blue'],
  ] as const) {
    it(name, () => {
      const sealed = hex(gcm[name]!);
      expect(toHex(sealStream(ring, plain, sealing(1, label)))).to.equal(gcm[name]);
      expect(toHex(openStream(ring, sealed.subarray(0, 5), sealed.subarray(5), ascii(label)))).to.equal(gcm.plaintext);
    });
  }
});

const packetRows: Readonly<Record<string, readonly [messages: readonly PacketMessage[], label: string, crc: boolean]>> =
  {
    compound_ack_suspect: [[ack(7), messages.suspect!], '', false],
    crc_ack: [[ack(7)], '', true],
    label_x_crc_ack: [[ack(7)], 'x', true],
    ping: [[{ is: 'ping', seqNo: 1, node: 'n1', source: s1 }], '', false],
    'gossip CRC+compound of 2 alives (s1 tags role=web; n1 Meta nil)': [
      [
        aliveNode('s1', { meta: hex('ff81a4726f6c65a3776562'), vsn: [1, 5, 2, 2, 5, 5] }),
        aliveNode('n1', { addr: hex('7f000003'), vsn: [1, 5, 2, 2, 5, 4] }),
      ],
      '',
      true,
    ],
    'suspect, CRC': [[{ is: 'suspect', incarnation: 2, node: 'n2', from: 's1' }], '', true],
    'dead, CRC': [[{ is: 'dead', incarnation: 2, node: 'n2', from: 's1' }], '', true],
    'probe of a suspect (CRC, compound ping+suspect)': [
      [
        { is: 'ping', seqNo: 10, node: 'n2', source: s1 },
        { is: 'suspect', incarnation: 1, node: 'n2', from: 's1' },
      ],
      '',
      true,
    ],
    indirectPing: [
      [{ is: 'indirectPing', seqNo: 25, target: hex('7f000005'), port: 7946, node: 's2', nack: true, source: s1 }],
      '',
      false,
    ],
    'relayed ack': [[ack(5000)], '', false],
    nack: [[{ is: 'nack', seqNo: 5001 }], '', false],
    'user event': [
      [{ is: 'user', payload: hex('0384a24343c3a54c54696d6501a44e616d65a66465706c6f79a75061796c6f6164a27631') }],
      '',
      true,
    ],
    'serf leave intent, CRC': [
      [{ is: 'user', payload: hex('0083a54c54696d6501a44e6f6465a27331a55072756e65c2') }],
      '',
      true,
    ],
  };

describe('memberlist vectors of whole packets', () => {
  const packets: Readonly<Record<string, string>> = { ...vectors.frames, ...vectors.captures };
  for (const [name, [parts, label, crc]] of Object.entries(packetRows)) {
    it(name, () => {
      const codec = new PacketCodec({ ...plainPolicy, label: ascii(label) });
      const read = codec.read(hex(packets[name]!));
      expect([read.messages, read.drops]).to.deep.equal([parts, []]);
      expect(codec.write(parts.map(encodePacketMessage), crc).map(toHex)).to.deep.equal([packets[name]]);
    });
  }

  it('distcache_packet_nack', () => {
    const bytes = vectors.frames.distcache_packet_nack!;
    const { from, packet, intact } = decodeTcpPacket(hex(bytes));
    expect({ from, packet: toHex(packet), intact }).to.deep.equal({
      from: '127.0.0.2:7946',
      packet: '0b81a55365714e6f07',
      intact: true,
    });
    expect(toHex(encodeTcpPacket(from, packet))).to.equal(bytes);
  });

  it("a ping of distcache-go's, captured", () => {
    const body = 'f40b7072656669782d64656d6f0082a44e6f6465ae3132372e302e302e343a37393436a55365714e6f4d';
    const bytes = `010f3132372e302e302e31313a37393436${body}d6685cd652f3e71106eb70f5c0b3750b`;
    const { from, packet, intact } = decodeTcpPacket(hex(bytes));
    expect([from, intact]).to.deep.equal(['127.0.0.11:7946', true]);
    const ping: PacketMessage = { is: 'ping', seqNo: 77, node: '127.0.0.4:7946', source: noSource };
    const codec = new PacketCodec({ ...plainPolicy, label: ascii('prefix-demo') });
    expect(codec.read(packet).messages).to.deep.equal([ping]);
    expect(toHex(encodeTcpPacket(from, codec.write([encodePacketMessage(ping)], false)[0]!))).to.equal(bytes);
  });
});

const pushPullOfMaster: PushPull = {
  is: 'pushPull',
  join: true,
  nodes: [stateOf('g1', { addr: hex('7f000004') })],
  userState: ascii('state join=true'),
};

/** Each was sent by the role named. */
const streamRows: Readonly<Record<string, readonly [message: StreamMessage, sentBy: StreamRole]>> = {
  'TCP fallback ping as sent': [{ is: 'ping', seqNo: 7, node: 'n2', source: s1 }, 'dialler'],
  'TCP ack': [{ is: 'ack', seqNo: 77, payload: none }, 'listener'],
  'TCP user message (master)': [{ is: 'user', payload: ascii('streamed') }, 'dialler'],
  'push/pull reply master, LZW': [pushPullOfMaster, 'listener'],
};

describe('memberlist vectors of whole streams', () => {
  for (const [name, [message, sentBy]] of Object.entries(streamRows)) {
    it(name, () => {
      const bytes = hex(vectors.captures[name]!);
      expect(streamOf(bytes, sentBy === 'dialler' ? 'listener' : 'dialler')).to.deep.equal(message);
      // Any output that inflates is right; what ours inflates to is the same message.
      const ours = new StreamCodec({ ...plainPolicy, compress: true }).write(message, sentBy);
      expect(streamOf(ours, sentBy === 'dialler' ? 'listener' : 'dialler')).to.deep.equal(message);
    });
  }

  it('a push/pull of master, in the clear', () => {
    const plain = hex(
      '0683a44a6f696ec3a54e6f64657301ac5573657253746174654c656e0f' +
        '87a441646472a47f000004ab496e6361726e6174696f6e01a44d657461a0a44e616d65a26731a4506f7274cd1f0aa5537461746500' +
        'a356736ea60105020000007374617465206a6f696e3d74727565',
    );
    expect(streamOf(plain, 'listener')).to.deep.equal(pushPullOfMaster);
    const written = toHex(plain).replace('4d657461a0', '4d657461c0');
    expect(toHex(encodeStreamMessage(pushPullOfMaster))).to.equal(written);
  });

  it('compresses to the very bytes of a Go peer that clears the table first', () => {
    for (const name of ['TCP fallback ping as sent', 'TCP ack', 'TCP user message (master)']) {
      const [message, sentBy] = streamRows[name]!;
      const ours = new StreamCodec({ ...plainPolicy, compress: true }).write(message, sentBy);
      expect(toHex(ours), name).to.equal(vectors.captures[name]);
    }
  });

  it('an error of 58 characters', () => {
    const error = 'Remote state is encrypted and encryption is not configured';
    expect(toHex(encodeStreamMessage({ is: 'err', error }))).to.match(/^0d81a54572726f72da003a52656d6f7465/);
  });

  it('every frame and capture is in one of these tables', () => {
    const tables = [...Object.keys(packetRows), ...Object.keys(streamRows), 'distcache_packet_nack'];
    expect(tables.sort()).to.deep.equal([...Object.keys(vectors.frames), ...Object.keys(vectors.captures)].sort());
  });
});

/** What a stream brings to this role, fed one byte at a time so that nothing may wait for its end. */
function streamOf(bytes: Uint8Array, role: StreamRole): StreamMessage {
  const reader = new StreamCodec(plainPolicy).reader(role);
  for (const [i, byte] of bytes.entries()) {
    const step = reader.push(Uint8Array.of(byte));
    if (step.is === 'refused') throw new Error(step.drop.detail);
    if (step.is !== 'message') continue;
    expect(i, 'read before its last byte').to.equal(bytes.length - 1);
    expect(reader.push(concat(bytes, bytes)), 'after the message').to.deep.equal({ is: 'more' });
    return step.message;
  }
  throw new Error('the message was not whole with its last byte');
}
