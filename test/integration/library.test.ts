import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine, staticDiscovery } from '../../src/index.js';
import { root } from '../support/cli.js';
import { configOf, RealNodes } from '../support/real-nodes.js';
import { within } from '../support/until.js';

/** No test waits for the process: it ends by itself, or it is a fault. */
const endsWithinMs = 20_000;

describe('integration: the built package in an application', function () {
  this.timeout(60_000);
  let folder: string;
  let nodes: RealNodes;

  beforeEach(async () => {
    nodes = await RealNodes.open();
    folder = await mkdtemp(join(tmpdir(), 'distcache-app-'));
    await mkdir(join(folder, 'node_modules'));
    await symlink(root, join(folder, 'node_modules/distcache'));
  });
  afterEach(async () => {
    await nodes.close();
    await rm(folder, { recursive: true });
  });

  /** Runs a module as an application does; resolves with its stdout when it has ended by itself, with 0 and in silence. */
  async function run(code: string, args: readonly string[] = []): Promise<string> {
    const file = join(folder, 'app.mjs');
    await writeFile(file, code);
    const child = spawn(process.execPath, [file, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    try {
      const [exit] = await within(endsWithinMs, 'the end of the application', once(child, 'close'));
      expect({ exit, stderr }).to.deep.equal({ exit: 0, stderr: '' });
      return stdout;
    } finally {
      child.kill('SIGKILL');
    }
  }

  it('a standalone engine: reads through, puts, deletes, tells what happens, and the process ends after stop', async () => {
    const output = await run(`
      import { Engine } from 'distcache';
      let loads = 0;
      const db = { load: async (key, signal) => { loads++; signal.throwIfAborted(); return key === '42' ? 'Ada' : null; } };
      const engine = new Engine({
        keyspaces: [{ name: 'users', maxBytes: 64 << 20, dataSource: { fetch: (key, { signal }) => db.load(key, signal) } }],
      });
      await engine.start();
      const text = ({ value }) => new TextDecoder().decode(value);
      const events = (async () => { for await (const event of engine.events()) console.log('event', event.type); })();
      await Promise.all(Array.from({ length: 100 }, () => engine.get('users', '42')));
      console.log(text(await engine.get('users', '42')), loads);
      await engine.put('users', { key: '42', value: new TextEncoder().encode('Grace'), expiresAt: new Date(Date.now() + 60_000) });
      console.log(text(await engine.get('users', '42')), loads);
      await engine.delete('users', '42');
      console.log(text(await engine.get('users', '42')), loads);
      console.log(await engine.get('users', '43').catch((error) => error.code));
      console.log(engine.keyspaces().join());
      await engine.deleteKeyspace('users');
      await engine.stop();
      await events;
      console.log(await engine.get('users', '42').catch((error) => error.code));
    `);
    expect(output.split('\n')).to.deep.equal([
      'Ada 1',
      'Grace 1',
      'Ada 2',
      'NOT_FOUND',
      'users',
      'event keyspace-deleted',
      'NOT_STARTED',
      '',
    ]);
  });

  it('a member of a running cluster, and a client of it', async () => {
    const node = await nodes.start({ name: 'node', config: configOf('{ type: none }') });
    const output = await run(
      `
      import { Engine, staticDiscovery } from 'distcache';
      import { connect } from 'distcache/client';
      const [address, gossip] = process.argv.slice(2);
      const engine = new Engine({
        name: 'library', bind: { port: 0 }, gossip: { port: 0 }, discovery: staticDiscovery({ peers: [gossip] }),
        keyspaces: [{ name: 'ks', maxBytes: '8MiB', dataSource: { fetch: () => null } }],
      });
      await engine.start();
      const client = connect({ addresses: [address] });
      while ((await client.status()).peers < 2) await new Promise((resolve) => setTimeout(resolve, 10));
      const keys = Array.from({ length: 50 }, (_, n) => 'key-' + n);
      const value = new TextEncoder().encode('v');
      await client.putMany('ks', keys.map((key) => ({ key, value })));
      const found = await engine.getMany('ks', keys);
      console.log(found.filter((lookup) => lookup.found).length, new Set(found.map((lookup) => lookup.node)).size);
      console.log((await client.peers()).map(({ name, state }) => name + ' ' + state).join());
      await client.close();
      await engine.stop();
    `,
      [node.grpc, node.gossip],
    );
    expect(output).to.equal('50 2\nlibrary alive,node alive\n');
  });

  it('20 starts and stops of a listening engine leave nothing that keeps the process', async () => {
    const output = await run(`
      import { Engine, staticDiscovery } from 'distcache';
      for (let n = 0; n < 20; n++) {
        const options = (name, peers) => ({
          name, bind: { port: 0 }, gossip: { port: 0 }, discovery: staticDiscovery({ peers }),
          keyspaces: [{ name: 'ks', maxBytes: '8MiB', defaultTtl: '1m', dataSource: { fetch: (key) => 'v' + key } }],
        });
        const first = new Engine(options('one', []));
        await first.start();
        const second = new Engine(options('two', [first.status().gossip]));
        await second.start();
        await Promise.all([first, second].map((engine) => engine.getMany('ks', ['a', 'b', 'c', 'd'])));
        await Promise.all([first.stop(), second.stop()]);
      }
      const stoppedMs = performance.now();
      process.on('exit', () => console.log(performance.now() - stoppedMs < 3000 ? 'soon' : 'late'));
    `);
    expect(output).to.equal('soon\n');
  });

  it('an application that never stops its engine is kept by nothing but what it listens on', async () => {
    // A standalone engine listens nowhere: its upkeep must not keep the process of whoever forgot to stop it.
    const output = await run(`
      import { Engine } from 'distcache';
      const engine = new Engine({ keyspaces: [{ name: 'ks', maxBytes: '1MiB', defaultTtl: '1m', dataSource: { fetch: (key) => key } }] });
      await engine.start();
      await engine.get('ks', 'k');
      console.log('done');
    `);
    expect(output).to.equal('done\n');
  });

  it('the public types and values are there: errors by class and code', async () => {
    const output = await run(`
      import * as distcache from 'distcache';
      import * as client from 'distcache/client';
      const { Engine, DistcacheError } = distcache;
      try { new Engine({ keyspaces: [{ name: 'ks', maxBytes: 0, dataSource: { fetch: () => null } }] }); }
      catch (error) { console.log(error instanceof DistcacheError, error.code, /maxBytes/.test(error.message)); }
      console.log(typeof client.connect, distcache.errorCodes.length);
    `);
    expect(output).to.equal('true INVALID_ARGUMENT true\nfunction 15\n');
  });
});

describe('integration: stop during start', function () {
  this.timeout(30_000);

  it('ends the wait for peers at once: start rejects, and nothing is left', async () => {
    const engine = new Engine({
      name: 'lonely',
      bind: { port: 0 },
      gossip: { port: 0 },
      discovery: staticDiscovery({ peers: ['127.0.0.1:9'] }),
      cluster: { minimumPeers: 2, bootstrapTimeout: '10m' },
      keyspaces: [],
    });
    const starting = engine.start().catch((error) => error.code);
    const early = engine.stop();
    expect(engine.stop()).to.equal(early);
    await within(10_000, 'stop', early);
    expect(await within(10_000, 'start', starting)).to.equal('NOT_STARTED');
    expect(await engine.start().catch((error) => error.code)).to.equal('NOT_STARTED');
  });

  it('as does the signal that start was given', async () => {
    const engine = new Engine({
      bind: { port: 0 },
      gossip: { port: 0 },
      discovery: staticDiscovery({ peers: ['127.0.0.1:9'] }),
      cluster: { minimumPeers: 2, bootstrapTimeout: '10m' },
      keyspaces: [],
    });
    const cancel = new AbortController();
    const starting = engine.start({ signal: cancel.signal }).catch((error) => error.code);
    cancel.abort();
    expect(await within(10_000, 'start', starting)).to.equal('ABORTED');
    await engine.stop();
  });
});
