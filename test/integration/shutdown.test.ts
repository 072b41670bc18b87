import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CountingSource } from '../support/counting-source.js';
import { configOf, httpSource, isAlive, type NodeOptions, type RealNode, RealNodes } from '../support/real-nodes.js';
import { until, within } from '../support/until.js';

const readers = 20;

/** The code of the error that a connection to this port of the loopback interface meets; undefined: somebody listens. */
async function refusalOf(port: number): Promise<string | undefined> {
  const socket = connectSocket(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.destroy();
  }
}

describe('integration: the end of a node', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let source: CountingSource;
  let temporary: string;

  beforeEach(async () => {
    nodes = await RealNodes.open();
    source = await CountingSource.start();
    temporary = join(nodes.folder, 'tmp');
    await mkdir(temporary);
  });
  afterEach(async () => {
    await nodes.close();
    await source.stop();
  });

  const optionsOf = (top = ''): NodeOptions => ({
    config: configOf(httpSource(source.template), { keyspace: 'readTimeout: 30s', top }),
    // Node's cache of compiled code is no file of ours, and cold it would only make the test slow.
    env: { TMPDIR: temporary, NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') },
  });

  /** Reads of as many keys, all of them waiting for the source. */
  async function readsUnderWay(node: RealNode): Promise<{ settled(): Promise<PromiseSettledResult<string>[]> }> {
    const client = nodes.client([node]);
    source.hold();
    const reads = Array.from({ length: readers }, async (_, n) =>
      Buffer.from((await client.get('ks', `key-${n}`)).value).toString(),
    );
    await until('the reads are under way', () => source.underway === readers);
    const settled = Promise.allSettled(reads);
    return { settled: () => settled };
  }

  const drains = (node: RealNode): Promise<void> =>
    until('the node drains', () => node.log().some(({ msg }) => msg.includes('draining')));

  async function expectNothingLeft(node: RealNode, port: number): Promise<void> {
    expect(isAlive(node.pid)).to.equal(false);
    expect(await refusalOf(port)).to.equal('ECONNREFUSED');
    expect(await readdir(temporary)).to.deep.equal([]);
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    for (const plain of [false, true]) {
      const how = plain ? '' : ' --json';

      it(`${signal}${how}: reads under way finish, then it exits 0 and leaves nothing`, async () => {
        const node = await nodes.start({ ...optionsOf(), plain, name: 'only' });
        const { port } = node;
        const reads = await readsUnderWay(node);
        node.signal(signal);
        await drains(node);
        const late = nodes.client([node]).get('ks', 'late');
        expect(await late.catch((error) => error.code)).to.be.oneOf(['NOT_STARTED', 'PEER_UNREACHABLE']);
        expect(node.exit).to.equal(undefined);
        source.release();
        const outcomes = await reads.settled();
        expect(outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value)).to.deep.equal(
          Array.from({ length: readers }, (_, n) => `document of key-${n}`),
        );
        expect(await within(10_000, 'the end of the node', node.exited)).to.equal(0);
        expect(node.stdout.match(/\n/g), node.stdout).to.have.length(1);
        expect(node.log().filter(({ level }) => level >= 40)).to.deep.equal([]);
        expect(node.stderr.split('\n').filter((line) => !line.startsWith('{'))).to.deep.equal(['']);
        await expectNothingLeft(node, port);
      });

      it(`${signal}${how} twice: the second ends it at once with 130`, async () => {
        const node = await nodes.start({ ...optionsOf(), plain, name: 'only' });
        const { port } = node;
        await readsUnderWay(node);
        node.signal(signal);
        await drains(node);
        node.signal(signal);
        expect(await within(10_000, 'the end of the node', node.exited)).to.equal(130);
        await expectNothingLeft(node, port);
      });
    }
  }

  it('an idle node with clients connected exits at once', async () => {
    const node = await nodes.start(optionsOf());
    const client = nodes.client([node]);
    await client.get('ks', 'k');
    node.signal('SIGTERM');
    // Its deadline for what is under way is 30 s.
    expect(await within(5_000, 'the end of the node', node.exited)).to.equal(0);
  });

  it('a read that never ends is broken off at cluster.shutdownTimeout', async () => {
    const node = await nodes.start(optionsOf('cluster: { shutdownTimeout: 300ms }'));
    const reads = await readsUnderWay(node);
    node.signal('SIGTERM');
    expect(await within(10_000, 'the end of the node', node.exited)).to.equal(0);
    for (const outcome of await reads.settled()) {
      expect(outcome.status === 'rejected' && outcome.reason.code).to.be.oneOf(['NOT_STARTED', 'PEER_UNREACHABLE']);
    }
  });

  it('the others see that it left, at once, and go on', async () => {
    const [first, second, third] = (await nodes.cluster(['one', 'two', 'three'], optionsOf())) as [
      RealNode,
      RealNode,
      RealNode,
    ];
    const clients = [first, second].map((node) => nodes.client([node]));
    third.signal('SIGTERM');
    expect(await third.exited).to.equal(0);
    for (const client of clients) {
      const states = async () => (await client.peers()).map(({ name, state }) => `${name} ${state}`);
      await until('it is seen to have left', async () => (await states()).includes('three left'));
      expect(await states()).to.deep.equal(['one alive', 'three left', 'two alive']);
      expect((await client.getMany('ks', ['a', 'b', 'c', 'd'])).every(({ found }) => found)).to.equal(true);
    }
  });

  it('a signal while it still waits for its peers ends it with 0, and it never says that it is ready', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const args = ['--peers', `127.0.0.1:${port}`];
    const node = await nodes.spawn({
      config: configOf('{ type: none }', { top: 'cluster: { minimumPeers: 2 }' }),
      args,
    });
    await until('it has dialled', () => sockets.size > 0);
    node.signal('SIGTERM');
    expect(await within(10_000, 'the end of the node', node.exited)).to.equal(0);
    expect(node.stdout).to.equal('');
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
});
