import { expect } from 'chai';
import type { PushPull, StreamMessage } from '../../../../src/membership/messages.js';
import { compress } from '../../../../src/wire/memberlist/compress.js';
import type { Drop } from '../../../../src/wire/memberlist/fault.js';
import { KeyRing } from '../../../../src/wire/memberlist/key-ring.js';
import { labelHeader } from '../../../../src/wire/memberlist/label.js';
import { encodeStreamMessage } from '../../../../src/wire/memberlist/messages.js';
import { sealStream } from '../../../../src/wire/memberlist/seal.js';
import {
  StreamCodec,
  type StreamPolicy,
  type StreamRole,
  type StreamStep,
} from '../../../../src/wire/memberlist/stream.js';
import { seeded } from '../../../support/seeded.js';
import {
  ascii,
  concat,
  cutUp,
  hex,
  none,
  noSource,
  plainPolicy,
  randomBytes,
  randomPushPull,
  stateOf,
} from './samples.js';

const codec = (change: Partial<StreamPolicy> = {}): StreamCodec => new StreamCodec({ ...plainPolicy, ...change });
const ring = new KeyRing([new Uint8Array(16).fill(1)]);
const otherRing = new KeyRing([new Uint8Array(16).fill(2)]);
const blue = ascii('blue');

const ping: StreamMessage = { is: 'ping', seqNo: 1, node: 'a', source: noSource };
const ack: StreamMessage = { is: 'ack', seqNo: 1, payload: none };
const user: StreamMessage = { is: 'user', payload: ascii('data') };
const err: StreamMessage = { is: 'err', error: 'boom' };
const pushPull: PushPull = {
  is: 'pushPull',
  join: true,
  nodes: [stateOf('a'), stateOf('b')],
  userState: ascii('state'),
};
const plainPing = encodeStreamMessage(ping);

/** Reads what a role gets, a piece at a time, and then the end of the stream. */
function readAll(pieces: readonly Uint8Array[], policy: Partial<StreamPolicy>, role: StreamRole): StreamStep | Drop {
  const reader = codec(policy).reader(role);
  for (const piece of pieces) {
    const step = reader.push(piece);
    if (step.is !== 'more') return step;
  }
  return reader.end()!;
}

/** In one word: the message's kind, or the reason of the drop, and `+ reply` when an answer goes back. */
function outcome(bytes: Uint8Array, policy: Partial<StreamPolicy> = {}, role: StreamRole = 'listener'): string {
  const whole = wordOf(readAll([bytes], policy, role));
  const bitByBit = wordOf(
    readAll(
      [...bytes].map((byte) => Uint8Array.of(byte)),
      policy,
      role,
    ),
  );
  expect(bitByBit, 'byte by byte').to.equal(whole);
  return whole;
}

function wordOf(step: StreamStep | Drop): string {
  if (!('is' in step)) return `end: ${step.reason}`;
  if (step.is === 'refused') return step.drop.reason + (step.reply === undefined ? '' : ' + reply');
  return step.is === 'message' ? step.message.is : 'more';
}

describe('memberlist stream: what is read', () => {
  const plain = encodeStreamMessage;
  const rows: readonly [string, Uint8Array, StreamRole, string][] = [
    ['a ping', plainPing, 'listener', 'ping'],
    ['a user message', plain(user), 'listener', 'user'],
    ['a push/pull', plain(pushPull), 'listener', 'pushPull'],
    ['a push/pull of nothing', hex('0680'), 'listener', 'pushPull'],
    ['an ack', plain(ack), 'dialler', 'ack'],
    ['an error', plain(err), 'dialler', 'err'],
    ['the answer to a push/pull', plain(pushPull), 'dialler', 'pushPull'],
    ['a compressed one', compress(plainPing), 'listener', 'ping'],
    ['an ack where requests come', plain(ack), 'listener', 'unsupportedType'],
    ['an error where requests come', plain(err), 'listener', 'unsupportedType'],
    ['a ping where an answer comes', plainPing, 'dialler', 'unsupportedType'],
    ['a gossip message', hex('0380'), 'listener', 'unsupportedType'],
    ['an unknown type', hex('c8'), 'listener', 'unsupportedType'],
    ['a label on an answer', concat(labelHeader(blue), plain(ack)), 'dialler', 'unsupportedType'],
    ['a compression in a compression', compress(compress(plainPing)), 'listener', 'unsupportedType'],
    ['a compression of nothing', compress(none), 'listener', 'truncated'],
    ['a compression of half a message', compress(plainPing.slice(0, -1)), 'listener', 'truncated'],
    ['an unknown compression', hex('0982a4416c676f01a3427566a3000302'), 'listener', 'compressAlgorithm + reply'],
    ['a compression that is none', hex('0982a4416c676f00a3427566a3ffffff'), 'listener', 'compressData + reply'],
    ['the same, in an answer', hex('0982a4416c676f00a3427566a3ffffff'), 'dialler', 'compressData'],
    ['a compression that is no struct', hex('09a161'), 'listener', 'malformed + reply'],
    ['a compression of a gigabyte', hex('0982a4416c676f00a3427566db40000000'), 'listener', 'tooLarge + reply'],
    ['half a message', plainPing.slice(0, -1), 'listener', 'end: truncated'],
    ['nothing', none, 'listener', 'end: empty'],
    ['a push/pull of -1 nodes', hex('0681a54e6f646573ff'), 'listener', 'outOfRange'],
    ['a push/pull of 65537 nodes', hex('0681a54e6f646573ce00010001'), 'listener', 'tooMany'],
    ['a push/pull of 65536 nodes', hex('0681a54e6f646573ce00010000'), 'listener', 'end: truncated'],
    ['20 MiB of user state', hex('0681ac5573657253746174654c656ece01400000'), 'listener', 'end: truncated'],
    ['more user state', hex('0681ac5573657253746174654c656ece01400001'), 'listener', 'tooLarge'],
    ['20 MiB of user message', hex('0881aa557365724d73674c656ece01400000'), 'listener', 'end: truncated'],
    ['more user message', hex('0881aa557365724d73674c656ece01400001'), 'listener', 'tooLarge'],
    ['a name of 64 KiB', hex('0081a44e6f6465db00010000'), 'listener', 'tooLarge'],
    ['a node that is no struct', hex('0681a54e6f64657301a161'), 'listener', 'malformed'],
  ];
  for (const [name, bytes, role, expected] of rows) {
    it(name, () => expect(outcome(bytes, {}, role)).to.equal(expected));
  }

  it('leaves out nodes in a state that is not known', () => {
    const bytes = encodeStreamMessage({ ...pushPull, nodes: [stateOf('x', { state: 'left' }), stateOf('b')] });
    const at = Buffer.from(bytes).indexOf('537461746503', 0, 'hex') + 5;
    expect(readAll([bytes.with(at, 4)], {}, 'listener')).to.deep.equal({
      is: 'message',
      message: { ...pushPull, nodes: [stateOf('b')] },
    });
  });

  it('reads as many nodes as it was told to', () => {
    const bytes = encodeStreamMessage(pushPull);
    expect(outcome(bytes, { nodesMax: 2 })).to.equal('pushPull');
    expect(outcome(bytes, { nodesMax: 1 })).to.equal('tooMany');
    expect(outcome(hex('0681a54e6f646573ce00100001'), { nodesMax: 1e9 }), 'at most 1048576').to.equal('tooMany');
    expect(outcome(hex('0681a54e6f646573ce00100000'), { nodesMax: 1e9 })).to.equal('end: truncated');
  });

  it('an error is text, whatever its bytes', () => {
    expect(readAll([hex('0d81a54572726f72a2c3a9')], {}, 'dialler')).to.deep.include({
      message: { is: 'err', error: 'é' },
    });
    expect(readAll([hex('0d81a54572726f72a1ff')], {}, 'dialler')).to.deep.include({
      message: { is: 'err', error: '\ufffd' },
    });
  });

  it('keeps nothing, and says nothing, once it is done', () => {
    const reader = codec().reader('listener');
    expect(wordOf(reader.push(hex('c8')))).to.equal('unsupportedType');
    expect(reader.push(plainPing)).to.deep.equal({ is: 'more' });
    expect(reader.end()).to.equal(undefined);
  });
});

describe('memberlist stream: label and encryption', () => {
  const sealed = (plain: Uint8Array, label = ''): Uint8Array =>
    sealStream(ring, plain, { version: 1, label: ascii(label), nonce: new Uint8Array(12) });
  const labelled = concat(labelHeader(blue), plainPing);
  const open: Partial<StreamPolicy> = { keys: ring, verifyIncoming: false };
  const rows: readonly [string, Uint8Array, Partial<StreamPolicy>, string][] = [
    ['the own label', labelled, { label: blue }, 'ping'],
    ['a label where none is expected', labelled, {}, 'labelMismatch'],
    ['no label where one is expected', plainPing, { label: blue }, 'labelMismatch'],
    ['another label', labelled, { label: ascii('green') }, 'labelMismatch'],
    ['a label of no bytes', hex('f400'), {}, 'labelMalformed'],
    ['a label cut short', labelled.slice(0, 4), { label: blue }, 'end: truncated'],
    ['the label alone', labelHeader(blue), { label: blue }, 'end: truncated'],
    ['a second label', concat(labelHeader(blue), labelled), { label: blue }, 'unsupportedType'],
    ['no label behind a proxy', plainPing, { label: blue, skipInboundLabelCheck: true }, 'ping'],
    ['a label behind a proxy', labelled, { label: blue, skipInboundLabelCheck: true }, 'labelUnexpected'],
    ['encrypted', sealed(plainPing), { keys: ring }, 'ping'],
    ['encrypted and compressed', sealed(compress(plainPing)), { keys: ring }, 'ping'],
    [
      'encrypted, with a label',
      concat(labelHeader(blue), sealed(plainPing, 'blue')),
      { keys: ring, label: blue },
      'ping',
    ],
    ['encrypted within compressed', compress(sealed(plainPing)), { keys: ring }, 'unencrypted + reply'],
    ['encrypted twice', sealed(sealed(plainPing)), { keys: ring }, 'unsupportedType'],
    ['encrypted under another key', sealed(plainPing), { keys: otherRing }, 'undecryptable + reply'],
    ['encrypted, without keys', sealed(plainPing), {}, 'unexpectedlyEncrypted + reply'],
    ['plain, where encryption is required', plainPing, { keys: ring }, 'unencrypted + reply'],
    ['plain, where encryption is on its way in', plainPing, open, 'ping'],
    ['encrypted, where encryption is on its way in', sealed(plainPing), open, 'ping'],
    ['a frame of 20 MiB and a byte', hex('0a01400001'), { keys: ring }, 'tooLarge + reply'],
    ['a frame of 20 MiB, cut', hex('0a0140000001'), { keys: ring }, 'end: truncated'],
    ['a frame of nothing', hex('0a00000000'), { keys: ring }, 'empty + reply'],
    ['a frame of a version to come', hex('0a0000000102'), { keys: ring }, 'unencrypted + reply'],
  ];
  for (const [name, bytes, policy, expected] of rows) {
    it(name, () => expect(outcome(bytes, policy)).to.equal(expected));
  }

  const replies: readonly [string, Uint8Array, Partial<StreamPolicy>, Partial<StreamPolicy>][] = [
    ['Remote state is encrypted and encryption is not configured', sealed(plainPing), {}, {}],
    ['Encryption is configured but remote state is not encrypted', plainPing, { keys: ring }, { keys: ring }],
    ['No installed keys could decrypt the message', sealed(plainPing), { keys: otherRing }, { keys: otherRing }],
    ['Remote node state is larger than limit (20971521)', hex('0a01400001'), { keys: ring }, { keys: ring }],
    ['Cannot decompress unknown algorithm 1', hex('0982a4416c676f01a3427566a3000302'), { compress: true }, {}],
  ];
  for (const [error, bytes, listener, dialler] of replies) {
    it(`answers: ${error}`, () => {
      const step = readAll([bytes], listener, 'listener');
      const reply = 'is' in step && step.is === 'refused' ? step.reply : undefined;
      expect(readAll([reply ?? none], dialler, 'dialler')).to.deep.equal({
        is: 'message',
        message: { is: 'err', error },
      });
    });
  }
});

describe('memberlist stream: both ways', () => {
  it('the dialler alone writes the label; the seal knows it on both sides', () => {
    const both = codec({ label: blue, keys: ring, compress: true });
    const request = both.write(pushPull, 'dialler');
    const answer = both.write(pushPull, 'listener');
    expect([request[0], request[6], answer[0]]).to.deep.equal([0xf4, 10, 10]);
    expect(both.reader('listener').push(request)).to.deep.equal({ is: 'message', message: pushPull });
    expect(both.reader('dialler').push(answer)).to.deep.equal({ is: 'message', message: pushPull });
    expect(wordOf(codec({ keys: ring }).reader('dialler').push(answer))).to.equal('undecryptable');
  });

  it('compresses even what becomes longer, as Go does', () => {
    expect(codec({ compress: true }).write(ack, 'listener')[0]).to.equal(9);
  });

  it('in the clear where outgoing encryption is not on yet', () => {
    expect(codec({ keys: ring, verifyOutgoing: false }).write(ping, 'dialler')).to.deep.equal(plainPing);
  });

  it('writes no encrypted message that no peer would read', () => {
    const huge: PushPull = { ...pushPull, userState: new Uint8Array(20 * 1024 * 1024) };
    expect(() => codec({ keys: ring }).write(huge, 'dialler'))
      .to.throw()
      .with.property('reason', 'tooLarge');
  });

  it('comes back under every policy, in pieces of any size', () => {
    const random = seeded('streams');
    for (let i = 0; i < 150; i++) {
      const policy: Partial<StreamPolicy> = {
        label: randomBytes(random, random.pick([0, 0, 1, 255])),
        keys: random.chance(0.5) ? ring : undefined,
        sealVersion: random.pick([0, 1]),
        compress: random.chance(0.5),
        nonce: () => randomBytes(random, 12),
      };
      const message = random.pick<StreamMessage>([randomPushPull(random, 60), randomPushPull(random, 3), ping, user]);
      const bytes = codec(policy).write(message, 'dialler');
      const pieces = cutUp(random, bytes, random.pick([1, 7, 1400, 100_000]));
      const where = `seed ${random.seed} step ${i}`;
      expect(readAll(pieces, policy, 'listener'), where).to.deep.equal({ is: 'message', message });
    }
  });

  it('a push/pull of many nodes in the clear is not begun anew with every piece', () => {
    const nodes = Array.from({ length: 20_000 }, (_, i) => stateOf(`node-${i}`, { meta: ascii('some meta data') }));
    const bytes = codec().write({ ...pushPull, nodes }, 'dialler');
    const pieces = Array.from({ length: Math.ceil(bytes.length / 100) }, (_, i) => bytes.slice(100 * i, 100 * i + 100));
    // 20,000 pieces of 1.9 MB: reading them all again for each would take minutes, and the test's deadline ends it.
    const step = readAll(pieces, {}, 'listener');
    expect('is' in step && step.is === 'message' && step.message)
      .to.have.property('nodes')
      .with.length(20_000);
  });
});
