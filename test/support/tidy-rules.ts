import { posix } from 'node:path';
import { readSource } from './source-text.js';

/*
 * The floor table of docs/architecture.md. A folder imports only from floors below its own; folders of one floor never
 * import each other. A folder that is not listed has no place yet: give it one here and in the picture.
 */
export const floors: Readonly<Record<string, number>> = {
  'src/base': 0,
  'src/ports': 1,
  'src/ring': 2,
  'src/store': 2,
  'src/flight': 2,
  'src/source': 2,
  'src/membership': 2,
  'src/coherence': 2,
  'src/hotkeys': 2,
  'src/access': 2,
  'src/certificates': 2,
  'src/engine': 3,
  'src/wire': 3,
  'src/transport': 4,
  'src/discovery': 4,
  'src/connectors': 4,
  'src/platform': 4,
  'src/client': 5,
  'src/admin': 5,
  'src/telemetry': 5,
  'src/config': 5,
  'src/node': 6,
  'src/index.ts': 7,
  'src/doctor': 7,
  'src/cli': 8,
  'src/demo': 8,
  tui: 8,
  commands: 9,
};

/** Imports that the table forbids and that stand all the same, as `from -> to`, each with its reason. */
export const allowedImports: Readonly<Record<string, string>> = {};

/** The folder of the table that a file lies in: `src/engine/reads.ts` in `src/engine`, `commands/get.ts` in `commands`. */
export function roomOf(file: string): string {
  const parts = file.split('/');
  return parts[0] === 'src' ? parts.slice(0, 2).join('/') : parts[0]!;
}

/** What a file imports, as written: static, of types, re-exported, for its effect, and dynamic. */
export function importsOf(text: string): readonly string[] {
  const { uncommented, bare } = readSource(text);
  const patterns = [
    /\b(?:import|export)\s[^'"`;]*?\bfrom\s*(['"])([^'"\n]+)\1/g,
    /\bimport\s*(['"])([^'"\n]+)\1/g,
    /\b(?:import|require)\s*\(\s*(['"`])([^'"`\n]+)\1/g,
  ];
  return patterns
    .flatMap((pattern) => [...uncommented.matchAll(pattern)])
    .filter((match) => bare.startsWith(match[0].slice(0, 6), match.index))
    .map((match) => match[2]!);
}

/** Imports of a file that go up, sideways, or to where nothing may be imported from. */
export function importFaults(file: string, text: string): readonly string[] {
  const from = roomOf(file);
  const floor = floors[from];
  if (floor === undefined) return [`${file}: ${from} is not on the floor table`];
  const faults: string[] = [];
  for (const specifier of importsOf(text)) {
    if (!specifier.startsWith('.')) continue;
    const to = roomOf(posix.normalize(posix.join(posix.dirname(file), specifier)).replace(/\.js$/, '.ts'));
    if (to === from || allowedImports[`${from} -> ${to}`] !== undefined) continue;
    const below = floors[to];
    if (below === undefined) faults.push(`${file}: imports ${specifier}, which is not on the floor table`);
    else if (below >= floor) faults.push(`${file}: ${from} (${floor}) may not import ${to} (${below})`);
  }
  return faults;
}

/** Modules of Node that touch nothing outside: free for all. */
const pureModules = ['buffer', 'events', 'path', 'url', 'util', 'string_decoder', 'stream'];

/** Modules of Node that a room may use beside these; none may use `timers` or `perf_hooks`, but `platform` all. */
const outsideModules: Readonly<Record<string, readonly string[]>> = {
  'src/transport': ['net', 'tls', 'http2', 'dgram'],
  'src/access': ['crypto'],
  'src/certificates': ['crypto'],
  // Their synchronous halves: what runs in the thread pool ends in an order that no simulation can repeat.
  'src/wire': ['crypto', 'zlib'],
  'src/discovery': [
    'async_hooks',
    'diagnostics_channel',
    'net',
    'dns',
    'dns/promises',
    'http',
    'https',
    'tls',
    'fs/promises',
  ],
  'src/connectors': ['fs', 'fs/promises', 'http', 'https', 'sqlite', 'module'],
  'src/client': ['http', 'https'],
  'src/admin': ['http', 'https', 'net', 'tls'],
  'src/cli': ['fs', 'fs/promises', 'stream/promises', 'module', 'tty', 'os', 'child_process'],
  'src/demo': ['fs', 'fs/promises', 'os', 'module', 'sqlite', 'child_process'],
  tui: ['tty'],
  commands: ['fs', 'fs/promises', 'os', 'child_process'],
};

/** Rooms of the process that people start: they may read its arguments, streams and signals. */
const mayUseProcess: ReadonlySet<string> = new Set(['src/cli', 'src/demo', 'tui', 'commands']);

/** Globals that a simulation cannot see, or that differ from machine to machine. */
const globals: readonly (readonly [string, RegExp])[] = [
  ['Date.now', /\bDate\.now\b/],
  ['new Date() of now', /\bnew Date\(\s*\)|(?<!new )(?<![\w.])Date\(\s*\)/],
  ['a timer', /(?<![\w#])(?:set|clear)(?:Timeout|Interval|Immediate)\b/],
  ['Math.random', /\bMath\.random\b/],
  ['AbortSignal.timeout', /\bAbortSignal\.timeout\b/],
  ['performance', /(?<![\w.#])performance\b/],
  ['chance of node:crypto', /\b(?:randomUUID|randomBytes|randomInt|randomFill(?:Sync)?|getRandomValues)\b/],
  ['the garbage collector', /\b(?:WeakRef|FinalizationRegistry)\b/],
  ['the locale', /\blocaleCompare\b/],
];

/** Uses of time, chance and the machine that belong behind a port. */
export function globalFaults(file: string, text: string): readonly string[] {
  const room = roomOf(file);
  if (room === 'src/platform') return [];
  const { bare } = readSource(text);
  const faults = globals.filter(([, pattern]) => pattern.test(bare)).map(([name]) => `${file}: uses ${name}`);
  if (!mayUseProcess.has(room) && /(?<![\w.#])process\s*\./.test(bare)) faults.push(`${file}: uses process`);
  const modules = new Set([...pureModules, ...(outsideModules[room] ?? [])]);
  for (const specifier of importsOf(text)) {
    if (specifier.startsWith('node:') && !modules.has(specifier.slice(5))) faults.push(`${file}: uses ${specifier}`);
  }
  return faults;
}

const linesMax = 400;

/** What is amiss with a file by itself: its length, its exports, its comments. */
export function shapeFaults(file: string, text: string): readonly string[] {
  const faults: string[] = [];
  const fault = (what: string): void => void faults.push(`${file}: ${what}`);
  const { bare, comments } = readSource(text);
  const lines = text.replace(/\n$/, '').split('\n').length;
  if (lines > linesMax) fault(`has ${lines} lines, more than ${linesMax}`);
  if (/\bexport\s+default\b/.test(bare) && roomOf(file) !== 'commands') fault('has a default export');
  if (/^export\s+(?:type\s+)?(?:\*|\{[^}]*\}\s*from\b)/m.test(bare) && file !== 'src/index.ts') fault('re-exports');
  if (/^(?:export\s+)?(?:let|var)\b/m.test(bare)) fault('has state at module level');
  if (/(?<![\w.'"$])any\b(?!\s*[(:?])/.test(bare)) fault('uses any');
  if (/@ts-(?:ignore|nocheck|expect-error)/.test(comments)) fault('silences the compiler');
  if (/\b(?:TODO|FIXME|XXX|HACK)\b/.test(comments)) fault('leaves something to do');
  for (const line of comments.split('\n')) {
    if (line.includes('biome-ignore') && !/biome-ignore(?:-\w+)? [\w/]+: \S/.test(line)) {
      fault(`silences the linter without a reason: ${line.trim()}`);
    }
  }
  return faults;
}

/** Folders under test/unit that test what is under test itself. */
const testOnly: ReadonlySet<string> = new Set(['support']);

/** A unit test that mirrors no folder of sources. `exists` knows the folders of the repository. */
export function mirrorFaults(file: string, exists: (folder: string) => boolean): readonly string[] {
  const folder = /^test\/unit\/([^/]+)\//.exec(file)?.[1];
  if (folder === undefined) return file.startsWith('test/unit/') ? [`${file}: lies in no folder`] : [];
  if (testOnly.has(folder) || exists(`src/${folder}`) || exists(folder)) return [];
  return [`${file}: there is no src/${folder} that it could test`];
}
