import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { makeFolder } from '../../../src/cli/make-folder.js';

describe('cli: folders', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distcache-cli-'));
    await writeFile(join(folder, 'file'), '');
    await symlink(join(folder, 'gone', 'far'), join(folder, 'dangling'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  for (const name of ['a', 'a/b/c', '.', 'a/../b/']) {
    it(`are made, those above and those that are there too: ${name}`, async () => {
      await makeFolder(join(folder, name), '--out');
      await makeFolder(join(folder, name), '--out');
      expect((await stat(join(folder, name))).isDirectory()).to.equal(true);
    });
  }

  it('are made by several at once', async () => {
    await Promise.all(Array.from({ length: 8 }, () => makeFolder(join(folder, 'a/b/c'), '--out')));
    expect((await stat(join(folder, 'a/b/c'))).isDirectory()).to.equal(true);
  });

  // Node's own recursive mkdir never comes back from /proc.
  for (const name of ['file', 'file/a', 'dangling', 'dangling/a', '/proc/x', '/proc/sys/x/y']) {
    it(`are refused by name where none can be: ${name}`, async () => {
      const path = name.startsWith('/') ? name : join(folder, name);
      const error = await makeFolder(path, '--out').catch((thrown: unknown) => thrown);
      expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
      expect((error as Error).message).to.contain(`--out: cannot make the folder ${path}`);
    });
  }
});
