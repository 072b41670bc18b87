import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const script = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

export interface Ended {
  /** Exit code, or the signal that ended the process. */
  readonly exit: number | NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A program and its arguments that runs the command: `ip netns exec NAME`. */
  readonly via?: readonly string[] | undefined;
}

/** Without the settings of whoever runs the tests. */
export const environment = (env: RunOptions['env']): NodeJS.ProcessEnv => {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('DISTCACHE_') && !['NO_COLOR', 'FORCE_COLOR', 'NODE_OPTIONS', 'DEBUG'].includes(name),
  );
  return { ...Object.fromEntries(inherited), ...env };
};

async function endOf(child: ChildProcess, input: string | Uint8Array | undefined): Promise<Ended> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
  // A child that does not want its input closes it.
  child.stdin?.on('error', () => {});
  if (input !== undefined) child.stdin?.end(input);
  const [code, signal] = await once(child, 'close');
  return { exit: signal ?? code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() };
}

/** Runs `distcache ARGS` as a process; stdin is empty unless `input` is given. */
export const cli = (args: readonly string[], options: RunOptions = {}): Promise<Ended> =>
  endOf(startCli(args, { ...options, stdin: options.input === undefined ? 'ignore' : 'pipe' }), options.input);

/** The same, still running; for signals. */
export function startCli(
  args: readonly string[],
  options: Pick<RunOptions, 'env' | 'via'> & { readonly stdin?: 'ignore' | 'pipe' } = {},
): ChildProcess {
  if (!existsSync(`${root}/dist/cli/main.cjs`)) throw new Error('dist/ is missing; run npm run build before the tests');
  const spawned: SpawnOptions = { env: environment(options.env), stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'] };
  const [program, ...rest] = [...(options.via ?? []), process.execPath, script, ...args];
  return spawn(program!, rest, spawned);
}

/** In bash: the exit code of the n-th part of the pipe before. */
export const exitOf = (part: number): string => `"$`.concat(`{PIPESTATUS[${part}]}"`);

/** A line of bash in which `distcache` is the command under test. */
export const shell = (line: string, options: RunOptions = {}): Promise<Ended> => {
  const preamble = `set -o pipefail; distcache() { "${process.execPath}" "${script}" "$@"; };`;
  const child = spawn('bash', ['-c', `${preamble} ${line}`], {
    env: environment(options.env),
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  return endOf(child, options.input);
};
