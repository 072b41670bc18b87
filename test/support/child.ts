import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface ChildEnd {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a module in a process of its own, which is to end by itself; one that doesn't is killed in the end and has no exit
 * code. Imports start from the root of the repository: `./src/platform/clock.ts`.
 * @param closeStderr closes our end of its stderr before it writes
 */
export async function runModule(code: string, { closeStderr = false } = {}): Promise<ChildEnd> {
  const child = spawn(process.execPath, ['--import=tsx/esm', '--input-type=module', '--eval', code], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 15_000,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  if (closeStderr) child.stderr.destroy();
  else {
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
  }
  const [exit] = (await once(child, 'close')) as [number | null];
  return { exit, stdout, stderr };
}

/** Ends it where that is left to do, as a crash unless told otherwise, and waits for the end. */
export async function killed(child: ChildProcess | undefined, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

/** Stops it where it stands; resolves when it does. `SIGCONT` lets it go on. */
export async function frozen(child: ChildProcess, name: string): Promise<void> {
  child.kill('SIGSTOP');
  const state = async (): Promise<string | undefined> =>
    (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(' ')[2];
  await until(`${name} is stopped`, async () => (await state()) === 'T');
}
