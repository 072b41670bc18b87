import { expect } from 'chai';
import { Stop } from '../../../../src/base/stop-signal.js';
import {
  canonicalIp,
  forEach,
  isSilence,
  serverNames,
  systemNames,
  whyUnreachable,
} from '../../../../src/discovery/names/resolve.js';

describe('discovery: resolving', () => {
  describe('an IP in one form for all', () => {
    for (const [text, expected] of [
      ['10.0.0.1', '10.0.0.1'],
      ['fd00:0:0:0:0:0:0:2', 'fd00::2'],
      ['FD00::2', 'fd00::2'],
      ['::ffff:10.0.0.1', '10.0.0.1'],
      ['::ffff:a00:1', '10.0.0.1'],
      ['fe80::1%eth0', 'fe80::1%eth0'],
      ['fe80::0:1%en-1.5', 'fe80::1%en-1.5'],
      ['10.0.0.1%eth0', undefined],
      ['fe80::1%', undefined],
      ['fe80::1%a b', undefined],
      ['10.0.0', undefined],
      ['cache', undefined],
      ['', undefined],
    ] as const) {
      it(`'${text}' is ${expected}`, () => expect(canonicalIp(text)).to.equal(expected));
    }
  });

  describe('an IP that no node can be reached at', () => {
    for (const [ip, why] of [
      ['0.0.0.0', /every address/],
      ['::', /every address/],
      ['224.0.0.1', /multicast/],
      ['255.255.255.255', /broadcast/],
      ['ff02::1', /multicast/],
      ['fe80::1', /without a zone/],
      ['febf::1', /without a zone/],
    ] as const) {
      it(`${ip} is told why`, () => expect(whyUnreachable(ip)).to.match(why));
    }
    for (const ip of [
      '127.0.0.1',
      '10.0.0.1',
      '169.254.1.1',
      '::1',
      'fd00::1',
      'fec0::1',
      'fe80::1%eth0',
      '2001:db8::1',
    ]) {
      it(`${ip} may be`, () => expect(whyUnreachable(ip)).to.equal(undefined));
    }
  });

  it("the machine's way reads the hosts file, in which localhost stands everywhere", async () => {
    const found = (await Promise.all(systemNames().addresses('localhost', 0))).flat();
    expect(found).to.include.members(found.includes('127.0.0.1') ? ['127.0.0.1'] : ['::1']);
  });

  it('a server that is not there refuses, for each family by itself', async () => {
    const names = serverNames(['127.0.0.1:1']);
    const codes = await Promise.all(
      names.addresses('cache.example', 0).map((answer) => answer.catch((error: { code: string }) => error.code)),
    );
    expect(codes).to.deep.equal(['ECONNREFUSED', 'ECONNREFUSED']);
    expect(names.addresses('cache.example', 4).map((answer) => answer.catch(() => []))).to.have.lengthOf(1);
  });

  it('tells silence from all else', () => {
    const coded = (code: string): Error => Object.assign(new Error(), { code });
    expect(['ETIMEOUT', 'EAI_AGAIN', 'ESERVFAIL', 'ECONNREFUSED'].map((code) => isSilence(coded(code)))).to.deep.equal([
      true,
      true,
      false,
      false,
    ]);
    expect([undefined, null, 'ETIMEOUT'].map(isSilence)).to.deep.equal([false, false, false]);
  });

  it('does few things at a time, all of them, and begins none once it is to stop', async () => {
    const stop = new Stop();
    const done: number[] = [];
    let now = 0;
    let most = 0;
    const run = async (item: number): Promise<void> => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      done.push(item);
      if (item === 90) stop.abort(undefined);
      now--;
    };
    const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
    await forEach(upTo(50), 4, stop, run);
    expect(done).to.deep.equal(upTo(50));
    expect(most).to.equal(4);
    await forEach(upTo(200), 1, stop, run);
    expect(done).to.have.lengthOf(50 + 91);
    await forEach([], 4, new Stop(), run);
  });
});
