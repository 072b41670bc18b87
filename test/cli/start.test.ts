import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { cli, root, script } from '../support/cli.js';
import { startFakeNode } from '../support/fake-node.js';

describe('cli: bin/run.js', function () {
  this.timeout(30_000);
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distcache-bin-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const run = async (file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const child = spawn(process.execPath, [file, ...args], { env: { ...process.env, ...env }, stdio: 'pipe' });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const [exit] = await once(child, 'close');
    return { exit, stdout, stderr };
  };

  it('of a checkout that was not built says what to do', async () => {
    await mkdir(join(folder, 'bin'));
    await cp(script, join(folder, 'bin/run.js'));
    const ended = await run(join(folder, 'bin/run.js'), ['--version']);
    expect(ended).to.include({ exit: 1, stdout: '' });
    expect(ended.stderr).to.match(/^Error: [^\n]*npm run build[^\n]*\n$/);
  });

  it('works through the link that npm makes', async () => {
    await symlink(script, join(folder, 'distcache'));
    expect(await run(join(folder, 'distcache'), ['--version'])).to.include({ exit: 0, stderr: '' });
  });

  it('works without its code cache, and with the one it then makes', async () => {
    const node = await startFakeNode();
    await node.service.put('ks', { key: 'k', value: Buffer.from('v') });
    await cp(join(root, 'bin'), join(folder, 'bin'), { recursive: true });
    await cp(join(root, 'dist/cli/main.cjs'), join(folder, 'dist/cli/main.cjs'));
    for (let turn = 0; turn < 2; turn++) {
      const ended = await run(join(folder, 'bin/run.js'), ['get', 'ks', 'k'], { DISTCACHE_ADDR: node.address });
      expect(ended).to.deep.equal({ exit: 0, stdout: 'v', stderr: '' });
    }
    await node.stop();
  });

  it('offers completion for bash and zsh', async () => {
    const env = { HOME: folder, XDG_CACHE_HOME: join(folder, 'cache') };
    for (const shell of ['bash', 'zsh']) {
      const ended = await cli(['autocomplete', 'script', shell], { env });
      expect(ended.exit).to.equal(0);
      expect(ended.stdout.toString()).to.contain('distcache autocomplete setup');
      expect(ended.stderr).to.not.contain('Warning');
    }
  });
});
