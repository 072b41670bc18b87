import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { cli, type Ended, type RunOptions, shell } from '../support/cli.js';
import { type FakeNode, startFakeNode } from '../support/fake-node.js';

const json = (ended: Ended) => JSON.parse(ended.stdout.toString());

describe('cli: where get writes', function () {
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

  beforeEach(async () => {
    node = await startFakeNode();
    folder = await mkdtemp(join(tmpdir(), 'distcache-cli-'));
  });
  afterEach(async () => {
    await node.stop();
    await rm(folder, { recursive: true });
  });

  it('replaces the file as a whole, keeping its mode and a link to it', async () => {
    await store('k', 'new');
    const file = join(folder, 'file');
    await writeFile(file, 'old and longer');
    await chmod(file, 0o640);
    await symlink(file, join(folder, 'link'));
    expect((await run(['get', 'ks', 'k', '--output', join(folder, 'link')])).exit).to.equal(0);
    expect(await readFile(file, 'utf8')).to.equal('new');
    expect((await stat(file)).mode & 0o777).to.equal(0o640);
    expect((await readdir(folder)).sort()).to.deep.equal(['file', 'link']);
  });

  it('leaves the file alone when there is nothing to write', async () => {
    const file = join(folder, 'file');
    await writeFile(file, 'old');
    expect((await run(['get', 'ks', 'absent', '-o', file])).exit).to.equal(3);
    expect(await readFile(file, 'utf8')).to.equal('old');
    expect(await readdir(folder)).to.deep.equal(['file']);
  });

  it('writes to devices and pipes directly, and refuses folders', async () => {
    await store('k', 'v');
    expect((await bash('distcache get ks k -o /dev/stdout | cat')).stdout.toString()).to.equal('v');
    expect((await run(['get', 'ks', 'k', '-o', '/dev/null'])).exit).to.equal(0);
    expect((await stat('/dev/null')).isCharacterDevice()).to.equal(true);
    await mkdir(join(folder, 'sub'));
    const ended = await run(['get', 'ks', 'k', '-o', join(folder, 'sub')]);
    expect(ended.exit).to.equal(2);
    expect(ended.stderr).to.contain('is a directory');
  });

  it('appends to what stdout, or another open file, was sent to, and does not replace it', async () => {
    await store('k', 'v');
    const line = (output: string): string => `(echo before; distcache get ks k -o ${output}; echo after) > "$DIR/log"`;
    for (const output of ['-', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1']) {
      expect((await bash(line(output))).exit, output).to.equal(0);
      expect(await readFile(join(folder, 'log'), 'utf8')).to.equal('before\nvafter\n');
    }
    const other = '(echo before >&3; distcache get ks k -o /dev/fd/3; echo after >&3) 3> "$DIR/log"';
    expect((await bash(other)).exit).to.equal(0);
    expect(await readFile(join(folder, 'log'), 'utf8')).to.equal('before\nvafter\n');
    expect(await readdir(folder)).to.deep.equal(['log']);
  });

  it('with --json tells of the value and not the value', async () => {
    await store('k', 'value');
    const file = join(folder, 'file');
    const told = json(await run(['get', 'ks', 'k', '-o', file, '--json']));
    expect(told).to.include({ key: 'k', found: true, size_bytes: 5, output: file }).and.not.have.property('value');
    expect(await readFile(file, 'utf8')).to.equal('value');
    expect(json(await run(['get', 'ks', 'k', 'k', '-o', file, '--json']))).to.include({ output: file });
    expect(await readFile(file, 'utf8')).to.equal('k\tvalue\nk\tvalue\n');
  });
});
