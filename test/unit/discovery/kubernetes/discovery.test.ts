import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { codeOf, DistcacheError, messageOf } from '../../../../src/base/errors.js';
import type { ListAnswer, PodApi, WatchAnswer } from '../../../../src/discovery/kubernetes/api.js';
import { kubernetesWith } from '../../../../src/discovery/kubernetes/discovery.js';
import type { KubernetesOptions } from '../../../../src/discovery/kubernetes/options.js';
import { inClusterKubernetes } from '../../../../src/platform/kubernetes.js';
import type { Discovery } from '../../../../src/ports/discovery.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { seeded } from '../../../support/seeded.js';

const page: ListAnswer = { is: 'page', page: { pods: [], resourceVersion: '1', continueToken: '' } };
const failed: ListAnswer = { is: 'failed', error: new DistcacheError('PEER_UNREACHABLE', 'the API is down') };

/** Answers lists by what `answer` says, at once; watches stay open until they are stopped. */
class FakePodApi implements PodApi {
  readonly listedAtMs: number[] = [];
  answer: ListAnswer = page;

  constructor(private readonly clock: FakeClock) {}

  async list(): Promise<ListAnswer> {
    this.listedAtMs.push(this.clock.nowMs());
    return this.answer;
  }

  watch(...[, , , signal]: Parameters<PodApi['watch']>): Promise<WatchAnswer> {
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve({ is: 'ended' })));
  }
}

describe('discovery: kubernetes', () => {
  let folder: string;
  let clock: FakeClock;
  let api: FakePodApi;
  let warnings: string[];
  let discovery: Discovery | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kubernetes-'));
    for (const file of ['token', 'ca.crt']) await writeFile(join(folder, file), file);
    await writeFile(join(folder, 'namespace'), 'prod\n');
    clock = new FakeClock();
    api = new FakePodApi(clock);
    warnings = [];
  });
  afterEach(async () => {
    await discovery?.stop({ deadlineMs: clock.nowMs() });
    await clock.settle();
    expect(clock.pending()).to.equal(0);
    await rm(folder, { recursive: true });
  });

  const access = () => ({
    server: 'https://10.96.0.1:443',
    tokenFile: join(folder, 'token'),
    caFile: join(folder, 'ca.crt'),
    namespaceFile: join(folder, 'namespace'),
  });
  const start = async (options: Partial<KubernetesOptions> = {}): Promise<void> => {
    const given = { podLabels: { app: 'cache' }, portName: 'gossip', api: access(), ...options };
    discovery = kubernetesWith(given, () => api);
    const log = { write: (level: string, message: string) => void (level === 'warn' && warnings.push(message)) };
    const self = { name: 'self', gossip: '10.0.0.1:3322' };
    await discovery.start({ clock, random: seeded('pods'), log, self }, { deadlineMs: clock.nowMs() + 1000 });
  };

  const impossible: readonly (readonly [string, Partial<KubernetesOptions>, RegExp])[] = [
    ['no labels', { podLabels: {} }, /podLabels is empty/],
    ['a label that would change the selector', { podLabels: { app: 'a,b!=c' } }, /podLabels\.app is "a,b!=c"/],
    ['a key that is none', { podLabels: { 'a b': 'c' } }, /"a b" is no key/],
    ['a key with two prefixes', { podLabels: { 'a/b/c': 'd' } }, /is no key/],
    ['a label that is too long', { podLabels: { app: 'a'.repeat(64) } }, /63/],
    ['no port', { portName: '' }, /portName is ""/],
    ['a port number', { portName: '3322' }, /portName is "3322"/],
    ['a namespace with a slash', { namespace: '../kube-system' }, /namespace is "\.\.\/kube-system"/],
    [
      'no cluster',
      { api: undefined },
      /outside a cluster: .*set apiServer, tokenFile and caFile of discovery\.kubernetes/,
    ],
    ['a server without TLS', { api: { server: 'http://h:1', tokenFile: '', caFile: '' } }, /must be https/],
    [
      'no file of a token',
      { api: { server: 'https://h:1', tokenFile: '/nowhere/token', caFile: '' }, namespace: 'a' },
      /\/nowhere\/token cannot be read.*automountServiceAccountToken/,
    ],
    [
      'no namespace',
      { api: { server: 'https://h:1', tokenFile: '', caFile: '' } },
      /set discovery\.kubernetes\.namespace/,
    ],
  ];
  for (const [name, options, says] of impossible) {
    it(`does not start with ${name}`, async () => {
      const error = await start(options).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
      expect(messageOf(error)).to.match(says);
    });
  }

  it('cannot be made with an impossible resync', () => {
    const make = () => kubernetesWith({ podLabels: { app: 'a' }, portName: 'p', resync: '1s' }, () => api);
    expect(make).to.throw('discovery.kubernetes.resync is "1s"; must be at least 10s');
  });

  it('tries again at growing, bounded and uneven intervals while the API is down, and logs once a minute', async () => {
    api.answer = failed;
    await start();
    await clock.advance(600_000);
    const gaps = api.listedAtMs.slice(1).map((atMs, i) => atMs - api.listedAtMs[i]!);
    for (const [i, gapMs] of gaps.entries()) {
      const longestMs = Math.min(500 * 2 ** i, 30_000);
      expect(gapMs, `gap ${i}`).to.be.within(longestMs / 2, longestMs);
    }
    expect(new Set(gaps).size).to.equal(gaps.length);
    expect(warnings.length).to.be.within(5, 11);
    api.answer = page;
    await clock.advance(30_000);
    const listed = api.listedAtMs.length;
    await clock.advance(60_000);
    expect(api.listedAtMs.length).to.equal(listed);
  });

  it('asks sooner for whoever waits, but not more than once a second', async () => {
    api.answer = failed;
    await start();
    await clock.advance(120_000);
    const from = api.listedAtMs.length;
    for (let i = 0; i < 50; i++) {
      const found = discovery!.find({ deadlineMs: clock.nowMs() + 200 }).catch(codeOf);
      expect(await clock.until(found)).to.equal('PEER_UNREACHABLE');
    }
    const asked = api.listedAtMs.slice(from);
    expect(asked.length).to.be.within(5, 12);
    for (const [i, atMs] of asked.slice(1).entries()) expect(atMs - asked[i]!).to.be.at.least(1000);
    api.answer = page;
    expect(await clock.until(discovery!.find({ deadlineMs: clock.nowMs() + 2000 }))).to.deep.equal([]);
  });

  it('does not ask in a loop for whoever waits when every list is gone before its end', async () => {
    api.answer = { is: 'gone' };
    await start();
    const found = discovery!.find({ deadlineMs: clock.nowMs() + 30_000 }).catch(codeOf);
    expect(await clock.until(found)).to.equal('TIMEOUT');
    expect(api.listedAtMs.length).to.be.within(5, 35);
  });
});

describe('platform: in-cluster Kubernetes', () => {
  const rows: readonly (readonly [string, Record<string, string>, string | undefined])[] = [
    ['in a pod', { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }, 'https://10.96.0.1:443'],
    ['with IPv6', { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }, 'https://[fd00::1]:443'],
    ['elsewhere', {}, undefined],
    ['with half of it', { KUBERNETES_SERVICE_HOST: '10.96.0.1' }, undefined],
  ];
  for (const [name, environment, server] of rows) {
    it(`${name}: ${server}`, () => {
      expect(inClusterKubernetes(environment)?.server).to.equal(server);
    });
  }
});
