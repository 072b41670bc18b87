import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { DistcacheError } from '../../src/base/errors.js';
import { cli, exitOf, root, shell, startCli } from '../support/cli.js';
import { type FakeNode, startFakeNode } from '../support/fake-node.js';

interface Manifest {
  readonly commands: Readonly<
    Record<string, { readonly examples?: readonly (string | { readonly command: string })[] }>
  >;
}

describe('cli: what holds for every command', function () {
  this.timeout(30_000);
  let node: FakeNode;
  let deadAddress: string;

  before(async () => {
    node = await startFakeNode();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    deadAddress = `127.0.0.1:${(server.address() as { port: number }).port}`;
    server.close();
    await once(server, 'close');
    const refuse = node.service.mischief.refuse;
    refuse.set('limited', new DistcacheError('DATA_SOURCE_RATE_LIMITED', 'too many loads'));
    refuse.set('open', new DistcacheError('DATA_SOURCE_CIRCUIT_OPEN', 'the circuit is open'));
    refuse.set('secret', new DistcacheError('UNAUTHORIZED', 'not yours'));
    refuse.set('broken', new DistcacheError('DATA_SOURCE_FAILED', 'the database is down'));
    refuse.set('slow', new DistcacheError('TIMEOUT', 'took too long'));
  });
  after(() => node.stop());

  const env = () => ({ DISTCACHE_ADDR: node.address });

  const rows: readonly { name: string; args: readonly string[]; exit: number; code: string }[] = [
    { name: 'missing key', args: ['get', 'ks', 'absent'], exit: 3, code: 'NOT_FOUND' },
    { name: 'missing key of several', args: ['get', 'ks', 'absent', 'gone'], exit: 3, code: 'NOT_FOUND' },
    { name: 'missing keyspace', args: ['get', 'other', 'k'], exit: 3, code: 'KEYSPACE_NOT_FOUND' },
    { name: 'missing keyspace shown', args: ['keyspace', 'show', 'other'], exit: 3, code: 'KEYSPACE_NOT_FOUND' },
    { name: 'missing keyspace of a put', args: ['put', 'other', 'k', 'v'], exit: 3, code: 'KEYSPACE_NOT_FOUND' },
    { name: 'missing keyspace of a key to place', args: ['ring', 'other', 'k'], exit: 3, code: 'KEYSPACE_NOT_FOUND' },
    { name: 'ring without key', args: ['ring', 'ks'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'events, none of them', args: ['events', '--count', '0'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'empty key', args: ['get', 'ks', ''], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'rate limit', args: ['get', 'ks', 'limited'], exit: 5, code: 'DATA_SOURCE_RATE_LIMITED' },
    { name: 'open circuit', args: ['get', 'ks', 'open'], exit: 5, code: 'DATA_SOURCE_CIRCUIT_OPEN' },
    { name: 'not authorised', args: ['get', 'ks', 'secret'], exit: 6, code: 'UNAUTHORIZED' },
    { name: 'failing data source', args: ['get', 'ks', 'broken'], exit: 1, code: 'DATA_SOURCE_FAILED' },
    { name: 'a time-out on the node', args: ['get', 'ks', 'slow'], exit: 4, code: 'TIMEOUT' },
    { name: 'unknown flag', args: ['get', 'ks', 'k', '--nope'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'missing argument', args: ['get', 'ks'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'argument too many', args: ['peers', 'x'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'unknown command', args: ['gett', 'ks', 'k'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'unknown command of a topic', args: ['keyspace', 'lst'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'flag without value', args: ['get', 'ks', 'k', '--timeout'], exit: 2, code: 'INVALID_ARGUMENT' },
    {
      name: 'flag given twice',
      args: ['peers', '--timeout', '1s', '--timeout', '2s'],
      exit: 2,
      code: 'INVALID_ARGUMENT',
    },
    { name: 'no duration', args: ['get', 'ks', 'k', '--timeout', '5'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'no address', args: ['peers', '--addr', 'here'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'a token with a space', args: ['peers', '--token', 'a b'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'an authority nowhere', args: ['peers', '--tls-ca', '/nowhere.pem'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'a certificate without key', args: ['peers', '--tls-cert', 'c.pem'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'value twice', args: ['put', 'ks', 'k', 'v', '--file', 'f'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'missing file', args: ['put', 'ks', 'k', '--file', '/nowhere/f'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'key beside --from', args: ['put', 'ks', 'k', '--from', 'f'], exit: 2, code: 'INVALID_ARGUMENT' },
    {
      name: '--file beside --from',
      args: ['put', 'ks', '--file', 'f', '--from', 'f'],
      exit: 2,
      code: 'INVALID_ARGUMENT',
    },
    { name: 'put without key', args: ['put', 'ks'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: '--ttl of 0', args: ['put', 'ks', 'k', 'v', '--ttl', '0s'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'output without a name', args: ['get', 'ks', 'k', '-o', ''], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'a value that is not UTF-8', args: ['put', 'ks', 'k', 'a\ufffd'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'a key that is not UTF-8', args: ['get', 'ks', '\ufffd'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: '--ttl of ages', args: ['put', 'ks', 'k', 'v', '--ttl', '36501d'], exit: 2, code: 'INVALID_ARGUMENT' },
    { name: 'output nowhere', args: ['get', 'ks', 'k', '-o', '/nowhere/f'], exit: 2, code: 'INVALID_ARGUMENT' },
  ];
  for (const { name, args, exit, code } of rows) {
    it(`${name}: exit ${exit}, one line, the same with --json`, async () => {
      const [plain, told] = await Promise.all([cli(args, { env: env() }), cli([...args, '--json'], { env: env() })]);
      expect(plain.exit).to.equal(exit);
      expect(plain.stdout.toString()).to.equal('');
      expect(plain.stderr).to.match(/^Error: [^\n]+\n$/);
      expect(told.exit).to.equal(exit);
      expect(told.stderr).to.equal(plain.stderr);
      const { error } = JSON.parse(told.stdout.toString());
      expect(error.code).to.equal(code);
      expect(plain.stderr).to.equal(`Error: ${error.message}\n`);
    });
  }

  it('out of reach: exit 4, naming the addresses and what to do', async () => {
    for (const args of [['get', 'ks', 'k'], ['peers'], ['put', 'ks', 'k', 'v'], ['delete', 'ks', 'k', 'l']]) {
      for (const json of [[], ['--json']]) {
        const ended = await cli([...args, '--addr', deadAddress, ...json]);
        expect(ended.exit).to.equal(4);
        expect(ended.stderr)
          .to.contain(deadAddress)
          .and.contain('--addr')
          .and.match(/^[^\n]+\n$/);
        expect(ended.stdout.toString()).to.match(json.length === 0 ? /^$/ : /"code":"PEER_UNREACHABLE"/);
      }
    }
  });

  it('the next address is tried, from flag or environment, and a flag beats the environment', async () => {
    const both = await cli(['node', 'status', '--json', '--addr', `${deadAddress},${node.address}`]);
    expect(both.exit).to.equal(0);
    expect((await cli(['peers'], { env: { DISTCACHE_ADDR: `${deadAddress},${node.address}` } })).exit).to.equal(0);
    expect((await cli(['peers', '--addr', node.address], { env: { DISTCACHE_ADDR: deadAddress } })).exit).to.equal(0);
    expect((await cli(['peers'], { env: { ...env(), DISTCACHE_TOKEN: 'a b' } })).stderr).to.contain('DISTCACHE_TOKEN');
    expect((await cli(['peers'], { env: { ...env(), DISTCACHE_TIMEOUT: 'x' } })).stderr).to.contain(
      '--timeout is "x", from DISTCACHE_TIMEOUT',
    );
    expect((await cli(['peers'], { env: { DISTCACHE_ADDR: 'x' } })).stderr).to.contain(
      '--addr, from DISTCACHE_ADDR: "x"',
    );
    expect((await cli(['peers', '--addr', 'x'])).stderr).to.contain('--addr: "x"');
  });

  it('a node that takes connections and says nothing: exit 4 within the time-out', async () => {
    const sockets = new Set<{ destroy(): void }>();
    const server = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const ended = await cli(['get', 'ks', 'k', '--addr', `127.0.0.1:${port}`, '--timeout', '300ms', '--json']);
    for (const socket of sockets) socket.destroy();
    server.close();
    expect(ended.exit).to.equal(4);
    expect(ended.stderr).to.match(/no connection within \d+ms/);
  });

  describe('with a node that never answers', () => {
    beforeEach(() => {
      node.service.mischief.silent = true;
      node.service.calls.length = 0;
    });
    afterEach(() => {
      node.service.mischief.silent = false;
    });

    it('a call: exit 4 within the time-out', async () => {
      const ended = await cli(['get', 'ks', 'k', '--timeout', '1s'], { env: env() });
      expect(ended.exit).to.equal(4);
      expect(ended.stderr).to.contain('did not answer within 1s');
    });

    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      for (const json of [[], ['--json']]) {
        it(`${signal} ends a call with 130 ${json.join('')}`, async () => {
          const child = startCli(['get', 'ks', 'k', '--timeout', '30s', ...json], { env: env() });
          while (node.service.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
          child.kill(signal);
          expect((await once(child, 'close'))[0]).to.equal(130);
        });
      }
    }
  });

  it('SIGINT ends a command that waits for stdin with 130, leaving no file', async () => {
    const child = startCli(['put', 'ks', 'k'], { env: env(), stdin: 'pipe' });
    // It has begun to listen for signals once it reads; a full pipe shows that it has.
    const { stdin } = child;
    if (stdin === null) throw new Error('no stdin');
    while (stdin.write(Buffer.alloc(65_536))) await new Promise((resolve) => setImmediate(resolve));
    await once(stdin, 'drain');
    stdin.on('error', () => {});
    child.kill('SIGINT');
    expect((await once(child, 'close'))[0]).to.equal(130);
  });

  it('a stack is shown with DEBUG=* alone', async () => {
    const debug = await cli(['get', 'ks', 'broken'], { env: { ...env(), DEBUG: '*' } });
    expect(debug.stderr).to.match(/^ {4}at /m);
    const plain = await cli(['get', 'ks', 'broken'], { env: env() });
    expect(plain.stderr).to.equal('Error: the database is down\n');
  });

  for (const line of [
    'peers',
    'ring ks here',
    'events --json',
    'get ks absent --json',
    'get ks here',
    'get ks here --json',
    'keyspace list --json',
    'node status',
    'config schema',
    '--version',
    '--help',
    'peers --help',
  ]) {
    it(`a full disk under stdout: ${line} ends with 1 and one line`, async () => {
      await node.service.put('ks', { key: 'here', value: Buffer.from('v') });
      const ended = await shell(`distcache ${line} > /dev/full`, { env: env() });
      const isMissing = line.includes('absent');
      expect(ended.exit).to.equal(isMissing ? 3 : 1);
      expect(ended.stderr).to.match(
        isMissing ? /^Error: [^\n]+\n$/ : /^Error: cannot write to stdout: no space left on device\n$/,
      );
    });
  }

  it('a node whose ready line cannot be written ends with 1', async () => {
    const ended = await shell('distcache node start --bind-port 0 --log-level error > /dev/full');
    expect(ended.exit).to.equal(1);
    expect(ended.stderr).to.equal('Error: cannot write to stdout: no space left on device\n');
  });

  it('a taken port is told in one line', async () => {
    const port = node.address.split(':').pop();
    const ended = await shell(`distcache node start --bind-port ${port}`);
    expect(ended.exit).to.not.equal(0);
    expect(ended.stderr).to.match(/^Error: [^\n]+\n$/);
  });

  it('colour appears in no pipe, nor with NO_COLOR; FORCE_COLOR changes no data', async () => {
    const colors = new RegExp(String.fromCharCode(27));
    for (const extra of [{}, { NO_COLOR: '1' }]) {
      for (const args of [['peers'], ['--help'], ['get', '--help'], ['get', 'ks', 'absent']]) {
        const ended = await cli(args, { env: { ...env(), ...extra } });
        expect(ended.stdout.toString() + ended.stderr).to.not.match(colors);
      }
    }
    const forced = await cli(['peers', '--json'], { env: { ...env(), FORCE_COLOR: '1' } });
    expect(JSON.parse(forced.stdout.toString()).peers).to.have.length(3);
  });

  describe('help', () => {
    for (const [args, says] of [
      [['-h'], 'write distcache --help'],
      [['-v'], 'write distcache --version'],
      [['get', '-h'], 'write --help'],
    ] as const) {
      it(`has no short form: ${args.join(' ')} tells the long one`, async () => {
        const ended = await cli(args);
        expect(ended.exit).to.equal(2);
        expect(ended.stderr).to.contain(says);
      });
    }

    it('lists commands, and --version tells the release', async () => {
      const help = await cli(['--help']);
      expect(help.exit).to.equal(0);
      for (const command of ['get', 'put', 'delete', 'peers', 'ring', 'events', 'keyspace', 'node', 'autocomplete']) {
        expect(help.stdout.toString()).to.match(new RegExp(`^ {2}${command} `, 'm'));
      }
      expect((await cli(['help'])).stdout.toString()).to.equal(help.stdout.toString());
      expect((await cli([])).stdout.toString()).to.equal(help.stdout.toString());
      expect((await cli(['--version'])).stdout.toString()).to.match(/^distcache\/\d+\.\d+\.\d+ /);
    });

    it('folds no example: each fits behind its indent within 72 columns, and stands there whole', async () => {
      const { commands } = JSON.parse(await readFile(join(root, 'oclif.manifest.json'), 'utf8')) as Manifest;
      for (const [id, { examples = [] }] of Object.entries(commands)) {
        const help = (await cli(['help', ...id.split(':')])).stdout.toString();
        const lines = help.slice(help.indexOf('\nEXAMPLES')).split('\n');
        for (const example of examples) {
          const command = typeof example === 'string' ? example : example.command;
          const shown = command.replaceAll('<%= config.bin %>', 'distcache');
          const line = lines.find((candidate) => candidate.trim().replace(/^\$ /, '') === shown);
          expect(line, `${shown} in ${help}`).to.be.a('string').and.have.property('length').at.most(72);
        }
      }
    });

    for (const command of ['get', 'put', 'delete', 'peers', 'ring', 'events', 'keyspace list', 'node status']) {
      it(`of ${command} has examples, and asks no node`, async () => {
        const words = command.split(' ');
        const [before, after] = await Promise.all([cli(['help', ...words]), cli([...words, '--help'])]);
        expect(after).to.deep.include({ exit: 0, stderr: '' });
        expect(after.stdout.toString())
          .to.contain(`$ distcache ${command}`)
          .and.contain('EXAMPLES')
          .and.contain('--addr');
        expect(before.stdout.toString()).to.equal(after.stdout.toString());
      });
    }

    it('is bad usage for what does not exist', async () => {
      expect((await cli(['help', 'nope'])).exit).to.equal(2);
      expect((await cli(['nope', '--help'])).exit).to.equal(2);
    });

    it('ends quietly when its reader goes away', async () => {
      const ended = await shell(`distcache --help | head -n 1; echo ${exitOf(0)}`);
      expect(ended.stdout.toString().trim().split('\n').at(-1)).to.equal('0');
      expect(ended.stderr).to.equal('');
    });
  });

  it('--json takes no value, and behind -- it is a key', async () => {
    const valued = await cli(['get', 'ks', 'k', '--json=false'], { env: env() });
    expect(valued).to.include({ exit: 2 });
    expect(valued.stderr).to.contain('--json takes no value');
    const key = await cli(['get', 'ks', '--', '--json'], { env: env() });
    expect(key).to.deep.include({ exit: 3, stdout: Buffer.alloc(0) });
  });
});
