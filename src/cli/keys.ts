import { usageError } from './failure.js';
import { groupsOf, type Line, readLines } from './input.js';

/** Keys of one request. */
const keysPerRequest = 1_000;
/** No node allows longer keys. */
const lineBytesMax = 1024 * 1024;

/** Keys of stdin, one a line, asked for as they come: a reader that types gets each answer at once. */
export async function* keysFromStdin(stdin: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  for await (const lines of readLines(stdin, 'stdin', lineBytesMax)) {
    for (const group of groupsOf(lines, keysPerRequest)) yield group.map(keyOfLine);
  }
}

export async function* keysFromArguments(keys: readonly string[]): AsyncGenerator<readonly string[]> {
  for (const group of groupsOf(keys, keysPerRequest)) yield group;
}

function keyOfLine({ number, text }: Line): string {
  if (text === '') throw usageError(`stdin, line ${number}: the key is empty, must have at least one character`);
  return text;
}
