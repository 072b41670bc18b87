import { execFile } from 'node:child_process';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { DataSource } from '../../../src/ports/data-source.js';
import { hostileKeys } from '../../support/hostile-keys.js';
import { fetchOf, rejection, textOf, useSources } from './harness.js';

describe('the directory source', () => {
  const harness = useSources();
  const inFolder = (...parts: string[]): string => join(harness.folder, 'data', ...parts);
  const open = (): Promise<DataSource> => harness.create({ type: 'directory', path: 'data' });

  beforeEach(async () => {
    await mkdir(inFolder('deep', 'er'), { recursive: true });
    await writeFile(inFolder('a.txt'), 'A');
    await writeFile(inFolder('deep', 'er', 'b.txt'), 'B');
    await writeFile(join(harness.folder, 'secret'), 'S');
    await mkdir(join(harness.folder, 'data-other'));
    await writeFile(join(harness.folder, 'data-other', 'secret'), 'S');
  });

  const rows: readonly [name: string, key: string, expected: string | null][] = [
    ['a file', 'a.txt', 'A'],
    ['a file further down', 'deep/er/b.txt', 'B'],
    ['no file', 'c.txt', null],
    ['a path through a file', 'a.txt/b', null],
    ['a folder', 'deep', null],
    ['a trailing slash', 'a.txt/', null],
    ['a leading slash', '/a.txt', null],
    ['an empty part', 'deep//er/b.txt', null],
    ['a dot part', './a.txt', null],
    ['a parent that stays inside', 'deep/../a.txt', null],
    ['a parent that leaves', '../secret', null],
    ['a parent deep inside', 'deep/er/../../../secret', null],
    ['a neighbour of the same beginning', '../data-other/secret', null],
    ['a backslash', 'deep\\er\\b.txt', null],
    ['NUL', 'a.txt\0', null],
    ['the empty key', '', null],
    ['a lone surrogate', '\ud800', null],
    ['a name that is too long', 'n'.repeat(300), null],
    ['a path that is too long', 'n/'.repeat(3000).slice(0, -1), null],
  ];
  for (const [name, key, expected] of rows) {
    it(`answers ${name} with ${expected === null ? 'not found' : 'its bytes'}`, async () => {
      expect(await textOf(await open(), key)).to.equal(expected);
    });
  }

  for (const [name, key] of hostileKeys) {
    it(`does not leave the folder for ${name}`, async () => {
      expect(await textOf(await open(), key)).to.equal(null);
    });
  }

  it('takes percent signs, emoji and line breaks in names for what they are', async () => {
    const source = await open();
    for (const name of ['%2e%2e%2fsecret', '🏙️', 'a\nb', "' OR 1=1 --", '...', '..a']) {
      await writeFile(inFolder(name), name);
      expect(await textOf(source, name)).to.equal(name);
    }
  });

  it('returns bytes bit for bit, and empty files as empty values', async () => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    await writeFile(inFolder('all'), all);
    await writeFile(inFolder('none'), '');
    const source = await open();
    expect(await fetchOf(source, 'all')).to.deep.equal(all);
    expect(await fetchOf(source, 'none')).to.deep.equal(new Uint8Array());
  });

  it('follows links within the folder and none that leads outside', async () => {
    await symlink('a.txt', inFolder('inside'));
    await symlink('../secret', inFolder('outside'));
    await symlink('/etc/passwd', inFolder('absolute'));
    await symlink('..', inFolder('up'));
    await symlink('../data-other', inFolder('sideways'));
    await symlink('loop', inFolder('loop'));
    await symlink('nowhere', inFolder('dangling'));
    const source = await open();
    expect(await textOf(source, 'inside')).to.equal('A');
    for (const key of ['outside', 'absolute', 'up/secret', 'up/data/a.txt/x', 'sideways/secret', 'loop', 'dangling']) {
      expect(await textOf(source, key), key).to.equal(null);
    }
  });

  it('does not wait for pipes and sockets', async () => {
    await promisify(execFile)('mkfifo', [inFolder('pipe')]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(inFolder('socket'), resolve));
    const source = await open();
    expect(await textOf(source, 'pipe')).to.equal(null);
    expect(await textOf(source, 'socket')).to.equal(null);
    await new Promise((resolve) => server.close(resolve));
  });

  it('refuses a file above limits.maxValueBytes, and takes one of exactly that size', async () => {
    await writeFile(inFolder('fits'), 'x'.repeat(1024));
    await writeFile(inFolder('over'), 'x'.repeat(1025));
    const source = await open();
    expect(await textOf(source, 'fits')).to.have.length(1024);
    const error = await rejection(fetchOf(source, 'over'));
    expect(error.code).to.equal('VALUE_TOO_LARGE');
    expect(error.message).to.include('limits.maxValueBytes').and.include('1025');
  });

  it('bounds files that do not say how long they are', async function () {
    if (process.platform !== 'linux') this.skip();
    const small = await harness.create({ type: 'directory', path: '/proc/self' }, { maxValueBytes: 16 });
    expect((await rejection(fetchOf(small, 'status'))).code).to.equal('VALUE_TOO_LARGE');
    const large = await harness.create({ type: 'directory', path: '/proc/self' }, { maxValueBytes: 1 << 20 });
    expect(await textOf(large, 'status')).to.include('Pid:');
  });

  it('fails, rather than finding nothing, while its folder is away', async () => {
    const source = await open();
    await rename(inFolder(), join(harness.folder, 'moved'));
    const error = await rejection(fetchOf(source, 'a.txt'));
    expect(error.code).to.equal('DATA_SOURCE_FAILED');
    expect(error.message).to.include('ENOENT');
    await rename(join(harness.folder, 'moved'), inFolder());
    expect(await textOf(source, 'a.txt')).to.equal('A');
  });

  it('follows a folder that is swapped by moving a link', async () => {
    await mkdir(join(harness.folder, 'release-2'));
    await writeFile(join(harness.folder, 'release-2', 'a.txt'), 'A2');
    await symlink('data', join(harness.folder, 'current'));
    const source = await harness.create({ type: 'directory', path: 'current' });
    expect(await textOf(source, 'a.txt')).to.equal('A');
    await rm(join(harness.folder, 'current'));
    await symlink('release-2', join(harness.folder, 'current'));
    expect(await textOf(source, 'a.txt')).to.equal('A2');
  });

  it('ends with its caller', async () => {
    const source = await open();
    expect((await rejection(fetchOf(source, 'a.txt', AbortSignal.abort()))).code).to.equal('ABORTED');
    const controller = new AbortController();
    const reading = rejection(fetchOf(source, 'a.txt', controller.signal));
    controller.abort();
    expect((await reading).code).to.equal('ABORTED');
  });

  for (const [name, path] of [
    ['a missing folder', 'missing'],
    ['a file', 'secret'],
  ] as const) {
    it(`refuses ${name} when it opens`, async () => {
      const error = await rejection(harness.create({ type: 'directory', path }));
      expect(error.code).to.equal('INVALID_ARGUMENT');
      expect(error.message)
        .to.match(/^keyspaces\.cities\.source\.path: /)
        .and.include(join(harness.folder, path));
    });
  }
});
