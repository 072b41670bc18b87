import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

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
