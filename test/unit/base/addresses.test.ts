import { expect } from 'chai';
import { isAddress, joinAddress, splitAddress } from '../../../src/base/addresses.js';

describe('addresses', () => {
  const good: readonly [string, string, number][] = [
    ['10.0.0.2:3320', '10.0.0.2', 3320],
    ['localhost:1', 'localhost', 1],
    ['cache-1.example.org:65535', 'cache-1.example.org', 65_535],
    ['[::1]:3320', '::1', 3320],
    ['[fe80::1%eth0]:3320', 'fe80::1%eth0', 3320],
    ['[2001:DB8::1]:80', '2001:DB8::1', 80],
    ['[::ffff:10.0.0.1]:80', '::ffff:10.0.0.1', 80],
  ];
  for (const [text, host, port] of good) {
    it(`${text} is host ${host} and port ${port}, and back`, () => {
      expect(isAddress(text)).to.equal(true);
      expect(splitAddress(text)).to.deep.equal({ host, port });
      expect(joinAddress(host, port)).to.equal(text);
    });
  }

  const bad: readonly [string, string][] = [
    ['nothing', ''],
    ['a host alone', '10.0.0.2'],
    ['a port alone', ':3320'],
    ['port 0', 'localhost:0'],
    ['port 65536', 'localhost:65536'],
    ['a port of six digits', 'localhost:003320'],
    ['a negative port', 'localhost:-1'],
    ['a port in words', 'localhost:http'],
    ['two ports', 'localhost:1:2'],
    ['IPv6 without brackets', '::1:3320'],
    ['an open bracket', '[::1:3320'],
    ['brackets around nothing', '[]:3320'],
    ['a URL', 'http://localhost:3320'],
    ['a path', 'localhost:3320/'],
    ['a space', 'local host:3320'],
    ['a space around', ' localhost:3320'],
    ['a line break', 'localhost:3320\n'],
    ['a list', 'a:1,b:2'],
    ['much of it', `${'a:'.repeat(100_000)}1`],
  ];
  for (const [name, text] of bad) it(`${name} is none`, () => expect(isAddress(text)).to.equal(false));

  it('the empty address of what does not listen has no port', () => {
    expect(splitAddress('')).to.deep.equal({ host: '', port: 0 });
  });
});
