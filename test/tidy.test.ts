import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readSource } from './support/source-text.js';
import {
  allowedImports,
  floors,
  globalFaults,
  importFaults,
  importsOf,
  mirrorFaults,
  roomOf,
  shapeFaults,
} from './support/tidy-rules.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** TypeScript files below a folder, from the root on, with `/`. What is generated is not ours to keep tidy. */
function filesIn(folder: string): readonly string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
    .filter((file) => /\.tsx?$/.test(file) && !file.includes('/generated/'))
    .sort();
}

const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const sources = ['src', 'commands', 'tui'].flatMap(filesIn);
const tests = ['test', 'bench'].flatMap(filesIn);
/** Reads like what it forbids. */
const aboutTidiness = new Set(['test/tidy.test.ts', 'test/support/tidy-rules.ts']);

describe('tidy', () => {
  it('finds the sources', () => {
    expect(sources).to.include.members(['src/index.ts', 'src/engine/engine.ts', 'commands/get.ts']);
    expect(tests).to.include.members(['test/tidy.test.ts', 'test/unit/engine/reads.test.ts']);
  });

  it('every folder of the sources has a floor', () => {
    expect(sources.map(roomOf).filter((room) => floors[room] === undefined)).to.deep.equal([]);
  });

  it('imports point down the floor table only', () => {
    expect(sources.flatMap((file) => importFaults(file, textOf(file)))).to.deep.equal([]);
  });

  it('allows by name no import that the table would allow anyway, or that is gone', () => {
    const stand = new Set(sources.flatMap((file) => importsOf(textOf(file)).map((to) => edgeOf(file, to))));
    for (const edge of Object.keys(allowedImports)) expect(stand, edge).to.include(edge);
  });

  it('time, chance, sockets, files and the process stay behind the ports', () => {
    expect(sources.flatMap((file) => globalFaults(file, textOf(file)))).to.deep.equal([]);
  });

  it('files are short, export by name, hold no state, and leave nothing silenced or undone', () => {
    const files = [...sources, ...tests].filter((file) => !aboutTidiness.has(file));
    expect(files.flatMap((file) => shapeFaults(file, textOf(file)))).to.deep.equal([]);
  });

  it('unit tests mirror the sources', () => {
    const exists = (folder: string): boolean => existsSync(join(root, folder));
    expect(tests.flatMap((file) => mirrorFaults(file, exists))).to.deep.equal([]);
  });
});

const edgeOf = (file: string, specifier: string): string =>
  `${roomOf(file)} -> ${roomOf(new URL(specifier, `file:///${file}`).pathname.slice(1))}`;

describe('what tidy finds', () => {
  const imports: readonly [string, string, string, readonly string[]][] = [
    ['up', 'src/base/a.ts', "import { b } from '../ports/b.js';", ['src/base (0) may not import src/ports (1)']],
    ['up, the type alone', 'src/ring/a.ts', "import type { B } from '../engine/b.js';", ['src/ring (2) may not']],
    [
      'up, over several lines',
      'src/ring/a.ts',
      "import {\n  b,\n  type C,\n} from '../engine/b.js';",
      ['src/ring (2) may not'],
    ],
    ['sideways', 'src/transport/a.ts', "import '../platform/clock.js';", ['src/transport (4) may not']],
    ['up, when it is called', 'src/store/a.ts', "await import('../node/b.js');", ['src/store (2) may not']],
    ['up, as a type', 'src/store/a.ts', "type B = import('../node/b.js').B;", ['src/store (2) may not']],
    ['up, handed on', 'src/store/a.ts', "export { b } from '../node/b.js';", ['src/store (2) may not']],
    ['out of the sources', 'src/cli/a.ts', "import { b } from '../../test/b.js';", ['not on the floor table']],
    ['to the door', 'src/node/a.ts', "import { b } from '../index.js';", ['may not import src/index.ts (7)']],
    ['from nowhere', 'src/attic/a.ts', '', ['src/attic is not on the floor table']],
    ['of each of two', 'src/base/a.ts', "import '../ring/a.js';\nimport '../store/a.js';", ['ring', 'store']],
    ['down', 'src/engine/a.ts', "import { b } from '../base/b.js';", []],
    ['within the room', 'src/engine/a.ts', "import { b } from './b.js';", []],
    ['of a package', 'src/engine/a.ts', "import { b } from 'lru-cache';", []],
    ['down from a folder within', 'commands/node/start.ts', "import { b } from '../../src/cli/b.js';", []],
    ['in a comment', 'src/base/a.ts', "// import { b } from '../ports/b.js';\n/* import '../ring/b.js'; */", []],
    [
      'in a text',
      'src/base/a.ts',
      "const a = `\nimport { c } from '../node/c.js';\n`; const b = \"import('../node/b.js')\";",
      [],
    ],
  ];
  for (const [name, file, text, expected] of imports) {
    const what = expected.length === 0 ? 'passes' : 'finds';
    it(`${what} an import ${name}`, () => matches(importFaults(file, text), expected));
  }

  const uses: readonly [string, string, string, readonly string[]][] = [
    ['Date.now', 'src/engine/a.ts', 'const t = Date.now();', ['uses Date.now']],
    ['the date of now', 'src/engine/a.ts', 'const t = new Date();', ['uses new Date() of now']],
    ['a given date', 'src/engine/a.ts', 'const t = new Date(5);', []],
    ['setTimeout', 'src/engine/a.ts', 'setTimeout(run, 5);', ['uses a timer']],
    ['a timer of globalThis', 'src/cli/a.ts', 'globalThis.setInterval(run, 5);', ['uses a timer']],
    ['a timer handed on', 'src/cli/a.ts', 'const later = setImmediate;', ['uses a timer']],
    [
      'timers of node',
      'src/engine/a.ts',
      "import { setTimeout as s } from 'node:timers/promises';",
      ['a timer', 'node:timers'],
    ],
    ['chance', 'src/engine/a.ts', 'const r = Math.random();', ['uses Math.random']],
    [
      'chance of crypto',
      'src/engine/a.ts',
      "import { randomUUID } from 'node:crypto';",
      ['node:crypto', 'node:crypto'],
    ],
    ['AbortSignal.timeout', 'src/client/a.ts', 'AbortSignal.timeout(5)', ['AbortSignal.timeout']],
    ['performance', 'src/client/a.ts', 'performance.now()', ['uses performance']],
    ['the process', 'src/node/a.ts', 'process.exit(1)', ['uses process']],
    ['the process, in a template', 'src/node/a.ts', `const a = \`\${{ a: process.pid }.a}\`;`, ['uses process']],
    ['the process, in a command', 'commands/a.ts', 'process.exit(1)', []],
    ['something called process', 'src/node/a.ts', 'child.process.exit(1); const process = 1;', []],
    ['weak references', 'src/node/a.ts', 'new WeakRef(a)', ['garbage collector']],
    ['localeCompare', 'src/ring/a.ts', 'a.localeCompare(b)', ['locale']],
    ['files', 'src/engine/a.ts', "import { readFile } from 'node:fs/promises';", ['node:fs/promises']],
    ['files, loaded late', 'src/engine/a.ts', "await import('node:fs');", ['node:fs']],
    ['files, in a connector', 'src/connectors/a.ts', "import { readFile } from 'node:fs/promises';", []],
    ['sockets', 'src/engine/a.ts', "import type { Socket } from 'node:net';", ['node:net']],
    ['sockets, in transport', 'src/transport/a.ts', "import { createServer } from 'node:net';", []],
    ['files, in transport', 'src/transport/a.ts', "import { readFileSync } from 'node:fs';", ['node:fs']],
    ['anything, in platform', 'src/platform/a.ts', "import 'node:fs'; process.exit(Date.now());", []],
    ['paths', 'src/engine/a.ts', "import { join } from 'node:path';", []],
    ['Date.now in words', 'src/engine/a.ts', "// Date.now()\nconst a = 'Date.now()' + `Date.now()`; /Date.now()/;", []],
    [
      'Date.now behind a regular expression',
      'src/engine/a.ts',
      'const a = /[\'"`]/.test(b) && Date.now();',
      ['Date.now'],
    ],
    ['Date.now behind a division', 'src/engine/a.ts', "const a = b / 2; const c = '/'; Date.now();", ['Date.now']],
  ];
  for (const [name, file, text, expected] of uses) {
    const what = expected.length === 0 ? 'passes' : 'finds';
    it(`${what} the use of ${name}`, () => matches(globalFaults(file, text), expected));
  }

  const shapes: readonly [string, string, string, readonly string[]][] = [
    ['400 lines', 'src/a/a.ts', 'a;\n'.repeat(400), []],
    ['401 lines', 'src/a/a.ts', 'a;\n'.repeat(401), ['401 lines']],
    ['a default export', 'src/cli/a.ts', 'export default class A {}', ['default export']],
    ['the default export of a command', 'commands/a.ts', 'export default class A {}', []],
    ['a barrel', 'src/ring/a.ts', "export * from './b.js';", ['re-exports']],
    ['a name handed on', 'src/ring/a.ts', "export type {\n  B,\n} from './b.js';", ['re-exports']],
    ['the public door', 'src/index.ts', "export { b } from './base/b.js';", []],
    ['an export by name', 'src/ring/a.ts', 'const a = 1;\nexport { a };', []],
    ['state', 'src/ring/a.ts', 'let count = 0;', ['state']],
    ['state that is exported', 'src/ring/a.ts', 'export let count = 0;', ['state']],
    ['state of a function', 'src/ring/a.ts', 'function f() {\n  let count = 0;\n}', []],
    ['any', 'src/ring/a.ts', 'const f = (a: any) => a;', ['any']],
    ['any in a list', 'src/ring/a.ts', 'const f: any[] = [];', ['any']],
    ['any as a cast', 'src/ring/a.ts', 'f(a as any, <any>b)', ['any']],
    ['any of signals', 'src/ring/a.ts', 'AbortSignal.any([a]); // any\nconst b = "any";', []],
    ['a silenced compiler', 'src/ring/a.ts', '// @ts-ignore: so there\na;', ['silences the compiler']],
    ['something to do', 'src/ring/a.ts', '// TODO later', ['to do']],
    ['something to mend', 'test/a.ts', '/* FIXME */', ['to do']],
    ['to do in a text', 'src/ring/a.ts', "const a = 'TODO';", []],
    ['a silenced linter', 'src/ring/a.ts', '// biome-ignore lint/a/b: <because>\na;', []],
    ['a silenced linter without reason', 'src/ring/a.ts', '// biome-ignore lint/a/b\na;', ['without a reason']],
    ['a silenced linter with an empty reason', 'src/ring/a.ts', '// biome-ignore lint/a/b: \na;', ['without a reason']],
  ];
  for (const [name, file, text, expected] of shapes) {
    const what = expected.length === 0 ? 'passes' : 'finds';
    it(`${what} ${name}`, () => matches(shapeFaults(file, text), expected));
  }

  it('a unit test of a folder that is gone, or of none', () => {
    const exists = (folder: string): boolean => folder === 'src/engine' || folder === 'commands';
    expect(mirrorFaults('test/unit/engine/a.test.ts', exists)).to.deep.equal([]);
    expect(mirrorFaults('test/unit/commands/a.test.ts', exists)).to.deep.equal([]);
    expect(mirrorFaults('test/contract/a.test.ts', exists)).to.deep.equal([]);
    matches(mirrorFaults('test/unit/attic/a.test.ts', exists), ['no src/attic']);
    matches(mirrorFaults('test/unit/a.test.ts', exists), ['lies in no folder']);
  });

  it('what is code, what is text and what is comment', () => {
    const read = readSource(`a('b // c'); // d\n\`e\${f('g')}h\n\`; /* i\n */ k / l / m;`);
    expect(read.uncommented).to.equal(`a('b // c');     \n\`e\${f('g')}h\n\`;     \n    k / l / m;`);
    expect(read.bare).to.equal("a('      ');     \n`   f(' ')  \n`;     \n    k / l / m;");
    expect(read.comments).to.equal('             // d\n            \n   /* i\n */           ');
  });
});

/** As many faults as expected, each with the words expected of it. */
function matches(faults: readonly string[], expected: readonly string[]): void {
  expect(faults.length, faults.join('\n')).to.equal(expected.length);
  for (const [index, words] of expected.entries()) expect(faults[index]).to.include(words);
}
