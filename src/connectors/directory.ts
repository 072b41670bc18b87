import { constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { DataSource } from '../ports/data-source.js';
import type { DirectoryDefinition, SourceContext } from './definition.js';
import { badDefinition, endIfAborted, sourceFailed, tooLarge, untilAborted } from './outcome.js';

const chunkBytes = 256 * 1024;

/** The file system's words for "there is no such file", beside which everything is a failure of the source. */
const absentCodes: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ENAMETOOLONG',
  'ELOOP',
  'EISDIR',
  'ENXIO',
  'EINVAL',
]);

// Callers choose keys and nothing else, so the folder is left by two doors only: the key's text, and links that lie in
// the folder. The text is closed by `isPlainPath`, links by comparing real paths. Either way the answer is "not found"
// and no error: the folder has no such file, and a hostile key must not look like a fault of the source.

/**
 * Files of a folder; the key is the path below it, with `/` between its parts. Only the one plain writing of a path is
 * known: keys with empty parts, `.`, `..`, a leading or trailing `/`, backslash or NUL are not found, as are folders,
 * devices, pipes, and links that lead outside. Links within the folder are followed.
 * Rejects with INVALID_ARGUMENT when there is no such folder.
 */
export async function openDirectory(definition: DirectoryDefinition, context: SourceContext): Promise<DataSource> {
  const { keyspace } = context;
  const root = resolve(context.baseDir, definition.path);
  const kind = await stat(root).catch((error: NodeJS.ErrnoException) => {
    throw badDefinition(keyspace, 'path', `there is no folder ${root}`, error);
  });
  if (!kind.isDirectory()) throw badDefinition(keyspace, 'path', `${root} is not a folder`);
  return {
    fetch: async (key, { signal }) => {
      if (!isPlainPath(key)) return null;
      try {
        return await untilAborted(() => readInside(root, key, signal, context), signal, keyspace);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
        throw sourceFailed(keyspace, `directory: ${code} while reading a file of ${root}`, error);
      }
    },
  };
}

function isPlainPath(key: string): boolean {
  if (!key.isWellFormed() || key.includes('\0') || key.includes('\\')) return false;
  // On Windows a colon names a drive or a second stream of a file.
  if (sep === '\\' && key.includes(':')) return false;
  return key.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

async function readInside(
  root: string,
  key: string,
  signal: AbortSignal,
  context: SourceContext,
): Promise<Uint8Array | null> {
  // The root is looked up each time, so a folder that is swapped by moving a link is followed, and one that went away
  // is a failure rather than "nothing there".
  const realRoot = await realpath(root);
  const real = await orAbsent(realpath(join(realRoot, key)));
  if (real === null || !real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) return null;
  // Non-blocking, because opening a pipe that nobody writes into would wait for ever.
  const file = await orAbsent(open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
  if (file === null) return null;
  try {
    const kind = await file.stat();
    if (!kind.isFile()) return null;
    if (kind.size > context.maxValueBytes) throw tooLarge(context, kind.size);
    return await readWhole(file, kind.size, signal, context);
  } finally {
    await file.close();
  }
}

/** Reads to the end of the file, wherever that is by now: a file may grow, and some say that they are empty. */
async function readWhole(
  file: FileHandle,
  expectedBytes: number,
  signal: AbortSignal,
  context: SourceContext,
): Promise<Uint8Array> {
  let held = new Uint8Array(Math.min(expectedBytes, context.maxValueBytes) + 1);
  let length = 0;
  for (;;) {
    endIfAborted(signal, context.keyspace);
    if (length === held.byteLength) {
      const larger = new Uint8Array(Math.min(2 * held.byteLength + chunkBytes, context.maxValueBytes + 1));
      larger.set(held);
      held = larger;
    }
    const { bytesRead } = await file.read(held, length, Math.min(chunkBytes, held.byteLength - length), null);
    // One byte of room is there to notice the end; more than that is not kept.
    if (bytesRead === 0) return held.byteLength - length > 1 ? held.slice(0, length) : held.subarray(0, length);
    length += bytesRead;
    if (length > context.maxValueBytes) throw tooLarge(context, length);
  }
}

async function orAbsent<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (absentCodes.has((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
