import { readFile } from 'node:fs/promises';
import { invalidArgument, messageOf } from '../base/errors.js';

/** The text of a file that a setting names. Rejects with INVALID_ARGUMENT, naming the setting, when it cannot be read. */
export async function readSetting(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw invalidArgument(`${setting} is ${path}, which cannot be read: ${messageOf(error)}`);
  }
}
