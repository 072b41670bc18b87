import { once } from 'node:events';
import { expect } from 'chai';
import type { Member } from '../../src/ports/membership.js';
import { cli, startCli } from '../support/cli.js';
import { type FakeNode, startFakeNode } from '../support/fake-node.js';

const peer: Member = {
  id: 'i1',
  name: 'cache-2',
  address: '10.0.0.2:3320',
  admin: '',
  gossip: '10.0.0.2:3322',
  version: '0.1.0',
  weight: 1,
  incarnation: 17,
  state: 'dead',
  serving: false,
};

describe('cli: ring and events', function () {
  this.timeout(30_000);
  let node: FakeNode;
  const env = () => ({ DISTCACHE_ADDR: node.address });

  beforeEach(async () => {
    node = await startFakeNode();
  });
  afterEach(() => node.stop());

  it('ring tells who owns a key, and how even the ring is', async () => {
    const asJson = await cli(['ring', 'ks', 'k', '--json'], { env: env() });
    const { hottest, ...located } = JSON.parse(asJson.stdout.toString());
    expect(located).to.deep.equal({
      keyspace: 'ks',
      key: 'k',
      owner: 'other',
      replicas: [],
      nodes: [
        { name: 'fake-1', share: 0.45 },
        { name: 'other', share: 0.55 },
      ],
    });
    expect(hottest.name).to.equal('other');
    expect(hottest.ratio).to.be.closeTo(1.1, 1e-9);
    const shown = (await cli(['ring', 'ks', 'k'], { env: env() })).stdout.toString();
    expect(shown).to.match(/^owner {5}other\nreplicas {2}none\nhottest {3}other, 1\.10 times the mean\n/);
    expect(shown).to.match(/^other \* {2}55\.0%$/m);
  });

  /** Starts `events`, and resolves once `said` has appeared on the stream. */
  async function follow(args: readonly string[], stream: 'stdout' | 'stderr', said: RegExp) {
    const child = startCli(['events', ...args], { env: env() });
    const seen = { stdout: '', stderr: '' };
    const closed = once(child, 'close');
    const { promise: listening, resolve } = Promise.withResolvers<void>();
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.on('data', (chunk) => {
        seen[name] += chunk;
        if (said.test(seen[stream])) resolve();
      });
    }
    await Promise.race([listening, closed]);
    return { child, seen, exit: async () => (await closed)[0] as number };
  }

  it('events are a line each on stdout, once stderr says that it listens', async () => {
    const { seen, exit } = await follow(['--count', '2'], 'stderr', /listening to what fake-1 tells\n/);
    node.service.hub.publish({ type: 'peer-failed', peer });
    node.service.hub.publish({ type: 'gap', missed: 4 });
    node.service.hub.publish({ type: 'keyspace-deleted', keyspace: 'a\nb' });
    expect(await exit()).to.equal(0);
    const lines = seen.stdout.split('\n').map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, ''));
    expect(lines).to.deep.equal([
      'peer-failed cache-2 grpc=10.0.0.2:3320 gossip=10.0.0.2:3322 state=dead serving=no',
      'gap 4 events were missed here',
      'keyspace-deleted a; b',
      '',
    ]);
  });

  it('events are a JSON document a line, the first of which says that it listens', async () => {
    const { seen, exit } = await follow(['--count', '1', '--json'], 'stdout', /"listening"/);
    node.service.hub.publish({ type: 'peer-joined', peer: { ...peer, state: 'alive', serving: true } });
    expect(await exit()).to.equal(0);
    expect(seen.stderr).to.equal('');
    const [first, second] = seen.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(first).to.include({ type: 'listening', told_by: 'fake-1' });
    const { time, ...joined } = second;
    expect(new Date(time).toISOString()).to.equal(time);
    expect(joined).to.deep.equal({
      type: 'peer-joined',
      told_by: 'fake-1',
      node: 'cache-2',
      state: 'alive',
      serving: true,
      grpc: '10.0.0.2:3320',
      gossip: '10.0.0.2:3322',
      admin: 'off',
      version: '0.1.0',
      weight: 1,
      incarnation: 17,
      id: 'i1',
    });
  });

  it('events end with 130 when interrupted, 0 after --timeout, and 4 when the node stops or --count is missed', async () => {
    const interrupted = await follow([], 'stderr', /listening/);
    interrupted.child.kill('SIGINT');
    expect(await interrupted.exit()).to.equal(130);
    expect(interrupted.seen.stdout).to.equal('');
    expect((await cli(['events', '--timeout', '2s'], { env: env() })).exit).to.equal(0);
    const missed = await cli(['events', '--timeout', '1s', '--count', '1'], { env: env() });
    expect(missed.exit).to.equal(4);

    const stopped = await follow([], 'stderr', /listening/);
    node.service.hub.close();
    expect(await stopped.exit()).to.equal(4);
    expect(stopped.seen.stderr).to.match(/\nError: fake-1 stopped, [^\n]+\n$/);
  });

  it('events of a node that breaks off end with 4, told in JSON too', async () => {
    const other = await startFakeNode('fake-2');
    const broken = await follow(['--json', '--addr', other.address], 'stdout', /listening/);
    await other.stop();
    expect(await broken.exit()).to.equal(4);
    const [, last] = broken.seen.stdout.trim().split('\n');
    expect(JSON.parse(last ?? '').error.code).to.equal('PEER_UNREACHABLE');
  });
});
