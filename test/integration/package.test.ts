import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { environment, root } from '../support/cli.js';

/*
 * What others get from the registry: packed as it would be published, looked at file by file, and used from an empty
 * folder. Nothing is asked of a registry here; `.ci/run` installs the same archive from one.
 */

const run = promisify(execFile);

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

/** All that may be in the package. A file that fits none of these is one too many. */
const wanted: readonly RegExp[] = [
  /^(LICENSE|README\.md|SECURITY\.md|package\.json|oclif\.manifest\.json)$/,
  /^bin\/run\.js$/,
  /^proto\/distcache\/v1\/(cache|peer)\.proto$/,
  /^dist\/cli\/(LICENSES\.txt|commands\.js|dash\.mjs|(main|reflect-metadata|x509|yaml|zod)\.cjs)$/,
  /^dist\/src\/index\.(js|d\.ts)$/,
  /^dist\/src\/[a-z]+\/([a-z]+\/)?[a-z0-9-]+\.(js|d\.ts)$/,
];
/** Of which there must be at least one each, or the package is not whole. */
const needed = ['bin/run.js', 'dist/cli/main.cjs', 'dist/src/index.js', 'dist/src/index.d.ts', 'SECURITY.md'];
const folders = 'access admin base certificates client coherence config connectors discovery engine flight hotkeys';
const libraryFolders = new Set(
  `${folders} membership node platform ports ring source store telemetry transport wire`.split(' '),
);

const packedBytesMax = 2_500_000;
const unpackedBytesMax = 9_000_000;
/** Run by npm at whoever installs. */
const installScripts = ['preinstall', 'install', 'postinstall', 'preprepare', 'prepare', 'postprepare', 'dependencies'];

const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
};

describe('integration: the package', function () {
  this.timeout(60_000);
  let folder: string;
  let packed: Packed;
  let unpacked: string;

  before(async () => {
    if (!existsSync(join(root, 'dist/src/index.js'))) throw new Error('dist/ is missing; run npm run build first');
    folder = await mkdtemp(join(tmpdir(), 'distcache-package-'));
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: root,
      env: environment({}),
      maxBuffer: 16 * 1024 * 1024,
    });
    const told: unknown = JSON.parse(stdout);
    packed = Object.values(told as Record<string, Packed>)[0]!;
    // In a folder of its own with what it depends on beside it, as npm would lay it out.
    const modules = join(folder, 'app/node_modules');
    unpacked = join(modules, 'distcache');
    await mkdir(unpacked, { recursive: true });
    await run('tar', ['-xzf', join(folder, packed.filename), '--strip-components=1', '-C', unpacked]);
    for (const name of Object.keys(packageJson.dependencies)) {
      await mkdir(dirname(join(modules, name)), { recursive: true });
      await symlink(join(root, 'node_modules', name), join(modules, name), 'dir');
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('holds what is wanted and nothing else: no tests, no keys, no source maps', () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths.filter((path) => !wanted.some((pattern) => pattern.test(path)))).to.deep.equal([]);
    expect(paths).to.include.members(needed);
    const rooms = new Set(paths.flatMap((path) => /^dist\/src\/([^/]+)\//.exec(path)?.[1] ?? []));
    expect([...rooms].sort()).to.deep.equal([...libraryFolders].sort());
  });

  it('is small, and nothing in it may be written or run by others than it is meant for', () => {
    expect(packed.size).to.be.below(packedBytesMax);
    expect(packed.unpackedSize).to.be.below(unpackedBytesMax);
    for (const { path, mode } of packed.files) {
      expect(mode & 0o022, `${path} may be written by others`).to.equal(0);
      expect((mode & 0o111) !== 0, `${path} may be run`).to.equal(path === 'bin/run.js');
    }
  });

  it('brings the licenses of the packages whose code it holds, and of no others', async () => {
    const texts = await readFile(join(unpacked, 'dist/cli/LICENSES.txt'), 'utf8');
    const titles = [...texts.matchAll(/^-{80}\n(.+)$/gm)].map(([, title]) => title!);
    for (const name of [
      '@oclif/core',
      'ink',
      'react',
      'cli-table3',
      'lru-cache',
      '@grpc/grpc-js',
      'nats',
      'zod',
      'yaml',
    ])
      expect(titles.filter((title) => title.startsWith(`${name} `))).to.not.deep.equal([], name);
    expect(titles.filter((title) => /^(typescript|pg|pino|ioredis|mocha) /.test(title))).to.deep.equal([]);
    expect(texts).to.contain('Permission is hereby granted').and.to.contain('Apache License');
  });

  it('shows no key, and nothing of the machine that it was made on', async () => {
    const secrets = [/-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]/, /sourceMappingURL=data:/];
    for (const { path } of packed.files) {
      const text = await readFile(join(unpacked, path), 'utf8');
      for (const pattern of secrets) expect(pattern.test(text), `${path}: ${pattern}`).to.equal(false);
      expect(text.includes(root), `${path} names ${root}`).to.equal(false);
      expect(/sourceMappingURL=(?!data:)\S+\.map\s*$/.test(text), `${path} points to a source map`).to.equal(false);
    }
  });

  it('runs nothing when it is installed', () => {
    expect(installScripts.filter((name) => name in packageJson.scripts)).to.deep.equal([]);
    expect(existsSync(join(root, 'binding.gyp'))).to.equal(false);
  });

  it('runs from an empty folder, by the name that npx calls it', async () => {
    const bin = join(folder, 'app/node_modules/.bin');
    await mkdir(bin);
    await symlink('../distcache/bin/run.js', join(bin, 'distcache'));
    const { stdout } = await run(join(bin, 'distcache'), ['--version'], {
      cwd: join(folder, 'app'),
      env: environment({}),
    });
    expect(stdout).to.match(new RegExp(`^distcache/${packageJson.version.replaceAll('.', '\\.')} `));
    const certs = await run(join(bin, 'distcache'), ['cert', 'create'], {
      cwd: join(folder, 'app'),
      env: environment({}),
    });
    expect(certs.stdout).to.contain('node-key.pem');
    expect(await readdir(join(folder, 'app/certs'))).to.include('ca.pem');
  });

  it('loads few packages of others where the library, or the client, is all that is used', async () => {
    await writeFile(
      join(folder, 'app/loaded.mjs'),
      `import { registerHooks } from 'node:module';
const loaded = new Set();
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    const name = /node_modules\\/((?:@[^/]+\\/)?[^/]+)\\/(?!.*node_modules\\/)/.exec(found.url)?.[1];
    if (name !== undefined) loaded.add(name);
    return found;
  },
});
await import(process.argv[2]);
console.log(JSON.stringify([...loaded]));
`,
    );
    const ofDoor = async (door: string): Promise<readonly string[]> => {
      const { stdout } = await run(process.execPath, ['loaded.mjs', door], {
        cwd: join(folder, 'app'),
        env: environment({}),
      });
      const names: readonly string[] = JSON.parse(stdout);
      return names.filter((name) => name in packageJson.dependencies).sort();
    };
    expect(await ofDoor('distcache')).to.deep.equal(['@node-rs/xxhash', 'lru-cache', 'protobufjs']);
    expect(await ofDoor('distcache/client')).to.deep.equal(['@grpc/grpc-js', 'protobufjs']);
  });

  it('is imported from an empty folder: library and client, with all that they depend on declared', async () => {
    await writeFile(
      join(folder, 'app/use.mjs'),
      `import { Engine } from 'distcache';
import { connect } from 'distcache/client';
const engine = new Engine({ bind: { port: 0 }, keyspaces: [{ name: 'ks', maxBytes: '1MiB', dataSource: { fetch: () => 'v' } }] });
await engine.start();
const client = connect({ addresses: [engine.status().grpc] });
console.log(Buffer.from((await client.get('ks', 'k')).value).toString());
await client.close();
await engine.stop();
const inside = await import('distcache/dist/src/index.js').catch((error) => error.code);
console.log(inside);
`,
    );
    const { stdout } = await run(process.execPath, ['use.mjs'], { cwd: join(folder, 'app'), env: environment({}) });
    expect(stdout).to.equal('v\nERR_PACKAGE_PATH_NOT_EXPORTED\n');
  });
});

describe('integration: what is installed with it', () => {
  interface Locked {
    readonly version?: string;
    readonly resolved?: string;
    readonly integrity?: string;
    readonly dev?: boolean;
    readonly hasInstallScript?: boolean;
  }
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  const locked = Object.entries(lock.packages).filter(([path]) => path !== '');

  it('is locked by content, and comes from the registry alone', () => {
    for (const [path, { resolved, integrity }] of locked) {
      expect(integrity, path).to.match(/^sha512-/);
      if (resolved !== undefined) expect(resolved, path).to.match(/^https:\/\/registry\.npmjs\.org\//);
    }
  });

  it('runs nothing when it is installed but what docs/security.md names', async () => {
    const page = await readFile(join(root, 'docs/security.md'), 'utf8');
    const running = locked.filter(([, { dev, hasInstallScript }]) => hasInstallScript && !dev);
    const names = new Set(running.map(([path]) => path.split('node_modules/').at(-1)!));
    expect([...names]).to.deep.equal(['protobufjs']);
    expect(page).to.contain('`protobufjs` has an install script');
  });

  it('is told of in docs/security.md, each with its reason', async () => {
    const page = await readFile(join(root, 'docs/security.md'), 'utf8');
    const rows = page.split('\n').filter((line) => line.startsWith('| `'));
    const missing = Object.keys(packageJson.dependencies).filter(
      (name) => !rows.some((row) => row.includes(`\`${name}\``)),
    );
    expect(missing).to.deep.equal([]);
  });
});
