import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Client, connect } from '../../src/client/client.js';

const script = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

interface ReadyNode {
  readonly node: string;
  readonly grpc: string;
  readonly admin: string;
  readonly pid: number;
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Asks again until it holds; the test's own time-out is the limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** One `distcache demo` with its output and what becomes of it. */
class Demo {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly exit: Promise<number | NodeJS.Signals | null>;

  constructor(args: readonly string[], folder: string) {
    this.child = spawn(process.execPath, [script, 'demo', ...args], {
      env: { ...process.env, TMPDIR: folder, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
    this.exit = new Promise((resolve) => this.child.on('close', (code, signal) => resolve(signal ?? code)));
  }

  /** The nodes of the `--json` line, or of the table of the text. */
  async nodes(): Promise<readonly ReadyNode[]> {
    await Promise.race([until(() => this.stdout.endsWith('\n')), this.exit]);
    expect(this.stdout, this.stderr).to.match(/\n$/);
    return JSON.parse(this.stdout).nodes;
  }
}

describe('distcache demo', function () {
  this.timeout(60_000);
  let folder = '';
  let demos: Demo[] = [];
  let clients: Client[] = [];

  const start = (...args: readonly string[]): Demo => {
    const demo = new Demo(args, folder);
    demos.push(demo);
    return demo;
  };
  const clientOf = (node: ReadyNode | undefined): Client => {
    const client = connect({ addresses: [node!.grpc] });
    clients.push(client);
    return client;
  };

  /** What lies in the temporary folder, but for Node's own cache of compiled code. */
  const left = async (): Promise<readonly string[]> =>
    (await readdir(folder)).filter((name) => name !== 'node-compile-cache');

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distcache-demo-cli-'));
    demos = [];
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) await client.close();
    for (const demo of demos) demo.child.kill('SIGKILL');
    await Promise.all(demos.map((demo) => demo.exit));
    // Every way to end leaves nothing; nodes whose demo was killed remove its folder.
    while ((await left()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await rm(folder, { recursive: true, force: true });
  });

  it('prints one JSON line once three nodes serve, and leaves nothing after SIGTERM', async () => {
    const demo = start('--json');
    const nodes = await demo.nodes();
    const line = demo.stdout;
    expect(JSON.parse(line)).to.include({ ready: true, keyspace: 'cities' });
    expect(nodes.map(({ node }) => node)).to.deep.equal(['demo-1', 'demo-2', 'demo-3']);
    for (const node of nodes) expect(node.grpc).to.match(/^127\.0\.0\.1:\d+$/);

    const outcomes: string[] = [];
    const answeredBy = new Set<string>();
    for (const node of nodes) {
      const found = await clientOf(node).get('cities', 'paris');
      expect(JSON.parse(Buffer.from(found.value).toString())).to.include({ name: 'Paris', country: 'FR' });
      outcomes.push(found.outcome);
      answeredBy.add(found.node);
    }
    expect(outcomes.filter((outcome) => outcome === 'load')).to.have.length(1);
    expect(answeredBy.size, 'each key has one owner').to.equal(1);

    demo.child.kill('SIGTERM');
    expect(await demo.exit).to.equal(0);
    expect(demo.stdout).to.equal(line);
    expect(nodes.filter(({ pid }) => isAlive(pid))).to.deep.equal([]);
    expect(await left()).to.deep.equal([]);
  });

  it('shows what happened and what to type, and ends on Ctrl-C', async () => {
    const demo = start('--nodes', '2');
    await until(() => demo.stdout.includes('Ctrl-C'));
    expect(demo.stdout).to.match(/demo-1 +paris +load +demo-\d +loaded from SQLite/);
    expect(demo.stdout).to.match(/demo-\d +paris +(hit|hot) /);
    expect(demo.stdout).to.match(/xanadu +negative /);
    expect(demo.stdout).to.match(/npx distcache get cities paris --addr 127\.0\.0\.1:\d+\n/);
    expect(demo.stdout).to.include('GeoNames');
    const grpc = /--addr (127\.0\.0\.1:\d+)/.exec(demo.stdout)?.[1];
    await clientOf({ node: 'demo-1', grpc: grpc!, admin: 'off', pid: 0 }).get('cities', 'oslo');
    await until(() => /^demo-\d: 1 get, /m.test(demo.stderr));
    demo.child.kill('SIGINT');
    expect(await demo.exit).to.equal(0);
    expect(demo.stderr).to.not.match(/Error|Warning/);
    expect(await left()).to.deep.equal([]);
  });

  it('ends on Ctrl-C while it starts', async () => {
    const demo = start();
    await until(() => demo.stderr.includes('starting node 2'));
    demo.child.kill('SIGINT');
    expect(await demo.exit).to.equal(0);
    expect(demo.stdout).to.equal('');
    expect(await left()).to.deep.equal([]);
  });

  it('goes on when a node is killed, and says so', async () => {
    const demo = start('--json');
    const nodes = await demo.nodes();
    process.kill(nodes[1]!.pid, 'SIGKILL');
    await until(() => demo.stderr.includes('demo-2 was ended by SIGKILL; the others go on'));
    for (const key of ['paris', 'tokyo', 'oslo', 'lima']) {
      for (const node of [nodes[0], nodes[2]]) {
        expect((await clientOf(node).get('cities', key)).value.byteLength).to.be.above(0);
      }
    }
    demo.child.kill('SIGTERM');
    expect(await demo.exit).to.equal(0);
  });

  it('fails when its last node ended by itself', async () => {
    const demo = start('--json', '--nodes', '1');
    const [node] = await demo.nodes();
    process.kill(node!.pid, 'SIGKILL');
    expect(await demo.exit).to.equal(4);
    expect(demo.stderr).to.include('all nodes of the demo have ended');
    expect(await left()).to.deep.equal([]);
  });

  it('takes its nodes and files along when it is killed', async () => {
    const demo = start('--json');
    const nodes = await demo.nodes();
    demo.child.kill('SIGKILL');
    await demo.exit;
    await until(() => !nodes.some(({ pid }) => isAlive(pid)));
    expect(await left()).to.deep.equal([]);
  });

  it('does not wait for a node that hangs when it is told twice', async () => {
    const demo = start('--json', '--nodes', '2');
    const nodes = await demo.nodes();
    process.kill(nodes[0]!.pid, 'SIGSTOP');
    demo.child.kill('SIGINT');
    await until(() => !isAlive(nodes[1]!.pid));
    // Signals within half a second count as one: npm hands on what the terminal has sent already.
    await new Promise((resolve) => setTimeout(resolve, 600));
    demo.child.kill('SIGINT');
    expect(await demo.exit).to.equal(130);
    expect(isAlive(nodes[0]!.pid)).to.equal(false);
    expect(await left()).to.deep.equal([]);
  });

  for (const [name, args] of [
    ['text', ['--nodes', '1']],
    ['JSON', ['--nodes', '1', '--json']],
  ] as const) {
    it(`ends when nobody reads its ${name} any more`, async () => {
      const demo = start(...args);
      demo.child.stdout?.destroy();
      expect(await demo.exit).to.equal(0);
      expect(demo.stderr).to.not.include('Error');
      expect(await left()).to.deep.equal([]);
    });
  }

  for (const [name, value] of [
    ['none', '0'],
    ['too many', '10'],
    ['half a node', '1.5'],
  ] as const) {
    it(`refuses ${name}`, async () => {
      const demo = start('--json', '--nodes', value);
      expect(await demo.exit).to.equal(2);
      expect(demo.stderr).to.match(/^Error: [^\n]+\n$/);
      expect(JSON.parse(demo.stdout).error.code).to.equal('INVALID_ARGUMENT');
    });
  }
});
