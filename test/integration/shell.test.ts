import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import { cli, type Ended, shell } from '../support/cli.js';
import { configOf, type RealNode, RealNodes } from '../support/real-nodes.js';

describe('integration: scripts against a cluster', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let cluster: readonly RealNode[];
  let env: Record<string, string>;

  before(async () => {
    nodes = await RealNodes.open();
    cluster = await nodes.cluster(['one', 'two'], { config: configOf('{ type: none }') });
    env = { DISTCACHE_ADDR: cluster.map((node) => node.grpc).join(','), DIR: nodes.folder };
  });
  after(() => nodes.close());

  const bash = (line: string, input?: string): Promise<Ended> =>
    shell(line, { env, ...(input === undefined ? {} : { input }) });

  it('while read k; do distcache put …; done stores each line', async () => {
    const keys = ['one', 'two three', 'four\tfive', '-six', '§7'];
    const ended = await bash(
      'while IFS= read -r k; do distcache put ks -- "$k" "value of $k"; done',
      keys.map((key) => `${key}\n`).join(''),
    );
    expect(ended).to.deep.include({ exit: 0, stderr: '', stdout: Buffer.alloc(0) });
    const read = await bash('distcache get ks -', keys.join('\n'));
    expect(read.stdout.toString()).to.equal(keys.map((key) => `${key}\tvalue of ${key}\n`).join(''));
    const looped = await bash(
      'while IFS= read -r k; do distcache get ks -- "$k"; echo; distcache delete ks -- "$k"; done',
      keys.map((key) => `${key}\n`).join(''),
    );
    expect(looped).to.deep.include({ exit: 0, stderr: '' });
    expect(looped.stdout.toString()).to.equal(keys.map((key) => `value of ${key}\n`).join(''));
    expect((await bash('distcache get ks -', keys.join('\n'))).exit).to.equal(3);
  });

  it('get | head -c 1 ends in silence, however large the value', async () => {
    const put = await bash('head -c 8000000 /dev/zero | distcache put ks big');
    expect(put).to.deep.include({ exit: 0, stderr: '' });
    // Without pipefail the exit code is head's; get must neither complain nor be killed.
    const ended = await bash(
      'set +o pipefail; distcache get ks big | head -c 1 | wc -c; echo "get: $' + '{PIPESTATUS[0]}"',
    );
    expect(ended.stderr).to.equal('');
    expect(ended.stdout.toString().split(/\s+/)).to.deep.equal(['1', 'get:', '0', '']);
  });

  it('a value goes through command substitution, a variable and back', async () => {
    const ended = await bash(
      'v=$(distcache get ks state 2>/dev/null) || v=none; distcache put ks state "$v+1" && distcache get ks state',
    );
    expect(ended).to.deep.include({ exit: 0, stderr: '', stdout: Buffer.from('none+1') });
  });

  describe('exit codes are the same with and without --json', () => {
    const rows: readonly { name: string; args: readonly string[]; exit: number; code: string }[] = [
      { name: 'a key that is not there', args: ['get', 'ks', 'nobody'], exit: 3, code: 'NOT_FOUND' },
      { name: 'a keyspace that is not there', args: ['get', 'nowhere', 'k'], exit: 3, code: 'KEYSPACE_NOT_FOUND' },
      { name: 'one of several keys missing', args: ['get', 'ks', 'nobody', 'no-one'], exit: 3, code: 'NOT_FOUND' },
      { name: 'a put into no keyspace', args: ['put', 'nowhere', 'k', 'v'], exit: 3, code: 'KEYSPACE_NOT_FOUND' },
      { name: 'a keyspace to show', args: ['keyspace', 'show', 'nowhere'], exit: 3, code: 'KEYSPACE_NOT_FOUND' },
      { name: 'nobody listens', args: ['get', 'ks', 'k', '--addr', '127.0.0.1:9'], exit: 4, code: 'PEER_UNREACHABLE' },
      {
        name: 'nobody listens to a put',
        args: ['put', 'ks', 'k', 'v', '--addr', '127.0.0.1:9'],
        exit: 4,
        code: 'PEER_UNREACHABLE',
      },
      { name: 'no name', args: ['peers', '--addr', 'nowhere.invalid:3320'], exit: 4, code: 'PEER_UNREACHABLE' },
      { name: 'an empty key', args: ['get', 'ks', ''], exit: 2, code: 'INVALID_ARGUMENT' },
      { name: 'no key', args: ['get', 'ks'], exit: 2, code: 'INVALID_ARGUMENT' },
      { name: 'an unknown flag', args: ['get', 'ks', 'k', '--quick'], exit: 2, code: 'INVALID_ARGUMENT' },
      {
        name: 'a time to live of nothing',
        args: ['put', 'ks', 'k', 'v', '--ttl', '0s'],
        exit: 2,
        code: 'INVALID_ARGUMENT',
      },
      {
        name: 'a file that is not there',
        args: ['put', 'ks', 'k', '--file', '/nowhere/f'],
        exit: 2,
        code: 'INVALID_ARGUMENT',
      },
      { name: 'an unknown command', args: ['fetch', 'ks', 'k'], exit: 2, code: 'INVALID_ARGUMENT' },
    ];
    for (const { name, args, exit, code } of rows) {
      it(`${name}: ${exit}`, async () => {
        const plain = await cli(args, { env });
        const json = await cli([...args, '--json'], { env });
        expect([plain.exit, json.exit], plain.stderr).to.deep.equal([exit, exit]);
        expect(plain.stderr).to.match(/^Error: .*\n$/);
        expect(json.stderr).to.equal(plain.stderr);
        expect(plain.stdout.toString()).to.equal('');
        expect(JSON.parse(json.stdout.toString()).error.code).to.equal(code);
      });
    }

    it('a node that says nothing: 4, within the time-out', async () => {
      const sockets = new Set<Socket>();
      const silent = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const addr = `127.0.0.1:${(silent.address() as { port: number }).port}`;
      for (const json of [[], ['--json']]) {
        const ended = await cli(['get', 'ks', 'k', '--addr', addr, '--timeout', '200ms', ...json]);
        expect(ended.exit).to.equal(4);
      }
      // The next address is tried, within the same time.
      const second = await cli(['put', 'ks', 'k', 'v', '--addr', `${addr},${cluster[0]!.grpc}`]);
      expect(second).to.deep.include({ exit: 0, stderr: '' });
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
  });

  it('peers and node status tell of the cluster, as text and as JSON', async () => {
    const json = await cli(['peers', '--json'], { env });
    const { peers } = JSON.parse(json.stdout.toString());
    expect(peers.map(({ name, state }: { name: string; state: string }) => [name, state])).to.deep.equal([
      ['one', 'alive'],
      ['two', 'alive'],
    ]);
    expect(peers.reduce((sum: number, { ring_share }: { ring_share: number }) => sum + ring_share, 0)).to.be.closeTo(
      1,
      1e-6,
    );
    expect((await cli(['peers'], { env })).stdout.toString())
      .to.contain('one')
      .and.contain('two');
    const status = JSON.parse((await cli(['node', 'status', '--json'], { env })).stdout.toString());
    expect(status).to.include({ node: 'one', ready: true });
  });
});
