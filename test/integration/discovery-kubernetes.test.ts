import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { codeOf, messageOf } from '../../src/base/errors.js';
import { kubernetesDiscovery } from '../../src/discovery/kubernetes/discovery.js';
import type { KubernetesOptions } from '../../src/discovery/kubernetes/options.js';
import type { Discovery } from '../../src/ports/discovery.js';
import { testAuthority } from '../support/certificates.js';
import { FakeClock } from '../support/fake-clock.js';
import { faults, KubernetesApi } from '../support/kubernetes-api.js';
import { breaks, refusals } from '../support/kubernetes-troubles.js';
import { seeded } from '../support/seeded.js';
import { needs } from '../support/servers.js';
import { pause, until } from '../support/until.js';

// The network is real and time is not: it moves when a test says so, so nothing is late on a slow machine.
describe('integration: pods of Kubernetes over HTTPS', function () {
  this.timeout(15_000);
  let api: KubernetesApi;
  let clock: FakeClock;
  let discovery: Discovery;
  let warnings: string[];
  let told: readonly string[] | undefined;

  before(function () {
    needs(this, 'openssl', 'openssl');
  });
  beforeEach(async () => {
    api = await KubernetesApi.open();
    clock = new FakeClock();
    warnings = [];
    told = undefined;
  });
  afterEach(async () => {
    await discovery?.stop({ deadlineMs: clock.nowMs() + 1000 });
    expect(clock.pending(), 'timers left').to.equal(0);
    await until('all connections are closed', () => api.connections === 0);
    await api.close();
  });

  const start = async (options: Partial<KubernetesOptions> = {}): Promise<void> => {
    discovery = kubernetesDiscovery({ podLabels: { app: 'cache' }, portName: 'gossip', api: api.access, ...options });
    discovery.watch!((addresses) => {
      told = addresses;
    });
    const log = { write: (level: string, message: string) => void (level === 'warn' && warnings.push(message)) };
    const self = { name: 'self', gossip: '10.9.9.9:3322' };
    const wait = { deadlineMs: clock.nowMs() + 1000 };
    await discovery.start({ clock, random: seeded('kubernetes'), log, self }, wait);
  };
  const find = (ms = 5000): Promise<readonly string[]> => discovery.find({ deadlineMs: clock.nowMs() + ms });
  const tells = (...addresses: readonly string[]): Promise<void> =>
    until(`${addresses} are told`, () => told?.join() === addresses.join());
  const watched = (times = 1): Promise<void> =>
    until(`watch ${times} is open`, () => api.count('watch') >= times && api.watches > 0);
  const warned = (what: RegExp): Promise<void> =>
    until(`a warning like ${what}, not ${warnings.join('|')}`, () => warnings.some((line) => what.test(line)));
  /** Starts with one pod, in step. */
  const startInStep = async (options: Partial<KubernetesOptions> = {}): Promise<void> => {
    api.put({ name: 'a', ip: '10.0.0.1' });
    await start(options);
    await watched();
    await tells('10.0.0.1:3322');
  };
  /** Lets pass what a pause after trouble may take at first, in pieces, so that the network keeps up. */
  const lists = async (times: number): Promise<void> => {
    await until(`list ${times}`, async () => {
      if (api.count('list') < times) await clock.advance(50);
      return api.count('list') >= times;
    });
  };

  it('lists with labels and in pages, then watches from the version of the list', async () => {
    api.pageMax = 100;
    for (let i = 0; i < 450; i++) api.put({ name: `pod-${i}`, ip: `10.0.${i >> 8}.${i & 255}` });
    api.put({ name: 'other', ip: '10.1.0.0', labels: { app: 'other' } });
    await start({ podLabels: { app: 'cache', 'app.kubernetes.io/part-of': '' } });
    await watched();
    expect(await find()).to.deep.equal([]);
    await discovery.stop({ deadlineMs: clock.nowMs() });

    await start();
    await watched(2);
    expect(await find()).to.have.lengthOf(450);
    const asked = api.requests.filter(({ kind }) => kind === 'list').slice(1);
    expect(asked.map(({ query }) => [query.get('limit'), query.has('continue'), query.has('resourceVersion')])).to.eql([
      ['500', false, false],
      ...Array.from({ length: 4 }, () => ['500', true, false]),
    ]);
    expect(api.requests[0]?.query.get('labelSelector')).to.equal('app.kubernetes.io/part-of=,app=cache');
    const query = api.last('watch')!.query;
    expect(query.get('resourceVersion')).to.equal('551');
    expect(query.get('allowWatchBookmarks')).to.equal('true');
    expect(Number(query.get('timeoutSeconds'))).to.be.within(300, 360);
  });

  it('gives running, ready pods only, with IPv6 in brackets, and says once which lack the port', async () => {
    api.put({ name: 'a', ip: '10.0.0.1' });
    api.put({ name: 'six', ip: 'fd00::7' });
    api.put({ name: 'pending', ip: '10.0.0.2', phase: 'Pending' });
    api.put({ name: 'unready', ip: '10.0.0.3', ready: false });
    api.put({ name: 'leaving', ip: '10.0.0.4', deleting: true });
    api.put({ name: 'homeless' });
    api.put({ name: 'portless', ip: '10.0.0.5', ports: { http: 80 } });
    api.put({ name: 'portless-too', ip: '10.0.0.6', ports: {} });
    await start();
    await tells('10.0.0.1:3322', '[fd00::7]:3322');
    expect(warnings).to.have.lengthOf(1);
    expect(warnings[0]).to.match(/pod portless .*named gossip; it has the ports http/);
  });

  it('tells of pods that come, change and go, in chunks that end within characters', async () => {
    api.pieceBytes = 7;
    await startInStep();
    api.put({ name: 'b', ip: '10.0.0.2' });
    await tells('10.0.0.1:3322', '10.0.0.2:3322');
    api.put({ name: 'a', ip: '10.0.0.1', ready: false });
    await tells('10.0.0.2:3322');
    api.put({ name: 'a', ip: '10.0.0.9' });
    await tells('10.0.0.2:3322', '10.0.0.9:3322');
    api.put({ name: 'a', ip: '10.0.0.9', labels: { app: 'other' } });
    await tells('10.0.0.2:3322');
    api.remove('b');
    await tells();
    expect(api.count('list')).to.equal(1);
    expect(await find()).to.deep.equal([]);
  });

  it('keeps a pod apart from its predecessor of the same name and from another with its address', async () => {
    await startInStep();
    api.put({ name: 'b', ip: '10.0.0.1' });
    api.remove('a');
    api.put({ name: 'a', uid: 'another', ip: '10.0.0.3' });
    await tells('10.0.0.1:3322', '10.0.0.3:3322');
  });

  it('goes on from the last version when a watch ends, which a bookmark may have told', async () => {
    await startInStep();
    api.touch(50);
    api.bookmark();
    api.put({ name: 'b', ip: '10.0.0.2' });
    await tells('10.0.0.1:3322', '10.0.0.2:3322');
    api.touch(50);
    api.bookmark();
    api.compact();
    api.endWatches();
    await watched(2);
    expect(api.last('watch')?.query.get('resourceVersion')).to.equal('202');
    api.put({ name: 'c', ip: '10.0.0.3' });
    await tells('10.0.0.1:3322', '10.0.0.2:3322', '10.0.0.3:3322');
    expect(api.count('list')).to.equal(1);
    expect(warnings).to.deep.equal([]);
  });

  for (const goneAs of ['status', 'event'] as const) {
    it(`lists again when the history is gone, told as ${goneAs === 'status' ? 'a status' : 'an event'}`, async () => {
      api.goneAs = goneAs;
      await startInStep();
      api.fail('watch', faults.status(410));
      api.endWatches();
      await until('the watch was refused', () => api.count('watch') === 2);
      api.put({ name: 'b', ip: '10.0.0.2' });
      api.remove('a');
      await lists(2);
      await tells('10.0.0.2:3322');
      await watched(3);
      api.touch();
      api.compact();
      api.endWatches();
      await lists(3);
      expect(warnings).to.deep.equal([]);
    });
  }

  it('lists again when a watch under way says that the history is gone', async () => {
    await startInStep();
    api.sendGone();
    await lists(2);
    await watched(2);
    expect(await find()).to.deep.equal(['10.0.0.1:3322']);
    expect(warnings).to.deep.equal([]);
  });

  it('begins anew when the rest of a list is gone, and lists nothing twice', async () => {
    api.pageMax = 1;
    api.put({ name: 'a', ip: '10.0.0.1' });
    api.put({ name: 'b', ip: '10.0.0.2' });
    api.fail('list', undefined, faults.status(410));
    await start();
    await tells('10.0.0.1:3322', '10.0.0.2:3322');
    expect(api.requests.slice(0, 4).map(({ query }) => query.has('continue'))).to.deep.equal([
      false,
      true,
      false,
      true,
    ]);
  });

  it('takes a renewed token at once after a 401, and within a minute without one', async () => {
    await startInStep();
    api.tokens.clear();
    api.tokens.add('second-token');
    await writeFile(api.access.tokenFile, 'second-token\n');
    api.endWatches();
    await watched(3);
    expect(api.requests.slice(-2).map(({ token }) => token)).to.deep.equal(['first-token', 'second-token']);
    expect(warnings).to.deep.equal([]);

    api.tokens.add('third-token');
    await writeFile(api.access.tokenFile, 'third-token');
    await clock.advance(60_000);
    api.endWatches();
    await watched(4);
    expect(api.last('watch')?.token).to.equal('third-token');
  });

  for (const { name, fault, says, afterMs } of refusals) {
    it(`to a list, ${name} is told, waited out and tried again`, async () => {
      api.put({ name: 'a', ip: '10.0.0.1' });
      api.fail('list', fault());
      await start();
      const finding = find(60_000).catch((error: unknown) => error);
      await until('it is asked', () => api.count('list') === 1);
      if (afterMs !== undefined) {
        // The head and what came with it have to be read before the time without more begins.
        await until('it is noticed', async () => {
          await clock.advance(1000);
          return warnings.length > 0;
        });
      }
      await warned(says);
      expect(warnings).to.have.lengthOf(1);
      const error = await finding;
      expect(codeOf(error)).to.equal(afterMs === undefined ? 'PEER_UNREACHABLE' : 'TIMEOUT');
      expect(messageOf(error)).to.match(says).and.to.include(`the Kubernetes API at ${api.host}`);
      await lists(2);
      await tells('10.0.0.1:3322');
    });
  }

  it('cuts a list that comes byte by byte', async () => {
    let slow: ServerResponse | undefined;
    api.fail('list', (response) => {
      slow = response;
      response.writeHead(200).flushHeaders();
    });
    await start();
    await until('it is asked', () => slow !== undefined);
    await until('it is cut', async () => {
      slow?.write(' ');
      await pause(5);
      await clock.advance(1000);
      return warnings.length > 0;
    });
    expect(warnings[0]).to.match(/did not end its answer within 30s/);
    await lists(2);
  });

  it('with a token that stays refused, says what to check, and is in step once it is good', async () => {
    api.put({ name: 'a', ip: '10.0.0.1' });
    api.tokens.clear();
    await start();
    await warned(/answered 401: it does not accept the token in .*token; check that its service account/);
    api.tokens.add('first-token');
    await lists(3);
    await tells('10.0.0.1:3322');
  });

  it('does not come back before the time it was told, though somebody waits', async () => {
    api.fail('list', faults.status(429, 'too many requests', { 'retry-after': '20' }));
    await start();
    await warned(/429/);
    const finding = find(30_000);
    await clock.advance(19_000);
    expect(api.count('list')).to.equal(1);
    await clock.advance(1000);
    expect(await finding).to.deep.equal([]);
  });

  for (const { name, how, says } of breaks) {
    it(`${name} in a watch ends it, and all are listed again`, async () => {
      await startInStep();
      how(api);
      await warned(says);
      await until('the watch is closed', () => api.connections === 0);
      api.put({ name: 'b', ip: '10.0.0.2' });
      expect(api.count('list')).to.equal(1);
      await lists(2);
      await tells('10.0.0.1:3322', '10.0.0.2:3322');
      expect(warnings).to.have.lengthOf(1);
    });
  }

  it('cuts a watch that says nothing beyond its time, and goes on from where it stood', async () => {
    await startInStep();
    const { query } = api.last('watch')!;
    await clock.advance(Number(query.get('timeoutSeconds')) * 1000 + 15_000);
    await watched(2);
    expect(api.last('watch')?.query.get('resourceVersion')).to.equal(query.get('resourceVersion'));
    expect(api.count('list')).to.equal(1);
    expect(warnings).to.deep.equal([]);
  });

  it('lists all anew now and then', async () => {
    await startInStep({ resync: '2m' });
    expect(discovery.findAgainMs).to.equal(120_000);
    expect(api.last('watch')?.query.get('timeoutSeconds')).to.equal('120');
    await clock.advance(120_000);
    api.endWatches();
    await lists(2);
    await watched(2);
  });

  it('does not ask in a loop when watches end as soon as they begin', async () => {
    const endless = Array.from({ length: 50 }, () => faults.body(''));
    api.fail('watch', ...endless);
    await start();
    await until('two watches', () => api.count('watch') === 2);
    await pause(50);
    expect(api.count('watch')).to.equal(2);
    await clock.advance(600);
    await pause(50);
    expect(api.count('watch')).to.be.at.most(4);
  });

  it('finds with a right to list only, and says which right lacks', async () => {
    api.put({ name: 'a', ip: '10.0.0.1' });
    api.fail('watch', ...Array.from({ length: 20 }, () => faults.status(403)));
    await start();
    await warned(/403.*list and watch/);
    const finding = find(30_000);
    await lists(2);
    expect(await finding).to.deep.equal(['10.0.0.1:3322']);
  });

  it('trusts no certificate of another authority, nor one for another host, and sends neither the token', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kubernetes-ca-'));
    const { caFile } = await testAuthority(folder, 'stranger');
    await start({ api: { ...api.access, caFile } });
    await warned(/certificate that is not trusted/);
    await discovery.stop({ deadlineMs: clock.nowMs() });
    await api.close();
    await rm(folder, { recursive: true });

    api = await KubernetesApi.open('DNS:elsewhere.example');
    await start();
    await warned(/ERR_TLS_CERT_ALTNAME_INVALID/);
    expect(api.requests).to.deep.equal([]);
  });

  for (const [name, prepare] of [
    ['a list that hangs', () => api.fail('list', faults.hang())],
    ['a list that stalls', () => api.fail('list', faults.stall())],
    ['a watch', () => {}],
    ['a pause', () => api.fail('list', faults.status(500))],
  ] as const) {
    it(`stop ends ${name}`, async () => {
      prepare();
      await start();
      await until(
        'it is under way',
        () => warnings.length > 0 || api.watches > 0 || (api.count('list') > 0 && name.startsWith('a list')),
      );
      await discovery.stop({ deadlineMs: clock.nowMs() });
      await clock.settle();
      expect(clock.pending()).to.equal(0);
      await until('its connection is closed', () => api.connections === 0);
    });
  }
});
