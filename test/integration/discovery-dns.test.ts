import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { expect } from 'chai';
import { joinAddress, splitAddress } from '../../src/base/addresses.js';
import { codeOf, messageOf } from '../../src/base/errors.js';
import { type DnsOptions, dnsDiscovery } from '../../src/discovery/names/dns.js';
import { staticDiscovery } from '../../src/discovery/names/static.js';
import { systemClock } from '../../src/platform/clock.js';
import { systemRandom } from '../../src/platform/random.js';
import type { Wait } from '../../src/ports/clock.js';
import type { Discovery, DiscoveryContext } from '../../src/ports/discovery.js';
import { discoveryContract } from '../contract/discovery.contract.js';
import { runModule } from '../support/child.js';
import { Dnsmasq } from '../support/dnsmasq.js';
import { needs } from '../support/servers.js';
import { pause } from '../support/until.js';

const logged: string[] = [];
const context: DiscoveryContext = {
  clock: systemClock,
  random: systemRandom,
  log: { write: (level, message) => void logged.push(`${level} ${message}`) },
  self: { name: 'node-a', gossip: '10.9.9.9:3322' },
};
const wait = (ms = 15_000): Wait => ({ deadlineMs: systemClock.nowMs() + ms });

describe('integration: discovery over DNS', function () {
  this.timeout(60_000);
  const started: Discovery[] = [];
  let server: Dnsmasq;

  before(function () {
    needs(this, 'dnsmasq', 'dnsmasq-base');
  });
  beforeEach(async () => {
    logged.length = 0;
    server = await Dnsmasq.start();
  });
  afterEach(async () => {
    for (const discovery of started.splice(0)) await discovery.stop(wait());
    await server.close();
  });

  const begin = async (options: Omit<DnsOptions, 'servers'>): Promise<Discovery> => {
    const discovery = dnsDiscovery({ ...options, servers: [server.address] });
    started.push(discovery);
    await discovery.start(context, wait());
    return discovery;
  };
  const failure = (discovery: Discovery, ms?: number): Promise<unknown> =>
    discovery.find(wait(ms)).then(
      (found) => expect.fail(`found ${found}`),
      (error: unknown) => error,
    );

  const both = [
    ['10.0.0.2', 'cache.test'],
    ['10.0.0.1', 'cache.test'],
    ['fd00::2', 'cache.test'],
  ] as const;
  for (const [name, options, expected] of [
    ['both families', {}, ['10.0.0.1:3322', '10.0.0.2:3322', '[fd00::2]:3322']],
    ['only IPv4', { family: 'ipv4' }, ['10.0.0.1:3322', '10.0.0.2:3322']],
    ['only IPv6 at a port of its own', { family: 'ipv6', port: 4000 }, ['[fd00::2]:4000']],
  ] as const) {
    it(`finds the addresses of a name: ${name}`, async () => {
      await server.hosts(both);
      const discovery = await begin({ name: 'cache.test', ...options });
      expect(await discovery.find(wait())).to.deep.equal(expected);
    });
  }

  it('finds the records as they are now each time, and says when to ask again', async () => {
    const discovery = await begin({ name: 'cache.test', interval: '250ms' });
    expect(discovery.findAgainMs).to.equal(250);
    expect(await discovery.find(wait())).to.deep.equal([]);
    await server.hosts([['10.0.0.1', 'cache.test']]);
    expect(await discovery.find(wait())).to.deep.equal(['10.0.0.1:3322']);
    await server.hosts(both);
    expect(await discovery.find(wait())).to.have.lengthOf(3);
    await server.hosts([['10.0.0.7', 'cache.test']]);
    expect(await discovery.find(wait())).to.deep.equal(['10.0.0.7:3322']);
  });

  it('takes ports and hosts from SRV records, of both families, and follows their change', async () => {
    const hosts = [
      ['10.0.0.1', 'one.test'],
      ['fd00::1', 'one.test'],
      ['10.0.0.2', 'two.test'],
    ] as const;
    const name = '_gossip._tcp.cache.test';
    await server.hosts(hosts, [
      { name, target: 'one.test', port: 4001 },
      { name, target: 'two.test', port: 4002 },
      { name, target: 'two.test', port: 4003 },
    ]);
    const discovery = await begin({ name, srv: true });
    expect(await discovery.find(wait())).to.deep.equal([
      '10.0.0.1:4001',
      '10.0.0.2:4002',
      '10.0.0.2:4003',
      '[fd00::1]:4001',
    ]);
    await server.hosts(hosts, [{ name, target: 'two.test', port: 4002 }]);
    expect(await discovery.find(wait())).to.deep.equal(['10.0.0.2:4002']);
    expect(logged).to.deep.equal([]);
  });

  it('a host of an SRV record that is not there does not hide the others, and is told once', async () => {
    const name = '_gossip._tcp.cache.test';
    await server.hosts(
      [['10.0.0.1', 'one.test']],
      [
        { name, target: 'one.test', port: 4001 },
        { name, target: 'gone.test', port: 4002 },
      ],
    );
    const discovery = await begin({ name, srv: true });
    for (let i = 0; i < 3; i++) expect(await discovery.find(wait())).to.deep.equal(['10.0.0.1:4001']);
    expect(logged).to.have.lengthOf(1);
    expect(logged[0]).to.match(/^warn .*gone\.test: no such name/);
  });

  it('takes 300 addresses, which need TCP', async () => {
    const hosts = Array.from({ length: 300 }, (_, i) => [`10.3.${i >> 8}.${i & 0xff}`, 'cache.test'] as const);
    await server.hosts(hosts);
    const discovery = await begin({ name: 'cache.test', family: 'ipv4' });
    const found = await discovery.find(wait());
    expect([...found]).to.deep.equal(hosts.map(([ip]) => `${ip}:3322`).sort());
  });

  it('a name that is not there is an empty cluster, told once', async () => {
    const discovery = await begin({ name: 'nothing.test' });
    for (let i = 0; i < 3; i++) expect(await discovery.find(wait())).to.deep.equal([]);
    expect(logged).to.have.lengthOf(1);
    expect(logged[0]).to.match(/^info .*nothing\.test.* full name/);
  });

  it('a server that refuses the question is PEER_UNREACHABLE, naming it', async () => {
    const discovery = await begin({ name: 'cache.elsewhere' });
    const error = await failure(discovery);
    expect(codeOf(error), messageOf(error)).to.equal('PEER_UNREACHABLE');
    expect(messageOf(error)).to.contain(server.address).and.contain('EREFUSED').and.contain('cache.elsewhere');
  });

  it('a server that is killed is named, and found again when it is started anew', async () => {
    await server.hosts([['10.0.0.1', 'cache.test']]);
    const discovery = await begin({ name: 'cache.test' });
    expect(await discovery.find(wait())).to.deep.equal(['10.0.0.1:3322']);
    await server.kill();
    const error = await failure(discovery);
    expect(codeOf(error), messageOf(error)).to.equal('PEER_UNREACHABLE');
    expect(messageOf(error)).to.contain(server.address);
    await server.up();
    expect(await discovery.find(wait())).to.deep.equal(['10.0.0.1:3322']);
  });

  it('asks the next server when the first is gone', async () => {
    await server.hosts([['10.0.0.1', 'cache.test']]);
    const other = await Dnsmasq.start();
    await other.kill();
    const discovery = dnsDiscovery({ name: 'cache.test', servers: [other.address, server.address] });
    started.push(discovery);
    await discovery.start(context, wait());
    expect(await discovery.find(wait())).to.deep.equal(['10.0.0.1:3322']);
    await other.close();
  });

  describe('of a server that', () => {
    let socket: Socket;
    let asked: number;
    let answer: (question: Buffer) => Buffer | undefined;
    let discovery: Discovery;
    beforeEach(async () => {
      asked = 0;
      answer = () => undefined;
      socket = createSocket('udp4', (question, from) => {
        asked++;
        const reply = answer(question);
        if (reply !== undefined) socket.send(reply, from.port, from.address);
      });
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      discovery = dnsDiscovery({ name: 'cache.test', servers: [`127.0.0.1:${socket.address().port}`] });
      started.push(discovery);
      await discovery.start(context, wait());
    });
    afterEach(() => {
      socket.close();
    });

    it('stays silent: each caller waits as long as it likes, and there is one question at a time', async () => {
      const errors = await Promise.all([failure(discovery, 300), failure(discovery, 100), failure(discovery, 200)]);
      expect(errors.map(codeOf)).to.deep.equal(['TIMEOUT', 'TIMEOUT', 'TIMEOUT']);
      expect(messageOf(errors[0])).to.contain(String(socket.address().port));
      // One for each family. They may have been repeated on a slow machine.
      expect(asked).to.be.within(1, 4);
    });

    it('stays silent: the question ends by itself', async () => {
      const error = await failure(discovery, 30_000);
      expect(codeOf(error)).to.equal('TIMEOUT');
      expect(messageOf(error)).to.contain('ETIMEOUT');
    });

    it('fails (SERVFAIL): PEER_UNREACHABLE, and one that speaks again is heard', async () => {
      const withCode = (code: number) => (question: Buffer) => {
        const reply = Buffer.from(question);
        reply.writeUInt16BE(0x8180 | code, 2);
        return reply;
      };
      answer = withCode(2);
      const error = await failure(discovery);
      expect(codeOf(error), messageOf(error)).to.equal('PEER_UNREACHABLE');
      expect(messageOf(error)).to.contain('ESERVFAIL');
      answer = withCode(3);
      expect(await discovery.find(wait())).to.deep.equal([]);
    });

    it('answers with noise: it does not hang and does not crash', async () => {
      answer = (question) => Buffer.concat([question.subarray(0, 2), Buffer.alloc(40, 0xff)]);
      expect(codeOf(await failure(discovery, 20_000))).to.be.oneOf(['PEER_UNREACHABLE', 'TIMEOUT']);
    });

    it('answers for IPv4 and is silent for IPv6: the time runs out with what was heard', async () => {
      answer = (question) => {
        // The type stands after the name, which ends with a zero byte.
        const typeAt = question.indexOf(0, 12) + 1;
        if (question.readUInt16BE(typeAt) !== 1) return undefined;
        const head = Buffer.from(question.subarray(0, typeAt + 4));
        head.writeUInt16BE(0x8180, 2);
        head.writeUInt16BE(1, 6);
        head.writeUInt32BE(0, 8);
        return Buffer.concat([head, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 0, 0, 5])]);
      };
      expect(await discovery.find(wait(1000))).to.deep.equal(['10.0.0.5:3322']);
    });
  });

  it('static: a name of the hosts file and one that is not there beside an IP', async () => {
    const discovery = staticDiscovery({ peers: ['10.0.0.5', 'localhost:4000', 'no-such-host.invalid:4000'] });
    started.push(discovery);
    await discovery.start(context, wait());
    // The machine's own DNS may be slow to say no, or silent.
    const found = await discovery.find(wait());
    expect(found).to.include('10.0.0.5:3322');
    expect(found.filter((address) => address.endsWith(':4000'))).to.deep.equal(
      ['127.0.0.1:4000', '[::1]:4000'].filter((address) => found.includes(address)),
    );
    expect(found.length).to.be.greaterThan(1);
  });

  it('leaves nothing open: a process ends by itself once its question to a silent server was stopped', async () => {
    server.silence();
    const { exit, stderr } = await runModule(`
      import { dnsDiscovery } from './src/discovery/names/dns.ts';
      import { systemClock } from './src/platform/clock.ts';
      const wait = { deadlineMs: Infinity };
      const discovery = dnsDiscovery({ name: 'cache.test', servers: ['${server.address}'] });
      await discovery.start({ clock: systemClock, log: { write() {} } }, wait);
      const found = discovery.find(wait).catch((error) => error.code);
      await new Promise((resolve) => setImmediate(resolve));
      await discovery.stop(wait);
      if ((await found) !== 'ABORTED') process.exitCode = 1;
    `);
    expect(exit, stderr).to.equal(0);
  });

  it('asks only when it is asked: nothing goes on between two finds', async () => {
    await server.hosts([['10.0.0.1', 'cache.test']]);
    const discovery = await begin({ name: 'cache.test', interval: '100ms' });
    expect(await discovery.find(wait())).to.deep.equal(['10.0.0.1:3322']);
    await server.kill();
    await pause(300);
    expect(logged).to.deep.equal([]);
  });
});

describe('integration: discovery over DNS, the contract', () => {
  before(function () {
    needs(this, 'dnsmasq', 'dnsmasq-base');
  });

  discoveryContract('dns, on a dnsmasq', async () => {
    const server = await Dnsmasq.start();
    return {
      discovery: dnsDiscovery({ name: 'cache.test', servers: [server.address], interval: '200ms' }),
      context,
      named: new RegExp(`cache\\.test.*${server.address}`),
      address: (i) => joinAddress(`10.1.${i >> 8}.${i & 0xff}`, 3322),
      know: (addresses) =>
        server.hosts(addresses.map((address) => [splitAddress(address).host, 'cache.test'] as const)),
      down: () => server.kill(),
      up: () => server.up(),
      silence: async () => server.silence(),
      manyKnown: true,
      pass: pause,
      until: (promise) => promise,
      open: () => 0,
      close: () => server.close(),
    };
  });
});
