import { splitAddress } from '../../src/base/addresses.js';
import { dnsWith } from '../../src/discovery/names/dns.js';
import { staticDiscovery, staticWith } from '../../src/discovery/names/static.js';
import { standalone } from '../../src/discovery/standalone.js';
import { silent } from '../../src/ports/log.js';
import { FakeClock } from '../support/fake-clock.js';
import { FakeNames } from '../support/fake-names.js';
import { seeded } from '../support/seeded.js';
import { discoveryContract, type Finding } from './discovery.contract.js';

type Common = Pick<Finding, 'context' | 'pass' | 'until' | 'open' | 'close' | 'address'>;

function common(clock: FakeClock, names: FakeNames): Common {
  return {
    context: {
      clock,
      random: seeded('discovery'),
      log: silent,
      self: { name: 'node-a', gossip: '10.9.9.9:3322' },
    },
    address: (i) => `10.1.${i >> 8}.${i & 0xff}:3322`,
    pass: (ms) => clock.advance(ms),
    until: (promise) => clock.until(promise),
    open: () => clock.pending() + names.waiting,
    close: async () => {},
  };
}

const breaking = (names: FakeNames): Pick<Finding, 'down' | 'up' | 'silence'> => ({
  down: async () => {
    names.all = 'ECONNREFUSED';
    names.retry();
  },
  silence: async () => {
    names.all = 'silent';
  },
  up: async () => {
    names.all = undefined;
    names.retry();
  },
});

const hostsOf = (addresses: readonly string[]): string[] => addresses.map((address) => splitAddress(address).host);

discoveryContract('standalone', async () => ({
  ...common(new FakeClock(), new FakeNames()),
  discovery: standalone(),
  named: /never/,
  manyKnown: false,
}));

discoveryContract('static, of IP addresses', async () => ({
  ...common(new FakeClock(), new FakeNames()),
  discovery: staticDiscovery({ peers: ['10.9.9.9:3322'] }),
  named: /never/,
  manyKnown: false,
}));

discoveryContract('static, of a name', async () => {
  const names = new FakeNames();
  return {
    ...common(new FakeClock({ startMs: 1e9 }), names),
    ...breaking(names),
    discovery: staticWith({ peers: ['cache'] }, names.make),
    named: /discovery\.peers \(cache\)/,
    know: async (addresses) => void names.hosts.set('cache', hostsOf(addresses)),
    manyKnown: true,
    noneIsFailure: true,
  };
});

discoveryContract('dns, of addresses', async () => {
  const names = new FakeNames();
  return {
    ...common(new FakeClock(), names),
    ...breaking(names),
    discovery: dnsWith({ name: 'cache.prod.svc' }, names.make),
    named: /cache\.prod\.svc/,
    know: async (addresses) => void names.hosts.set('cache.prod.svc', hostsOf(addresses)),
    manyKnown: true,
  };
});

discoveryContract('dns, of services', async () => {
  const names = new FakeNames();
  return {
    ...common(new FakeClock(), names),
    ...breaking(names),
    discovery: dnsWith({ name: '_gossip._tcp.cache.example', srv: true }, names.make),
    named: /_gossip\._tcp\.cache\.example/,
    know: async (addresses) => {
      for (const host of hostsOf(addresses)) names.hosts.set(`node-${host}`, [host]);
      const records = addresses.map(splitAddress).map(({ host, port }) => ({ host: `node-${host}`, port }));
      names.services.set('_gossip._tcp.cache.example', records);
    },
    manyKnown: true,
  };
});
