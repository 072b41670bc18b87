import { createReadStream, type Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { formatSize } from '../base/units.js';
import { ranges } from '../config/ranges.js';
import { systemReason, usageError } from './failure.js';
import { readAll } from './input.js';
import type { Terminal } from './terminal.js';

/** The most that is read of one value. Nodes mostly allow less (limits.maxValueBytes) and then say so. */
const valueBytesMax = ranges.maxValueBytes.max;

/** A value as the user gives it: the argument's UTF-8, a file's bytes, or those of stdin where neither, or `-`, is given. */
export async function readValue(
  given: { readonly argument: string | undefined; readonly file: string | undefined },
  terminal: Terminal,
  note: (line: string) => Promise<void>,
): Promise<Uint8Array> {
  const { argument, file } = given;
  if (file !== undefined && argument !== undefined) throw usageError('both VALUE and --file are given; leave one out');
  if (file !== undefined && file !== '-') return readValueFile(file);
  if (argument !== undefined && argument !== '-') return Buffer.from(argument);
  if (terminal.stdinIsTerminal) await note('Reading the value from the terminal; end it with Ctrl-D.');
  const value = await readAll(terminal.stdin, 'the value on stdin', valueBytesMax);
  if (value.length === 0 && terminal.stdinIsNull) {
    throw usageError("no value: stdin is closed or /dev/null; give VALUE or --file ('' stores an empty value)");
  }
  return value;
}

async function readValueFile(file: string): Promise<Uint8Array> {
  const stats = await statOf(file, '--file');
  // Pipes and devices have no size to check first.
  if (!stats.isFile()) return readAll(createReadStream(file), file, valueBytesMax);
  if (stats.size > valueBytesMax) {
    throw usageError(
      `--file: ${file} has ${formatSize(stats.size)}; a value may have at most ${formatSize(valueBytesMax)}`,
    );
  }
  return readFile(file);
}

/** Bytes of a file named by a flag, or of stdin for `-`. */
export async function openSource(name: string, flag: string, terminal: Terminal): Promise<AsyncIterable<Uint8Array>> {
  if (name === '-') return terminal.stdin;
  await statOf(name, flag);
  return createReadStream(name, { highWaterMark: 1024 * 1024 });
}

async function statOf(file: string, flag: string): Promise<Stats> {
  const stats = await stat(file).catch((error: unknown) => {
    throw usageError(`${flag}: cannot read ${file}: ${systemReason(error)}`, error);
  });
  if (stats.isDirectory()) throw usageError(`${flag}: ${file} is a directory; name a file`);
  return stats;
}
