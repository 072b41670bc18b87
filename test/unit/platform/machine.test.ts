import { networkInterfaces } from 'node:os';
import { expect } from 'chai';
import { isAddress, joinAddress } from '../../../src/base/addresses.js';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import { advertisedAddress, bindAddress, shortHostname, totalMemoryBytes } from '../../../src/platform/machine.js';
import { packageFacts } from '../../../src/platform/package.js';
import { systemRandom } from '../../../src/platform/random.js';

const problemOf = (make: () => unknown): string => {
  try {
    return String(make());
  } catch (error) {
    return `${codeOf(error)}: ${messageOf(error)}`;
  }
};

describe('machine', () => {
  const [loopback, entries] = Object.entries(networkInterfaces()).find(([, all]) => all?.[0]?.internal) ?? [];
  const [first] = entries ?? [];

  it('listens on the loopback where nothing is said, and on what is said', () => {
    expect(bindAddress({})).to.equal('127.0.0.1');
    expect(bindAddress({ addr: '::' })).to.equal('::');
  });

  it('listens on the first address of the interface that is named', function () {
    if (loopback === undefined) return this.skip();
    expect(bindAddress({ interface: loopback })).to.equal(first!.address);
    expect(bindAddress({ interface: loopback, addr: first!.address })).to.equal(first!.address);
  });

  it('names the interfaces there are when there is none of that name', () => {
    const problem = problemOf(() => bindAddress({ interface: 'nope0' }));
    expect(problem).to.match(/^INVALID_ARGUMENT: bind\.interface is 'nope0'; this machine has: /);
    for (const name of Object.keys(networkInterfaces())) expect(problem).to.include(name);
    for (const hostile of ['__proto__', 'constructor', '']) {
      expect(problemOf(() => bindAddress({ interface: hostile }))).to.match(/^INVALID_ARGUMENT/);
    }
  });

  it('names the addresses of the interface that does not have the one asked for', function () {
    if (loopback === undefined) return this.skip();
    const problem = problemOf(() => bindAddress({ interface: loopback, addr: '192.0.2.1' }));
    expect(problem).to.match(/^INVALID_ARGUMENT: bind\.interface '.*' has no address 192\.0\.2\.1; it has: /);
    expect(problem).to.include(first!.address);
  });

  it('tells others an address that they can dial, never a wildcard', () => {
    expect(advertisedAddress('10.1.2.3')).to.equal('10.1.2.3');
    for (const wildcard of ['0.0.0.0', '::']) {
      const advertised = advertisedAddress(wildcard);
      expect(advertised).not.to.equal(wildcard);
      expect(joinAddress(advertised, 3320)).to.satisfy(isAddress);
    }
  });

  it('has a name without a domain, and memory', () => {
    expect(shortHostname()).to.match(/^[^.]+$/);
    expect(totalMemoryBytes()).to.be.above(2 ** 26);
  });
});

describe('package', () => {
  it('knows its release and where its .proto files are', () => {
    const { version, protoDir } = packageFacts();
    expect(version).to.match(/^\d+\.\d+\.\d+/);
    expect(protoDir).to.match(/proto$/);
  });
});

describe('systemRandom', () => {
  it('makes ids of 16 hex digits, no two alike', () => {
    const ids = Array.from({ length: 10_000 }, () => systemRandom.id());
    for (const id of ids) expect(id).to.match(/^[0-9a-f]{16}$/);
    expect(new Set(ids).size).to.equal(ids.length);
  });

  it('spreads ids over every digit of every place', () => {
    const seen = Array.from({ length: 16 }, () => new Set<string>());
    for (let i = 0; i < 2000; i++)
      for (const [place, digit] of [...systemRandom.id()].entries()) seen[place]!.add(digit);
    for (const digits of seen) expect(digits.size).to.equal(16);
  });

  it('draws evenly from [0, 1), its forks too', () => {
    for (const random of [systemRandom, systemRandom.fork('jitter')]) {
      const tenths = new Array<number>(10).fill(0);
      for (let i = 0; i < 20_000; i++) {
        const draw = random.next();
        expect(draw).to.be.within(0, 1 - Number.EPSILON / 2);
        tenths[Math.floor(draw * 10)]!++;
      }
      // 2,000 are expected in each; nine standard deviations either way.
      for (const count of tenths) expect(count).to.be.within(1600, 2400);
    }
  });
});
