import { expect } from 'chai';
import { codeOf, messageOf } from '../../../../src/base/errors.js';
import { decodeMeta, encodeMeta, metaBytesMax, type NodePhase } from '../../../../src/membership/gossip/node-meta.js';
import type { NodeInfo } from '../../../../src/ports/membership.js';
import { seeded } from '../../../support/seeded.js';

const node: NodeInfo = {
  id: '0123456789abcdef',
  name: 'node-a',
  address: '10.0.0.1:3320',
  admin: '10.0.0.1:3380',
  gossip: '10.0.0.1:7946',
  version: '0.2.0',
  weight: 2.5,
  incarnation: 1_800_000_000,
};
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const plain = { dc: 1, i: 'x', g: '10.0.0.1:3320', s: 's', v: '0.2.0' };

describe('node metadata', () => {
  for (const phase of ['joining', 'serving', 'draining'] satisfies NodePhase[]) {
    it(`says that a node is ${phase}, and all that is asked of it`, () => {
      const { id, address, admin, version, weight } = node;
      expect(decodeMeta(encodeMeta(node, phase))).to.deep.equal({ id, address, admin, version, weight, phase });
    });
  }

  it('takes no bytes for what is usual', () => {
    const bytes = encodeMeta({ ...node, admin: '', weight: 1 }, 'serving');
    expect(Buffer.from(bytes).toString()).to.equal(
      '{"dc":1,"i":"0123456789abcdef","g":"10.0.0.1:3320","s":"s","v":"0.2.0"}',
    );
    expect(decodeMeta(bytes)).to.include({ admin: '', weight: 1 });
  });

  const accepted: readonly (readonly [string, object, object])[] = [
    ['keys of a later release', { ...plain, zone: 'b', k: [1] }, { phase: 'serving' }],
    ['a later format that adds to this one', { ...plain, dc: 2 }, { phase: 'serving' }],
    ['a phase of a later release, as one that does not serve', { ...plain, s: 'x' }, { phase: 'joining' }],
    ['a version with a terminal escape, made harmless', { ...plain, v: '1\u001b[31m' }, { version: '1?[31m' }],
    ['IPv6', { ...plain, g: '[2001:db8::1]:3320' }, { address: '[2001:db8::1]:3320' }],
  ];
  for (const [name, value, expected] of accepted) {
    it(`accepts ${name}`, () => expect(decodeMeta(bytesOf(value))).to.include(expected));
  }

  const foreign: readonly (readonly [string, Uint8Array])[] = [
    ['nothing', new Uint8Array()],
    ["Serf's tags", Uint8Array.from([0xff, 0x81, 0xa1, 0x61, 0xa1, 0x62])],
    ["distcache-go's JSON", bytesOf({ bind_addr: '10.0.0.1', bind_port: 3320, discovery_port: 7946, is_self: true })],
    ['half of it', encodeMeta(node, 'serving').subarray(0, 40)],
    ['JSON that is no object', bytesOf(7)],
    ['null', bytesOf(null)],
    ['a list', bytesOf([plain])],
    ['no mark', bytesOf({ ...plain, dc: undefined })],
    ['a mark of another type', bytesOf({ ...plain, dc: '1' })],
    ['a mark below ours', bytesOf({ ...plain, dc: 0 })],
    ['no id', bytesOf({ ...plain, i: undefined })],
    ['an id that is empty', bytesOf({ ...plain, i: '' })],
    ['an id that is a number', bytesOf({ ...plain, i: 7 })],
    ['an id with a line end', bytesOf({ ...plain, i: 'a\nb' })],
    ['an id that is long', bytesOf({ ...plain, i: 'a'.repeat(65) })],
    ['an address without port', bytesOf({ ...plain, g: '10.0.0.1' })],
    ['an address that is an object', bytesOf({ ...plain, g: { toString: 'x' } })],
    ['an address with a space', bytesOf({ ...plain, g: 'a b:1' })],
    ['a port that cannot be', bytesOf({ ...plain, g: '10.0.0.1:70000' })],
    ['an admin address that cannot be', bytesOf({ ...plain, a: 'x' })],
    ['a weight of 0', bytesOf({ ...plain, w: 0 })],
    ['a weight below 0', bytesOf({ ...plain, w: -1 })],
    ['a weight that takes all', bytesOf({ ...plain, w: 1e9 })],
    ['a weight that is text', bytesOf({ ...plain, w: '1' })],
    ['a version that is missing', bytesOf({ ...plain, v: undefined })],
    ['a version that is long', bytesOf({ ...plain, v: '1'.repeat(65) })],
    ['a phase that is no text', bytesOf({ ...plain, s: 1 })],
    ['more than gossip carries', bytesOf({ ...plain, zone: 'z'.repeat(512) })],
    ['bytes that are no text', Uint8Array.from([0x7b, 0x22, 0xff, 0xfe])],
    ['JSON that is deep', Buffer.from(`${'['.repeat(250)}${']'.repeat(250)}`)],
    ['a prototype', Buffer.from('{"__proto__":{"dc":1,"i":"x","g":"10.0.0.1:1","s":"s","v":""}}')],
  ];
  for (const [name, bytes] of foreign) {
    it(`takes a member that announces ${name} for a foreign one`, () => expect(decodeMeta(bytes)).to.equal(undefined));
  }

  it('never throws, whatever is in it', () => {
    const random = seeded('meta');
    const good = encodeMeta(node, 'serving');
    for (let i = 0; i < 5000; i++) {
      const bytes = Uint8Array.from(good);
      for (let flips = random.between(1, 4); flips > 0; flips--) bytes[random.below(bytes.length)] = random.below(256);
      const meta = decodeMeta(bytes);
      if (meta !== undefined) expect(meta.weight).to.be.above(0);
    }
  });

  const refused: readonly (readonly [string, Partial<NodeInfo>, RegExp])[] = [
    ['no name', { name: '' }, /node\.name has 0 bytes/],
    ['a name of 129 bytes', { name: 'n'.repeat(129) }, /node\.name has 129 bytes; give it 1 to 128/],
    ['a name that is long in bytes', { name: 'ä'.repeat(65) }, /node\.name has 130 bytes/],
    ['no id', { id: '' }, /id is ""/],
    ['no address', { address: '' }, /gRPC address is ""/],
    ['an address that is too long', { address: `${'h'.repeat(300)}:3320` }, /gRPC address/],
    ['an admin address that is none', { admin: 'nowhere' }, /admin address is "nowhere"/],
    ['a weight of 0', { weight: 0 }, /weight is 0/],
    ['a weight that is no number', { weight: Number.NaN }, /weight is NaN/],
    ['a version that is too long', { version: 'v'.repeat(65) }, /version has 65 characters/],
    [
      'two addresses that do not fit together',
      { address: `${'h'.repeat(250)}:3320`, admin: `${'a'.repeat(240)}:1` },
      /takes 5\d\d bytes, and gossip carries 512: shorten its address, which has 255 characters/,
    ],
  ];
  for (const [name, change, expected] of refused) {
    it(`is refused to a node with ${name}, in words that help`, () => {
      let thrown: unknown;
      try {
        encodeMeta({ ...node, ...change }, 'serving');
      } catch (error) {
        thrown = error;
      }
      expect(codeOf(thrown)).to.equal('INVALID_ARGUMENT');
      expect(messageOf(thrown)).to.match(expected);
    });
  }

  it('of the longest name, id and version with usual addresses fits', () => {
    const long = { ...node, name: 'n'.repeat(128), id: 'i'.repeat(64), version: 'v'.repeat(64) };
    const address = '[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:65535';
    expect(encodeMeta({ ...long, address, admin: address }, 'draining').length).to.be.at.most(metaBytesMax);
  });
});
