import { expect } from 'chai';
import { codeOf, messageOf } from '../../../../src/base/errors.js';
import { Stop } from '../../../../src/base/stop-signal.js';
import { dnsWith } from '../../../../src/discovery/names/dns.js';
import { Round } from '../../../../src/discovery/names/rounds.js';
import { staticWith } from '../../../../src/discovery/names/static.js';
import { standalone } from '../../../../src/discovery/standalone.js';
import type { Wait } from '../../../../src/ports/clock.js';
import type { Discovery } from '../../../../src/ports/discovery.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { FakeNames } from '../../../support/fake-names.js';
import { seeded } from '../../../support/seeded.js';

describe('discovery: static and dns', () => {
  let clock: FakeClock;
  let names: FakeNames;
  let logged: string[];
  let discovery: Discovery;

  const wait = (ms = 1000, signal?: AbortSignal): Wait => ({ deadlineMs: clock.nowMs() + ms, signal });
  const start = async (one: Discovery): Promise<void> => {
    discovery = one;
    const context = {
      clock,
      random: seeded('rounds'),
      log: { write: (level: string, message: string) => void logged.push(`${level} ${message}`) },
      self: { name: 'node-a', gossip: '10.0.0.9:3322' },
    };
    await discovery.start(context, wait());
  };
  const find = (ms?: number): Promise<readonly string[]> => clock.until(discovery.find(wait(ms)));
  const failure = async (ms?: number): Promise<unknown> =>
    find(ms).then(
      (found) => expect.fail(`found ${found}`),
      (error: unknown) => error,
    );

  beforeEach(() => {
    clock = new FakeClock();
    names = new FakeNames();
    logged = [];
  });
  afterEach(async () => {
    await discovery.stop(wait());
    expect(clock.pending()).to.equal(0);
  });

  describe('static', () => {
    it('takes IPs as they are, in one form, each once, sorted, at port 3322 unless told', async () => {
      const peers = ['[fd00:0:0::2]:3322', '10.0.0.2', '10.0.0.1:5000', '::ffff:10.0.0.2', '10.0.0.2:3322', 'fd00::2'];
      await start(staticWith({ peers: [...peers, '[fe80::1%eth0]:3322'] }, names.make));
      expect(await find()).to.deep.equal(['10.0.0.1:5000', '10.0.0.2:3322', '[fd00::2]:3322', '[fe80::1%eth0]:3322']);
      expect(names.asked).to.deep.equal([]);
    });

    it('takes all addresses of a name at each of its ports, and asks once for both', async () => {
      names.hosts.set('cache', ['10.0.0.2', 'fd00::2']);
      await start(staticWith({ peers: ['cache:1', 'cache:2'] }, names.make));
      expect(await find()).to.deep.equal(['10.0.0.2:1', '10.0.0.2:2', '[fd00::2]:1', '[fd00::2]:2']);
      expect(names.asked).to.deep.equal(['cache 4', 'cache 6']);
    });

    it('a name that fails does not hide the others, and is told once until that changes', async () => {
      names.hosts.set('good', ['10.0.0.1']).set('bad', 'ESERVFAIL');
      await start(staticWith({ peers: ['good', 'bad'] }, names.make));
      for (let i = 0; i < 3; i++) expect(await find()).to.deep.equal(['10.0.0.1:3322']);
      expect(logged).to.have.lengthOf(1);
      expect(logged[0]).to.match(/^warn a part of the names of discovery\.peers \(good, bad\).*bad: ESERVFAIL\)/);
      names.hosts.delete('bad');
      await find();
      await find();
      expect(logged).to.have.lengthOf(2);
      expect(logged[1]).to.contain('bad: no such name');
      names.hosts.set('bad', ['10.0.0.2']);
      expect(await find()).to.deep.equal(['10.0.0.1:3322', '10.0.0.2:3322']);
      expect(logged).to.have.lengthOf(2);
      names.hosts.delete('bad');
      await find();
      expect(logged).to.have.lengthOf(3);
    });

    it('the same failures in another order are no change', async () => {
      names.hosts.set('a', 'silent').set('b', 'silent');
      await start(staticWith({ peers: ['a', 'b', '10.0.0.1'] }, names.make));
      for (const order of ['ab', 'ba']) {
        const finding = discovery.find(wait());
        for (const host of order) {
          names.hosts.set(host, 'ESERVFAIL');
          names.retry();
          await clock.settle();
        }
        expect(await clock.until(finding)).to.deep.equal(['10.0.0.1:3322']);
        names.hosts.set('a', 'silent').set('b', 'silent');
      }
      expect(logged).to.have.lengthOf(1);
      expect(logged[0]).to.contain('(a: ESERVFAIL; b: ESERVFAIL)');
    });

    it('rejects when none of the names is there, and lists a few of them', async () => {
      await start(staticWith({ peers: Array.from({ length: 20 }, (_, i) => `n${i}`) }, names.make));
      const error = await failure();
      expect(codeOf(error)).to.equal('PEER_UNREACHABLE');
      expect(messageOf(error)).to.contain('n0, n1, n2 and 17 more').and.contain('; and 15 more');
      expect(logged).to.deep.equal([]);
    });

    it('gives the IPs when the time is up although a name hangs', async () => {
      names.hosts.set('slow', 'silent').set('good', ['10.0.0.1']);
      await start(staticWith({ peers: ['slow', 'good', '10.0.0.5'] }, names.make));
      expect(await find(1000)).to.deep.equal(['10.0.0.1:3322', '10.0.0.5:3322']);
      expect(clock.nowMs()).to.equal(1000);
    });

    it('asks for few names at a time', async () => {
      names.all = 'silent';
      await start(staticWith({ peers: Array.from({ length: 20 }, (_, i) => `n${i}`) }, names.make));
      expect(codeOf(await failure())).to.equal('TIMEOUT');
      expect(names.asked).to.have.lengthOf(4);
    });
  });

  describe('dns', () => {
    it('a server that fails for one family does not hide the other, and is told once', async () => {
      const make = () => ({
        ...names.make(),
        addresses: () => [Promise.resolve(['10.0.0.1']), Promise.reject(new Error('broken for IPv6'))],
      });
      await start(dnsWith({ name: 'cache' }, make));
      for (let i = 0; i < 2; i++) expect(await find()).to.deep.equal(['10.0.0.1:3322']);
      expect(logged).to.have.lengthOf(1);
      expect(logged[0]).to.contain('broken for IPv6');
    });

    it('nothing for one family and an error for the other is an error: nobody knows', async () => {
      const make = () => ({
        ...names.make(),
        addresses: () => [Promise.resolve([]), Promise.reject(new Error('broken'))],
      });
      await start(dnsWith({ name: 'cache' }, make));
      expect(codeOf(await failure())).to.equal('PEER_UNREACHABLE');
    });

    it('leaves out what no node can be reached at, and warns once', async () => {
      names.hosts.set('cache', ['10.0.0.1', '0.0.0.0', 'fe80::1']);
      await start(dnsWith({ name: 'cache' }, names.make));
      for (let i = 0; i < 2; i++) expect(await find()).to.deep.equal(['10.0.0.1:3322']);
      expect(logged).to.have.lengthOf(1);
      expect(logged[0]).to.match(/^warn .*0\.0\.0\.0 of cache stands for every.*fe80::1 of cache is a link-local/);
    });

    it('many that are left out, in another order each time, are told once and in short', async () => {
      const ips = Array.from({ length: 20 }, (_, i) => `fe80::${i + 1}`);
      await start(dnsWith({ name: 'cache' }, names.make));
      for (const order of [ips, [...ips].reverse()]) {
        names.hosts.set('cache', order);
        expect(await find()).to.deep.equal([]);
      }
      const warned = logged.filter((line) => line.startsWith('warn'));
      expect(warned).to.have.lengthOf(1);
      expect(warned[0]).to.match(/; and 15 more$/);
    });

    it('SRV: leaves out the host of a service that is not offered, and port 0', async () => {
      names.hosts.set('a', ['10.0.0.1']);
      names.services.set('s.test', [
        { host: '', port: 1 },
        { host: 'a', port: 0 },
        { host: 'a', port: 7 },
      ]);
      await start(dnsWith({ name: 's.test', srv: true }, names.make));
      expect(await find()).to.deep.equal(['10.0.0.1:7']);
    });

    it('SRV: hosts that are all unknown are an error, as somebody is meant to be there', async () => {
      names.services.set('s.test', [{ host: 'gone', port: 7 }]);
      await start(dnsWith({ name: 's.test', srv: true }, names.make));
      expect(messageOf(await failure())).to.match(/SRV records of s\.test .*gone: no such name/);
    });

    it('SRV: an IPv6 host at its port, when only IPv6 is asked for', async () => {
      names.hosts.set('a', ['10.0.0.1', 'fd00::1']);
      names.services.set('s.test', [{ host: 'a', port: 7 }]);
      await start(dnsWith({ name: 's.test', srv: true, family: 'ipv6' }, names.make));
      expect(await find()).to.deep.equal(['[fd00::1]:7']);
    });

    it('an answer of any size is held within bounds', async () => {
      const many = Array.from({ length: 30_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 0xff}.${i & 0xff}`);
      names.hosts.set('cache', many);
      await start(dnsWith({ name: 'cache' }, names.make));
      expect(await find()).to.have.lengthOf(1000);
      const round = new Round(names.make(), new Stop());
      await round.resolve('cache', 0, [1, 2, 3]);
      expect(round.count).to.equal(10_000);
    });

    it('what hangs and cannot be cancelled is asked once, however often callers give up', async () => {
      names = new FakeNames(false);
      names.all = 'silent';
      await start(dnsWith({ name: 'cache' }, names.make));
      for (let i = 0; i < 20; i++) expect(codeOf(await failure(100))).to.equal('TIMEOUT');
      expect(names.asked).to.deep.equal(['cache 0']);
      names.all = undefined;
      names.hosts.set('cache', ['10.0.0.1']);
      names.retry();
      await clock.settle();
      expect(await find()).to.deep.equal(['10.0.0.1:3322']);
      expect(names.asked).to.deep.equal(['cache 0', 'cache 0']);
    });

    it('what hangs and cannot be cancelled is not waited for by stop, and tells nothing when it comes', async () => {
      names = new FakeNames(false);
      names.all = 'silent';
      await start(dnsWith({ name: 'cache' }, names.make));
      const finding = discovery.find(wait(60_000)).catch(codeOf);
      await clock.until(discovery.stop(wait(0)));
      expect(await clock.until(finding)).to.equal('ABORTED');
      expect(clock.nowMs()).to.equal(0);
      names.all = 'ESERVFAIL';
      names.retry();
      await clock.settle();
      expect(logged).to.deep.equal([]);
    });

    it('questions that stop cancels are no failures to tell', async () => {
      names.hosts.set('slow', 'silent');
      await start(staticWith({ peers: ['10.0.0.1', 'slow'] }, names.make));
      expect(await find(100)).to.deep.equal(['10.0.0.1:3322']);
      await discovery.stop(wait());
      await clock.settle();
      expect(names.waiting).to.equal(0);
      expect(logged).to.deep.equal([]);
    });

    it('a caller that has its answer hears no more of its signal, and one that gave up neither', async () => {
      const { signal } = new AbortController();
      let listening = 0;
      const counted = {
        aborted: false,
        reason: undefined,
        addEventListener: (type: 'abort', listener: () => void) => {
          listening++;
          signal.addEventListener(type, listener);
        },
        removeEventListener: (type: 'abort', listener: () => void) => {
          listening--;
          signal.removeEventListener(type, listener);
        },
      };
      const ask = (): Promise<unknown> =>
        clock.until(discovery.find({ ...wait(100), signal: counted }).catch((error: unknown) => error));
      await start(dnsWith({ name: 'cache' }, names.make));
      expect(await ask()).to.deep.equal([]);
      expect(listening).to.equal(0);
      names.all = 'silent';
      expect(codeOf(await ask())).to.equal('TIMEOUT');
      expect(listening).to.equal(0);
    });

    it('a fault of the resolver itself is an error and nothing worse', async () => {
      const make = () => ({
        ...names.make(),
        addresses: (): never => {
          throw new TypeError('not a name');
        },
      });
      await start(dnsWith({ name: 'cache' }, make));
      for (let i = 0; i < 2; i++) expect(messageOf(await failure())).to.contain('not a name');
    });
  });

  for (const [name, make] of [
    ['standalone', () => standalone()],
    ['static', () => staticWith({ peers: ['10.0.0.1'] }, names.make)],
    ['dns', () => dnsWith({ name: 'cache' }, names.make)],
  ] as const) {
    it(`${name}: one that is given to two nodes is refused by the second`, async () => {
      await start(make());
      const error = await start(discovery).catch((thrown: unknown) => thrown);
      expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
      expect(messageOf(error)).to.contain('was given to two nodes');
    });
  }

  it('is refused before start', async () => {
    discovery = dnsWith({ name: 'cache' }, names.make);
    expect(codeOf(await failure())).to.equal('NOT_STARTED');
  });
});
