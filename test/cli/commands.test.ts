import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { DistcacheError } from '../../src/base/errors.js';
import { cli, type Ended, exitOf, type RunOptions, shell } from '../support/cli.js';
import { type FakeNode, startFakeNode } from '../support/fake-node.js';

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const json = (ended: Ended) => JSON.parse(ended.stdout.toString());

/** Not the same in any two places, and no UTF-8. */
const noise = (length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + (i >> 16)) & 0xff;
  return bytes;
};

describe('cli: commands against a node', function () {
  this.timeout(30_000);
  let node: FakeNode;
  let folder: string;

  const env = () => ({ DISTCACHE_ADDR: node.address });
  const run = (args: readonly string[], options: RunOptions = {}): Promise<Ended> =>
    cli(args, { ...options, env: { ...env(), ...options.env } });
  const bash = (line: string, options: RunOptions = {}): Promise<Ended> =>
    shell(line, { ...options, env: { ...env(), DIR: folder, ...options.env } });
  const store = (key: string, value: string | Uint8Array) =>
    node.service.put('ks', { key, value: typeof value === 'string' ? Buffer.from(value) : value });
  const stored = (key: string): string | undefined => {
    const entry = node.service.values.get(key);
    return entry && Buffer.from(entry.value).toString();
  };

  beforeEach(async () => {
    node = await startFakeNode();
    folder = await mkdtemp(join(tmpdir(), 'distcache-cli-'));
  });
  afterEach(async () => {
    await node.stop();
    await rm(folder, { recursive: true });
  });

  describe('values', () => {
    const rows: readonly { name: string; value: Buffer }[] = [
      { name: '0 bytes', value: Buffer.alloc(0) },
      { name: 'all 256 bytes', value: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)) },
      { name: 'a newline at the end', value: Buffer.from('a\n\n') },
      { name: '1 MiB', value: noise(1024 * 1024) },
      { name: '16 MiB', value: noise(16 * 1024 * 1024) },
    ];
    for (const { name, value } of rows) {
      it(`go through pipes and files bit for bit: ${name}`, async () => {
        const file = join(folder, 'in');
        await writeFile(file, value);
        const piped = await bash('cat "$DIR/in" | distcache put ks piped && distcache get ks piped | cat > "$DIR/out"');
        expect(piped).to.deep.include({ exit: 0, stderr: '' });
        expect(sha(await readFile(join(folder, 'out')))).to.equal(sha(value));
        const filed = await bash('distcache put ks filed --file "$DIR/in" && distcache get ks filed -o "$DIR/out2"');
        expect(filed).to.deep.include({ exit: 0, stderr: '' });
        expect(sha(await readFile(join(folder, 'out2')))).to.equal(sha(value));
      });
    }

    it('of one byte more than the node takes are refused by name of the limit', async () => {
      await writeFile(join(folder, 'in'), noise(16 * 1024 * 1024 + 1));
      const ended = await bash('distcache put ks k --file "$DIR/in"');
      expect(ended.exit).to.equal(2);
      expect(ended.stderr).to.contain('limits.maxValueBytes');
    });

    it('come from the argument, also behind --, and from - as stdin', async () => {
      expect((await run(['put', 'ks', 'a', 'grüße'])).exit).to.equal(0);
      expect((await run(['put', 'ks', 'b', '--', '--json'])).exit).to.equal(0);
      expect((await run(['put', 'ks', 'c', '-'], { input: 'in' })).exit).to.equal(0);
      expect((await run(['put', 'ks', 'd', ''])).exit).to.equal(0);
      expect((await run(['put', 'ks', 'e', '-5'])).exit).to.equal(0);
      expect(['a', 'b', 'c', 'd', 'e'].map(stored)).to.deep.equal(['grüße', '--json', 'in', '', '-5']);
    });

    it('are told in JSON as text or base64, with where they came from', async () => {
      await store('text', 'é');
      await store('bytes', Uint8Array.of(0xff, 0x00));
      expect(json(await run(['get', 'ks', 'text', '--json']))).to.deep.equal({
        keyspace: 'ks',
        key: 'text',
        found: true,
        value: 'é',
        outcome: 'hit',
        node: 'fake-1',
        version: '1',
        expires_at: null,
      });
      expect(json(await run(['get', 'ks', 'bytes', '--json']))).to.include({ value_base64: '/wA=' });
    });

    it('keep their time to live', async () => {
      expect((await run(['put', 'ks', 'k', 'v', '--ttl', '1m30s'])).exit).to.equal(0);
      expect(node.service.values.get('k')?.ttlMs).to.equal(90_000);
    });

    it('tell where they came from on stderr, with stdout as it is', async () => {
      await store('k', 'v');
      const ended = await run(['get', 'ks', 'k', '--meta']);
      expect(ended.stdout.toString()).to.equal('v');
      expect(ended.stderr).to.equal('outcome=hit node=fake-1 version=1 expires_at=never\n');
    });
  });

  describe('several keys', () => {
    beforeEach(async () => {
      await store('a', '1');
      await store('b', '2');
    });

    it('are a line each, in order, twice where asked twice', async () => {
      expect(await run(['get', 'ks', 'b', 'a', 'b'])).to.deep.include({
        exit: 0,
        stdout: Buffer.from('b\t2\na\t1\nb\t2\n'),
      });
    });

    it('that are missing are named at the end, and the others printed', async () => {
      const ended = await run(['get', 'ks', 'x', 'a', 'y']);
      expect(ended.exit).to.equal(3);
      expect(ended.stdout.toString()).to.equal('a\t1\n');
      expect(ended.stderr).to.equal('Error: "x", "y" (2 of 3 keys) not found in ks; its data source has no such key\n');
    });

    it('in JSON are one document, the missing ones with found false', async () => {
      const ended = await run(['get', 'ks', 'x', 'a', '--json']);
      expect(ended.exit).to.equal(3);
      const { entries, error } = json(ended);
      expect(entries.map((entry: { key: string; found: boolean }) => [entry.key, entry.found])).to.deep.equal([
        ['x', false],
        ['a', true],
      ]);
      expect(error.code).to.equal('NOT_FOUND');
    });

    it('that failed exit as their failure does, and the others are printed', async () => {
      node.service.mischief.refuse.set('x', new DistcacheError('DATA_SOURCE_RATE_LIMITED', 'slow down'));
      const ended = await run(['get', 'ks', 'x', 'a', 'missing']);
      expect(ended.exit).to.equal(5);
      expect(ended.stdout.toString()).to.equal('a\t1\n');
      expect(ended.stderr).to.equal('Error: 1 of 3 keys failed in ks, first "x": slow down\n');
    });

    it('come from stdin with -, as bytes between newlines', async () => {
      await store('c\r', '3');
      const ended = await run(['get', 'ks', '-'], { input: 'b\nc\r\na' });
      expect(ended).to.deep.include({ exit: 0, stdout: Buffer.from('b\t2\nc\r\t3\na\t1\n') });
    });

    it('come from stdin by the thousand, in bounded requests', async () => {
      const keys = Array.from({ length: 2_500 }, (_, index) => `k${index}`);
      for (const key of keys) await store(key, key);
      const ended = await run(['get', 'ks', '-', '--json'], { input: keys.join('\n') });
      expect(ended.exit).to.equal(0);
      expect(json(ended).entries.map((entry: { value: string }) => entry.value)).to.deep.equal(keys);
      for (const call of node.service.calls) expect(Number(call.split(' ')[1] ?? 0)).to.be.at.most(1_000);
    });

    it('of stdin that are empty or no UTF-8 are refused by line', async () => {
      const empty = await run(['get', 'ks', '-'], { input: 'a\n\nb\n' });
      expect(empty).to.include({
        exit: 2,
        stderr: 'Error: stdin, line 2: the key is empty, must have at least one character\n',
      });
      const broken = await run(['delete', 'ks', '-', '--json'], { input: Uint8Array.of(0x61, 0x0a, 0xff, 0x0a) });
      expect(broken.exit).to.equal(2);
      expect(json(broken).error).to.deep.equal({
        code: 'INVALID_ARGUMENT',
        message: 'stdin, line 2: not UTF-8, must be UTF-8 text',
      });
    });
  });

  describe('in a shell', () => {
    it('leave the list of a while-read loop alone', async () => {
      const ended = await bash(
        'printf "a\\nb\\nc\\n" | while read -r k; do distcache put ks "$k" "v-$k" && distcache get ks "$k" && distcache peers --json >/dev/null; done',
      );
      expect(ended).to.deep.include({ exit: 0, stdout: Buffer.from('v-av-bv-c'), stderr: '' });
    });

    it('end quietly when their reader goes away', async () => {
      await store('big', noise(4 * 1024 * 1024));
      const ended = await bash(`distcache get ks big | head -c 3 | wc -c; echo ${exitOf(0)}`);
      expect(ended.stdout.toString().split(/\s+/).filter(Boolean)).to.deep.equal(['3', '0']);
      expect(ended.stderr).to.equal('');
      const many = await bash(`yes big | distcache get ks - | head -c 3 >/dev/null; echo ${exitOf(1)}`);
      expect(many.stdout.toString()).to.equal('0\n');
      expect(many.stderr).to.equal('');
    });

    it('tell a full disk as what it is', async () => {
      await store('k', 'v');
      const ended = await bash('distcache get ks k > /dev/full');
      expect(ended.exit).to.equal(1);
      expect(ended.stderr).to.equal('Error: cannot write to stdout: no space left on device\n');
    });

    it('are refused where stdin is closed or /dev/null: an empty value is written out', async () => {
      for (const from of ['<&-', '< /dev/null']) {
        const ended = await bash(`distcache put ks k ${from}`);
        expect(ended.exit).to.equal(2);
        expect(ended.stderr).to.match(/^Error: no value: stdin is closed[^\n]+\n$/);
      }
      expect(node.service.calls).to.not.contain('put');
      expect((await bash('true | distcache put ks k')).exit).to.equal(0);
      expect(stored('k')).to.equal('');
    });

    it('answer each key of a slow writer at once', async () => {
      await store('a', '1');
      // The second key is only written once the first is answered.
      const ended = await bash(
        'mkfifo "$DIR/keys"; distcache get ks - < "$DIR/keys" | { exec 3> "$DIR/keys"; echo a >&3; read -r line; echo "got $line"; echo a >&3; exec 3>&-; cat; }',
      );
      expect(ended.stdout.toString()).to.equal('got a\t1\na\t1\n');
    });
  });

  describe('put --from', () => {
    it('stores every line, with the ttl of its own or of the command', async () => {
      // A byte order mark, as editors put it, is no part of JSON.
      const lines = ['\ufeff{"key":"a","value":"1"}', '', '{"key":"b","value_base64":"/w==","ttl":"5s"}'];
      const ended = await run(['put', 'ks', '--from', '-', '--ttl', '1m', '--json'], { input: lines.join('\n') });
      expect(ended).to.include({ exit: 0, stderr: '' });
      expect(json(ended)).to.deep.equal({ keyspace: 'ks', written: 2, unreached: [] });
      expect(stored('a')).to.equal('1');
      expect(node.service.values.get('a')?.ttlMs).to.equal(60_000);
      expect(node.service.values.get('b')?.ttlMs).to.equal(5_000);
    });

    it('names a bad line, and stores what stands before it', async () => {
      await writeFile(
        join(folder, 'f.ndjson'),
        '{"key":"a","value":"1"}\n{"key":"b","valeu":"1"}\n{"key":"c","value":"1"}\n',
      );
      const ended = await bash('distcache put ks --from "$DIR/f.ndjson" --json');
      expect(ended.exit).to.equal(2);
      expect(ended.stderr)
        .to.contain('f.ndjson, line 2: unknown field "valeu"')
        .and.contain('the 1 entries before it are stored');
      expect(json(ended)).to.include({ written: 1 });
      expect(stored('a')).to.equal('1');
      expect(stored('c')).to.equal(undefined);
    });

    it('names the lines that the node refused, and stores the rest', async () => {
      node.service.mischief.refuse.set('b', new DistcacheError('OVERLOADED', 'too much'));
      const lines = ['a', 'b', 'c'].map((key) => JSON.stringify({ key, value: key }));
      const ended = await run(['put', 'ks', '--from', '-', '--json'], { input: lines.join('\n') });
      expect(ended.exit).to.equal(5);
      expect(ended.stderr).to.equal('Error: 1 of 3 entries were not stored, first line 2, key "b": too much\n');
      expect(json(ended)).to.deep.include({ written: 2, failed: 1 });
      expect(json(ended).failures).to.deep.equal([
        { line: 2, key: 'b', code: 'OVERLOADED', message: 'too much', node: 'fake-1' },
      ]);
      expect(stored('c')).to.equal('c');
    });

    it('takes thousands of lines in bounded requests', async () => {
      const lines = Array.from({ length: 3_000 }, (_, index) =>
        JSON.stringify({ key: `k${index}`, value: `v${index}` }),
      );
      const ended = await run(['put', 'ks', '--from', '-'], { input: lines.join('\n') });
      expect(ended).to.deep.include({ exit: 0, stdout: Buffer.alloc(0), stderr: '' });
      expect(node.service.values.size).to.equal(3_000);
      expect(node.service.calls.length).to.be.within(3, 20);
    });
  });

  describe('writes that some nodes did not confirm', () => {
    const rows: readonly { name: string; args: readonly string[]; input?: string }[] = [
      { name: 'put', args: ['put', 'ks', 'a', '1'] },
      { name: 'put --from', args: ['put', 'ks', '--from', '-'], input: '{"key":"a","value":"1"}' },
      { name: 'delete', args: ['delete', 'ks', 'a'] },
      { name: 'delete of several', args: ['delete', 'ks', 'a', 'b'] },
    ];
    for (const { name, args, input } of rows) {
      it(`exit with 4 and name them: ${name}`, async () => {
        node.service.mischief.unreached = ['cache-2', 'cache-3'];
        const options = input === undefined ? {} : { input };
        const plain = await run(args, options);
        expect(plain.exit).to.equal(4);
        expect(plain.stdout.toString()).to.equal('');
        expect(plain.stderr).to.match(/^Error: .*not confirmed by cache-2, cache-3,.*\n$/);
        const told = await run([...args, '--json'], options);
        expect(told.exit).to.equal(4);
        expect(json(told).unreached).to.deep.equal(['cache-2', 'cache-3']);
        expect(json(told).error.code).to.equal('PEER_UNREACHABLE');
      });
    }
  });

  it('delete removes keys and says nothing', async () => {
    await store('a', '1');
    await store('b', '2');
    expect(await run(['delete', 'ks', 'a', 'absent'])).to.deep.include({
      exit: 0,
      stdout: Buffer.alloc(0),
      stderr: '',
    });
    expect(json(await run(['delete', 'ks', '-', '--json'], { input: 'b\n' }))).to.deep.equal({
      keyspace: 'ks',
      deleted: 1,
      unreached: [],
    });
    expect(node.service.values.size).to.equal(0);
  });

  describe('views of the cluster', () => {
    it('are tables', async () => {
      const peers = (await run(['peers'])).stdout.toString().split('\n');
      expect(peers[0]).to.match(/^NAME {2,}STATE {2,}SERVING {2,}GRPC /);
      expect(peers[1]).to.match(/^fake-1 \* {2}alive {2,}yes {2,}127\.0\.0\.1:3320 /);
      expect(peers[3]).to.match(/^serf {2,}alive {2,}no {2,}- {2,}127\.0\.0\.1:7946 /);
      expect((await run(['keyspace', 'list'])).stdout.toString()).to.match(/^NAME .*\nks {4}64MiB {2}5m .* 1\.5KiB\n/);
      expect((await run(['keyspace', 'show', 'ks'])).stdout.toString()).to.match(/^cache hits +9$/m);
      expect((await run(['node', 'status'])).stdout.toString()).to.match(/^uptime {3,}1m1s$/m);
    });

    it('are JSON with the fields that scripts rely on', async () => {
      expect(json(await run(['peers', '--json'])).peers[0]).to.include({
        name: 'fake-1',
        state: 'alive',
        is_self: true,
        bind_addr: '127.0.0.1',
        bind_port: 3320,
        discovery_port: 0,
        admin: '',
        ring_share: 0.5,
        incarnation: 1,
      });
      const shown = json(await run(['keyspace', 'show', 'ks', '--json']));
      expect(shown).to.include({ name: 'ks', max_bytes: 67_108_864, default_ttl_ms: 300_000, negative_ttl_ms: null });
      expect(shown.stats).to.include({ gets: 10, cache_hits: 9, loads: 1 });
      expect(json(await run(['keyspace', 'list', '--json'])).keyspaces).to.deep.equal([shown]);
      expect(json(await run(['node', 'status', '--json']))).to.include({
        node: 'fake-1',
        state: 'serving',
        healthy: true,
        ready: true,
        uptime_ms: 61_000,
        ring_share: 0.5,
        peers: 2,
        serving: true,
      });
    });
  });
});
