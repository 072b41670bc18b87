import { expect } from 'chai';
import { HeardAddresses } from '../../../../src/discovery/nats/addresses.js';
import {
  decodeMessage,
  encodeMessage,
  gossipAddress,
  messageBytesMax,
  type NatsMessage,
} from '../../../../src/discovery/nats/messages.js';

describe('messages over NATS', () => {
  const messages: readonly NatsMessage[] = [
    { is: 'who' },
    { is: 'here', name: 'cache-1', gossip: '10.0.0.1:3322' },
    { is: 'gone', name: 'Käse "1"', gossip: '[2001:db8::1]:3322' },
  ];
  for (const message of messages) {
    it(`${message.is} comes back as it went`, () => {
      expect(decodeMessage(encodeMessage(message))).to.deep.equal(message);
    });
  }

  it('a field of a later release is passed over, another version is not read', () => {
    const text = (fields: object): Uint8Array => Buffer.from(JSON.stringify(fields));
    expect(decodeMessage(text({ distcache: 1, is: 'who', zone: 'a' }))).to.deep.equal({ is: 'who' });
    expect(decodeMessage(text({ distcache: 2, is: 'who' }))).to.equal(undefined);
  });

  for (const [title, payload] of [
    ['nothing', ''],
    ['no JSON', '{"distcache":1'],
    ['null', 'null'],
    ['a list', '[1]'],
    ['an unknown kind', '{"distcache":1,"is":"what"}'],
    ['here without a name', '{"distcache":1,"is":"here","gossip":"10.0.0.1:1"}'],
    ['here with a number for an address', '{"distcache":1,"is":"here","name":"a","gossip":1}'],
    [
      'here with a name that is too long',
      `{"distcache":1,"is":"here","name":"${'x'.repeat(600)}","gossip":"10.0.0.1:1"}`,
    ],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['more than is read', `{"distcache":1,"is":"who","pad":"${'x'.repeat(messageBytesMax)}"}`],
    ['deep nesting', '['.repeat(messageBytesMax)],
  ] as const) {
    it(`${title} is no message`, () => expect(decodeMessage(Buffer.from(payload))).to.equal(undefined));
  }

  for (const [text, expected] of [
    ['10.0.0.1:3322', '10.0.0.1:3322'],
    ['[2001:DB8:0:0:0:0:0:1]:3322', '[2001:db8::1]:3322'],
    ['[::ffff:10.0.0.1]:3322', '10.0.0.1:3322'],
    ['0.0.0.0:3322', undefined],
    ['[::]:3322', undefined],
    ['[fe80::1%eth0]:3322', undefined],
    ['[10.0.0.1]:3322', undefined],
    ['2001:db8::1:3322', undefined],
    ['10.0.0.1:0', undefined],
    ['10.0.0.1:65536', undefined],
    ['10.0.0.1', undefined],
    ['host.example:3322', undefined],
    [' 10.0.0.1:3322', undefined],
    ['', undefined],
  ] as const) {
    it(`address ${JSON.stringify(text)} is ${expected ?? 'refused'}`, () =>
      expect(gossipAddress(text)).to.equal(expected));
  }
});

describe('addresses heard over NATS', () => {
  it('are held once, in the order in which they were last heard', () => {
    const heard = new HeardAddresses(3);
    expect([heard.hear('a', 'A', 1), heard.hear('b', 'B', 1), heard.hear('a', 'A', 1)]).to.deep.equal([
      'changed',
      'changed',
      'same',
    ]);
    expect(heard.all()).to.deep.equal(['b', 'a']);
  });

  it('at the limit, one of an earlier round makes room, and one of this round does not', () => {
    const heard = new HeardAddresses(2);
    heard.hear('a', 'A', 1);
    heard.hear('b', 'B', 1);
    expect(heard.hear('c', 'C', 1)).to.equal('full');
    expect(heard.hear('c', 'C', 2)).to.equal('changed');
    expect(heard.all()).to.deep.equal(['b', 'c']);
    expect(heard.hear('b', 'B', 2)).to.equal('same');
    expect(heard.hear('d', 'D', 2)).to.equal('full');
    expect(heard.size).to.equal(2);
  });

  it('those silent for a whole round are left out', () => {
    const heard = new HeardAddresses(9);
    heard.hear('a', 'A', 1);
    heard.hear('b', 'B', 2);
    expect(heard.since(2)).to.deep.equal(['b']);
    expect(heard.keepSince(2)).to.equal(true);
    expect(heard.keepSince(2)).to.equal(false);
    expect(heard.all()).to.deep.equal(['b']);
  });

  it('a farewell strikes out only what the same node told', () => {
    const heard = new HeardAddresses(9);
    heard.hear('a', 'new', 1);
    expect(heard.forget('a', 'old')).to.equal(false);
    expect(heard.forget('a', 'new')).to.equal(true);
    expect(heard.all()).to.deep.equal([]);
  });
});
