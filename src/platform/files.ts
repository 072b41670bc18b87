import { readFile, stat } from 'node:fs/promises';
import { invalidArgument, messageOf } from '../base/errors.js';

/** The text of a file that a setting names. Rejects with INVALID_ARGUMENT, naming the setting, when it cannot be read. */
export async function readSetting(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw invalidArgument(`${setting} is ${path}, which cannot be read: ${messageOf(error)}`);
  }
}

/**
 * What tells whether a file has changed: of what it leads to, where it is a link, as Kubernetes mounts its secrets. A file
 * that is gone has a state too.
 */
export async function fileState(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs, dev } = await stat(path);
    return `${dev} ${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    return messageOf(error);
  }
}

/** Permission bits of what a path leads to; undefined where there is nothing, or the system has no such bits. */
export async function fileMode(path: string): Promise<number | undefined> {
  if (process.platform === 'win32') return undefined;
  try {
    return (await stat(path)).mode & 0o777;
  } catch {
    return undefined;
  }
}
