import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemReason, usageError } from './failure.js';

/**
 * Makes a folder and those above it; one that is there is left as it is. Not by mkdir's own `recursive`, which in Node
 * tries without end where a folder that is there says that it is not, as those of /proc do.
 * `what` begins the message of one that cannot be.
 */
export async function makeFolder(folder: string, what: string): Promise<void> {
  try {
    await make(folder);
  } catch (error) {
    throw usageError(`${what}: cannot make the folder ${folder}: ${systemReason(error)}`, error);
  }
}

/** @param isAgain the folder above it was there, or has been made: another one may have made it in between */
async function make(folder: string, isAgain = false): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await isFolder(folder))) return;
    const parent = dirname(folder);
    const isParentThere = await isFolder(parent);
    if (code !== 'ENOENT' || parent === folder || (isParentThere && isAgain)) throw error;
    if (!isParentThere) await make(parent);
    await make(folder, true);
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
