import { EventEmitter } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { changeLine } from '../../../src/demo/activity.js';
import { LocalCluster } from '../../../src/demo/cluster.js';
import { runDemo } from '../../../src/demo/demo.js';
import { stopSignals } from '../../../src/demo/stop-signals.js';
import { commands } from '../../../src/demo/text.js';
import { systemClock } from '../../../src/platform/clock.js';
import { systemRandom } from '../../../src/platform/random.js';
import { FakeClock } from '../../support/fake-clock.js';

const script = fileURLToPath(new URL('./stand-in.mjs', import.meta.url));
const launcherOf = (mode: string) => ({
  execPath: process.execPath,
  script,
  env: { ...process.env, NODE_OPTIONS: '', STAND_IN: mode },
});

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('the cluster of the demo', () => {
  const never = new AbortController().signal;
  let folder = '';
  let cluster: LocalCluster | undefined;
  let events: string[] = [];

  const clusterOf = (mode: string, clock = systemClock): LocalCluster => {
    cluster = new LocalCluster(folder, join(folder, 'cities.db'), launcherOf(mode), clock, {
      onLog: (node, line) => events.push(`${node}: ${line}`),
      onLoss: (node, how, left) => events.push(`${node} ${how}, ${left} left`),
    });
    return cluster;
  };
  const failureOf = (work: Promise<unknown>): Promise<Error & { code?: string }> =>
    work.then(
      () => {
        throw new Error('expected a rejection');
      },
      (error) => error,
    );

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distcache-demo-test-'));
    events = [];
  });
  afterEach(async () => {
    await cluster?.stop(AbortSignal.abort());
    cluster = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  it('starts nodes one by one and ends them with SIGTERM', async () => {
    const nodes = clusterOf('serve');
    const first = await nodes.add('demo-1');
    const second = await nodes.add('demo-2');
    expect(nodes.running).to.deep.equal([first, second]);
    const grpc = `127.0.0.1:${first.pid}`;
    expect(first).to.deep.equal({ node: 'demo-1', grpc, gossip: 'none', admin: 'off', pid: first.pid });
    await nodes.stop(never);
    expect([first.pid, second.pid].filter(isAlive)).to.deep.equal([]);
    expect(events.sort()).to.deep.equal(['demo-1: drained', 'demo-2: drained']);
    await nodes.stop(never);
  });

  it('passes on the error of a node that does not start', async () => {
    const error = await failureOf(clusterOf('refuse').add('demo-1'));
    expect(error.code).to.equal('INVALID_ARGUMENT');
    expect(error.message).to.equal('demo-1 did not start: port taken');
  });

  it('quotes the last words of a node that falls over at start', async () => {
    const error = await failureOf(clusterOf('crash').add('demo-1'));
    expect(error.message).to.equal('demo-1 ended with exit code 7 before it served: last words');
  });

  it('tells when there is no such program', async () => {
    const nodes = new LocalCluster(
      folder,
      'x',
      { ...launcherOf('serve'), execPath: join(folder, 'none') },
      systemClock,
      {
        onLog: () => {},
        onLoss: () => {},
      },
    );
    expect((await failureOf(nodes.add('demo-1'))).message).to.match(
      /^demo-1 did not start: spawn .*ENOENT before it served$/,
    );
    await nodes.stop(never);
  });

  it('does not wait for ever for a node that says nothing', async () => {
    const clock = new FakeClock();
    const nodes = clusterOf('mute', clock);
    const failing = failureOf(nodes.add('demo-1'));
    while (clock.pending() === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(30_000);
    expect((await failing).code).to.equal('TIMEOUT');
  });

  it('tells of nodes that end by themselves, and when none is left', async () => {
    const nodes = clusterOf('serve');
    const first = await nodes.add('demo-1');
    const second = await nodes.add('demo-2');
    process.kill(first.pid, 'SIGKILL');
    while (events.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(nodes.running).to.deep.equal([second]);
    process.kill(second.pid, 'SIGKILL');
    await nodes.allGone;
    expect(events).to.deep.equal(['demo-1 was ended by SIGKILL, 1 left', 'demo-2 was ended by SIGKILL, 0 left']);
  });

  it('kills a node that does not end in time', async () => {
    const clock = new FakeClock();
    const nodes = clusterOf('stubborn', clock);
    const { pid } = await nodes.add('demo-1');
    const stopping = nodes.stop(never);
    await clock.advance(10_000);
    await stopping;
    expect(isAlive(pid)).to.equal(false);
  });

  it('kills at once when it is told to', async () => {
    const nodes = clusterOf('stubborn', new FakeClock());
    const { pid } = await nodes.add('demo-1');
    const force = new AbortController();
    const stopping = nodes.stop(force.signal);
    force.abort();
    await stopping;
    expect(isAlive(pid)).to.equal(false);
  });
});

describe('the demo around its nodes', () => {
  interface Course {
    readonly stop: AbortController;
    readonly force: AbortController;
    readonly lines: string[];
    readonly printed: Promise<string>;
    readonly ended: Promise<unknown>;
  }
  const start = (mode: string, print?: (text: string) => Promise<void>): Course => {
    const stop = new AbortController();
    const force = new AbortController();
    const printed = Promise.withResolvers<string>();
    const lines: string[] = [];
    const ended = runDemo(
      { nodeCount: 2, json: true },
      {
        clock: systemClock,
        launcher: launcherOf(mode),
        signals: { stop: stop.signal, force: force.signal },
        print: print ?? (async (text) => printed.resolve(text)),
        note: async (line) => void lines.push(line),
        table: () => '',
        random: systemRandom,
      },
    ).then(
      () => 'done',
      (error) => error,
    );
    return { stop, force, lines, printed: printed.promise, ended };
  };
  const usualTmpdir = process.env.TMPDIR;
  let folder = '';

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distcache-demo-test-'));
    process.env.TMPDIR = folder;
  });
  afterEach(async () => {
    if (usualTmpdir === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usualTmpdir;
    const left = await readdir(folder);
    await rm(folder, { recursive: true, force: true });
    expect(left).to.deep.equal([]);
  });

  it('prints one line of JSON, and ends when it is asked to', async () => {
    const demo = start('serve');
    const text = await demo.printed;
    expect(text).to.match(/^[^\n]+\n$/);
    const { ready, keyspace, nodes } = JSON.parse(text);
    expect({ ready, keyspace }).to.deep.equal({ ready: true, keyspace: 'cities' });
    expect(nodes.map((node: { node: string }) => node.node)).to.deep.equal(['demo-1', 'demo-2']);
    expect(Object.keys(nodes[0])).to.deep.equal(['node', 'grpc', 'admin', 'pid']);
    demo.stop.abort();
    expect(await demo.ended).to.equal('done');
    expect(nodes.filter((node: { pid: number }) => isAlive(node.pid))).to.deep.equal([]);
  });

  it('ends while it starts', async () => {
    const demo = start('mute:demo-2');
    while (!demo.lines.includes('starting node 2 of 2')) await new Promise((resolve) => setImmediate(resolve));
    demo.stop.abort();
    expect(await demo.ended).to.equal('done');
  });

  it('ends before it starts', async () => {
    const demo = start('serve');
    demo.stop.abort();
    expect(await demo.ended).to.equal('done');
  });

  it('takes the first node down when the second does not start', async () => {
    expect(await start('refuse:demo-2').ended).to.have.property('code', 'INVALID_ARGUMENT');
  });

  it('goes on without one node, and gives up without any', async () => {
    const demo = start('serve');
    const { nodes } = JSON.parse(await demo.printed);
    process.kill(nodes[0].pid, 'SIGKILL');
    while (!demo.lines.includes('demo-1 was ended by SIGKILL; the others go on'))
      await new Promise((resolve) => setImmediate(resolve));
    process.kill(nodes[1].pid, 'SIGKILL');
    expect(await demo.ended).to.have.property('code', 'PEER_UNREACHABLE');
  });

  it('ends when its output is closed', async () => {
    const closed = new Error('stdout was closed');
    expect(await start('serve', () => Promise.reject(closed)).ended).to.equal(closed);
  });

  it('says that it was interrupted when it was told to hurry', async () => {
    const demo = start('stubborn');
    await demo.printed;
    demo.stop.abort();
    demo.force.abort();
    expect(await demo.ended).to.have.property('code', 'ABORTED');
  });
});

describe('stop signals', () => {
  it('take two that come together for one, and a later one for haste', async () => {
    const source = new EventEmitter();
    const clock = new FakeClock();
    const signals = stopSignals(source, clock);
    source.emit('SIGINT');
    source.emit('SIGINT');
    expect([signals.stop.aborted, signals.force.aborted]).to.deep.equal([true, false]);
    await clock.advance(500);
    source.emit('SIGTERM');
    expect(signals.force.aborted).to.equal(true);
    signals.release();
    expect(source.eventNames()).to.deep.equal([]);
  });
});

describe('what the demo says', () => {
  it('counts what happened on a node', () => {
    expect(changeLine({ gets: 1, cache_hits: 1 }, { gets: 4, cache_hits: 2, local_loads: 1, peer_loads: 1 })).to.equal(
      '3 gets, 1 from memory, 1 from another node, 1 from SQLite',
    );
    expect(changeLine({}, { gets: 1, cache_hits: 1 })).to.equal('1 get, 1 from memory');
    expect(changeLine({ gets: 1 }, { gets: 1 })).to.equal(undefined);
  });

  it('gives commands that reach a node, also where there is one only', () => {
    const lines = commands('cities', [
      { node: 'demo-1', grpc: '127.0.0.1:4000', admin: 'off', gossip: 'none', pid: 1 },
    ]);
    expect(lines[0]).to.equal('npx distcache get cities paris --addr 127.0.0.1:4000');
    for (const line of lines) expect(line).to.match(/^npx distcache .* --addr 127\.0\.0\.1:4000$/);
  });
});
