import { rmSync, write as writeFd } from 'node:fs';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemRandom } from '../platform/random.js';
import { systemReason, usageError } from './failure.js';
import type { Sink } from './terminal.js';

/**
 * Runs `fill` with a sink that becomes `file` once `fill` is through: whoever reads the file sees the old content or the
 * whole new one. When `fill` fails, nothing of it stays. Devices and pipes are written directly.
 */
export async function writeFileAtomically(
  file: string,
  onInterrupt: (cleanUp: () => void) => void,
  fill: (sink: Sink) => Promise<void>,
): Promise<void> {
  if (file === '') throw usageError('--output is empty; name a file, or - for stdout');
  const descriptor = descriptorIn(file);
  // What others write to the same open file, before and after, has to stay.
  if (descriptor !== undefined) return fill(sinkOf((bytes, start) => writeTo(descriptor, bytes, start)));
  // A link stays a link: what it points to is replaced.
  const target = await realpath(file).catch(() => file);
  const before = await stat(target).catch(() => undefined);
  if (before?.isDirectory()) throw usageError(`--output: ${file} is a directory; name a file`);
  const isDirect = before !== undefined && !before.isFile();
  const written = isDirect ? target : join(dirname(target), `.${basename(target)}.${systemRandom.id()}.tmp`);
  const handle = await open(written, isDirect ? 'w' : 'wx').catch((error: unknown) => {
    throw usageError(`--output: cannot write ${file}: ${systemReason(error)}`, error);
  });
  if (!isDirect) onInterrupt(() => rmSync(written, { force: true }));
  try {
    if (before?.isFile()) await handle.chmod(before.mode & 0o7777);
    await fill(sinkOf(async (bytes, start) => (await handle.write(bytes, start)).bytesWritten));
    await handle.close();
    if (!isDirect) await rename(written, target);
  } catch (error) {
    await handle.close().catch(() => {});
    if (!isDirect) await rm(written, { force: true });
    throw error;
  }
}

/** Whether `--output` names stdout, in one way or another. */
export const isStdout = (file: string): boolean => file === '-' || descriptorIn(file) === 1;

/** The open file of this process that a path stands for. */
function descriptorIn(file: string): number | undefined {
  const standard = ['/dev/stdin', '/dev/stdout', '/dev/stderr'].indexOf(file);
  if (standard !== -1) return standard;
  const number = /^\/(?:dev|proc\/self)\/fd\/(\d{1,9})$/.exec(file)?.[1];
  return number === undefined ? undefined : Number(number);
}

const writeTo = (descriptor: number, bytes: Uint8Array, start: number): Promise<number> =>
  new Promise((resolve, reject) => {
    writeFd(descriptor, bytes, start, (error, bytesWritten) => {
      if (error === null) resolve(bytesWritten);
      else reject(usageError(`--output: cannot write to descriptor ${descriptor}: ${systemReason(error)}`, error));
    });
  });

const sinkOf = (write: (bytes: Uint8Array, start: number) => Promise<number>): Sink => ({
  isTerminal: false,
  columns: 80,
  hasColor: false,
  async write(data) {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    for (let start = 0; start < bytes.length; ) {
      start += await write(bytes, start);
    }
  },
});
