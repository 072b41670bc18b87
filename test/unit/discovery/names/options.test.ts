import { expect } from 'chai';
import { codeOf, messageOf } from '../../../../src/base/errors.js';
import { type DnsOptions, dnsDiscovery } from '../../../../src/discovery/names/dns.js';
import { isHostName, listed, shown } from '../../../../src/discovery/names/options.js';
import { staticDiscovery } from '../../../../src/discovery/names/static.js';

function refused(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
    return messageOf(error);
  }
  return 'was taken';
}

const untyped = (value: unknown): never => value as never;

describe('discovery: options', () => {
  describe('of static', () => {
    for (const [name, peers, message] of [
      ['nothing', undefined, /discovery\.peers is undefined, must be a list/],
      ['a text', '10.0.0.1:3322', /discovery\.peers is '10\.0\.0\.1:3322', must be a list/],
      ['too many', new Array(1001).fill('a'), /1001 entries/],
      ['a number', ['a', 5], /discovery\.peers\[1\] is 5, must be host:port/],
      ['an empty text', [''], /discovery\.peers\[0\] is ''/],
      ['port 0', ['a:0'], /'a:0', must be host:port/],
      ['a port too high', ['a:65536'], /'a:65536'/],
      ['a port that is none', ['a:b'], /'a:b'/],
      ['a URL', ['http://a:3322'], /'http:\/\/a:3322'/],
      ['IPv6 with a port and no brackets', ['fd00::1:g'], /\[fd00::2\]:3322/],
      ['a name in brackets', ['[a]:3322'], /'\[a\]:3322'/],
      ['an IPv4 in brackets', ['[10.0.0.1]:3322'], /'\[10/],
      ['what looks like an IPv4', ['10.0.0.256:3322'], /'10\.0\.0\.256:3322'/],
      ['an empty label', ['a..b'], /'a\.\.b'/],
      ['a space', ['a b:1'], /'a b:1'/],
      ['every address', ['0.0.0.0:3322'], /which stands for every address of a machine; give/],
      ['link-local without a zone', ['[fe80::1]:3322'], /without a zone such as %eth0/],
      ['a long text', ['x'.repeat(5000)], /^.{50,400}$/],
    ] as const) {
      it(`refuses ${name}`, () => expect(refused(() => staticDiscovery({ peers: untyped(peers) }))).to.match(message));
    }
    it('refuses no options', () => expect(refused(() => staticDiscovery(untyped(undefined)))).to.match(/peers/));
    it('takes all that is an address', () => {
      const peers = ['10.0.0.1', '10.0.0.1:1', 'fd00::1', '[fd00::1]', '[fd00::1]:65535', '[fe80::1%eth0]:3322', 'a'];
      expect(staticDiscovery({ peers: [...peers, 'a:1', 'a.b.:1', 'node_1.b-c', 'zürich:3322'] }).provider).to.equal(
        'static',
      );
    });
  });

  describe('of dns', () => {
    const name = 'cache.test';
    for (const [what, options, message] of [
      ['no options', undefined, /discovery\.dns\.name is undefined/],
      ['no name', {}, /discovery\.dns\.name is undefined, must be a DNS name/],
      ['an IP', { name: '10.0.0.1' }, /name is '10\.0\.0\.1'.*static provider/],
      ['an IP and a port', { name: '10.0.0.1:3322' }, /static provider/],
      ['a name and a port', { name: 'a:3322' }, /the port goes into discovery\.dns\.port/],
      ['a label too long', { name: `${'a'.repeat(64)}.test` }, /discovery\.dns\.name/],
      ['a name too long', { name: 'abcdefghi.'.repeat(26) }, /discovery\.dns\.name/],
      ['port 0', { name, port: 0 }, /discovery\.dns\.port is 0, must be a whole number from 1 to 65535/],
      ['a port as text', { name, port: '3322' }, /port is '3322'/],
      ['a port beside srv', { name, port: 3322, srv: true }, /SRV records bring their ports; leave it out/],
      ['srv as text', { name, srv: 'yes' }, /discovery\.dns\.srv is 'yes', must be true or false/],
      ['a family', { name, family: 'ipv5' }, /family is 'ipv5', must be ipv4 or ipv6/],
      ['a family of Object', { name, family: 'toString' }, /family is 'toString'/],
      ['an interval too short', { name, interval: '50ms' }, /interval is '50ms', must be a duration from 100ms to 24h/],
      ['an interval without unit', { name, interval: '10' }, /interval is '10'/],
      ['NaN for an interval', { name, interval: Number.NaN }, /interval is NaN/],
      ['an interval too long', { name, interval: '25h' }, /interval is '25h'/],
      ['servers as text', { name, servers: '10.0.0.1' }, /servers is '10\.0\.0\.1', must be a list of 1 to 16/],
      ['no server', { name, servers: [] }, /servers is a list of 0/],
      ['a server by name', { name, servers: ['10.0.0.1', 'ns.test'] }, /servers\[1\] is 'ns\.test', must be an IP/],
      ['a server at port 0', { name, servers: ['10.0.0.1:0'] }, /servers\[0\]/],
      ['a server at no port', { name, servers: ['[fd00::1]:70000'] }, /servers\[0\]/],
    ] as const) {
      it(`refuses ${what}`, () => expect(refused(() => dnsDiscovery(untyped(options)))).to.match(message));
    }

    for (const [what, options, findAgainMs] of [
      ['a name alone', { name }, 10_000],
      ['a full name', { name: 'cache.test.' }, 10_000],
      ['a short name', { name: 'cache' }, 10_000],
      ['a service', { name: '_gossip._tcp.cache.test', srv: true }, 10_000],
      ['an interval as text', { name, interval: '1m30s' }, 90_000],
      ['an interval as a number', { name, interval: 250 }, 250],
      ['servers', { name, servers: ['10.0.0.1', '10.0.0.1:53', 'fd00::1', '[fd00::1]:53'] }, 10_000],
    ] as readonly (readonly [string, DnsOptions, number])[]) {
      it(`takes ${what}`, () => expect(dnsDiscovery(options).findAgainMs).to.equal(findAgainMs));
    }
  });

  it('tells host names from all else', () => {
    expect(['a', 'a.b', 'a.b.', '_x._tcp.y', '1a', 'a'.repeat(63)].every(isHostName)).to.equal(true);
    expect(['', '.', 'a..b', '.a', '1.2', '10', 'a/b', 'a:1', 'a b', 'a'.repeat(64)].some(isHostName)).to.equal(false);
  });

  it('shows what a caller gave in a form that fits a line', () => {
    expect([undefined, null, 5, true, 'a', [1], {}, () => {}, Symbol('x')].map(shown)).to.deep.equal([
      'undefined',
      'null',
      '5',
      'true',
      "'a'",
      'a list',
      'of type object',
      'of type function',
      'of type symbol',
    ]);
    expect(listed(['a', 'b', 'c', 'd', 'e'])).to.equal('a, b, c and 2 more');
  });
});
