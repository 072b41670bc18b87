import { rmSync } from 'node:fs';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
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
    await fill(sinkOf(handle));
    await handle.close();
    if (!isDirect) await rename(written, target);
  } catch (error) {
    await handle.close().catch(() => {});
    if (!isDirect) await rm(written, { force: true });
    throw error;
  }
}

const sinkOf = (handle: FileHandle): Sink => ({
  isTerminal: false,
  columns: 80,
  hasColor: false,
  async write(data) {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    for (let start = 0; start < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, start);
      start += bytesWritten;
    }
  },
});
