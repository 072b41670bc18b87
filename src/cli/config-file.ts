import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { messageOf } from '../base/errors.js';
import type { NodeFlags } from '../config/flags.js';
import type { NodeConfig } from '../config/node-config.js';
import { usageError } from './failure.js';

/** More is no config file; the reader refuses it by size, so one byte beyond is enough to see. */
const textBytesMax = 1024 ** 2 + 1;

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EISDIR: 'is a folder; name the file in it',
  EACCES: 'may not be read by this user',
};

/** The text of a config file, or of a pipe. Rejects as bad usage where it cannot be read, or is no UTF-8. */
export const readConfigText = (file: string): Promise<string> =>
  readTextFile(file, `config file ${file}`, '; distcache config init --output FILE writes one to start from');

/** The same of another file. `what` begins the message; `whenAbsent` ends that of a file that is not there. */
export async function readTextFile(file: string, what: string, whenAbsent = ''): Promise<string> {
  try {
    return decoded(what, await readAtMost(file, textBytesMax));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    const reason = reasons[code] ?? `cannot be read: ${messageOf(error)}`;
    throw usageError(`${what} ${reason}${code === 'ENOENT' ? whenAbsent : ''}`, error);
  }
}

/** The same of a stream, such as stdin. */
export async function readConfigStream(what: string, stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length >= textBytesMax) break;
  }
  return decoded(what, Buffer.concat(chunks).subarray(0, textBytesMax));
}

async function readAtMost(file: string, bytesMax: number): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const held = new Uint8Array(bytesMax);
    let length = 0;
    while (length < bytesMax) {
      const { bytesRead } = await handle.read(held, length, bytesMax - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return held.subarray(0, length);
  } finally {
    await handle.close();
  }
}

function decoded(what: string, bytes: Uint8Array): string {
  try {
    // What was cut off at the limit may have ended within a character, and is refused for its size.
    return new TextDecoder('utf-8', { fatal: bytes.byteLength < textBytesMax }).decode(bytes);
  } catch (error) {
    throw usageError(`${what} is not UTF-8 text`, error);
  }
}

/** What `node start` needs of its config. */
export interface StartConfig {
  readonly config: NodeConfig;
  /** Absolute folder that relative paths of sources start from: the file's, else the working directory. */
  readonly baseDir: string;
  /** Lines for stderr. */
  readonly warnings: readonly string[];
}

/**
 * Flags over the file over defaults. Rejects as bad usage, in one line that names the first problem and counts the
 * others. Loads the schema library only when called.
 */
export async function startConfig(
  file: string | undefined,
  flags: NodeFlags,
  machine: { readonly env: NodeJS.ProcessEnv; readonly totalMemoryBytes: number },
): Promise<StartConfig> {
  const { load, defaultConfig } = await import('../config/load.js');
  const { applyFlags, stillHolding } = await import('../config/flags.js');
  const { formatFlagProblem, formatProblem } = await import('../config/problems.js');
  const loaded =
    file === undefined
      ? { ok: true as const, config: defaultConfig(), sections: {}, warnings: [] }
      : load(await readConfigText(file), { file, ...machine });
  if (!loaded.ok) throw refused(loaded.problems.map(formatProblem), `distcache config validate ${file} lists all`);
  const flagged = applyFlags(loaded, withWholePaths(flags));
  if (!flagged.ok) throw refused(flagged.problems.map(formatFlagProblem), 'see distcache node start --help');
  return {
    config: flagged.config,
    baseDir: file === undefined ? process.cwd() : dirname(resolve(file)),
    warnings: [...stillHolding(loaded.warnings, flags).map(formatProblem), ...flagged.warnings.map(formatFlagProblem)],
  };
}

/** Paths on the command line start where it was typed, not where the config file is. */
const withWholePaths = (flags: NodeFlags): NodeFlags => {
  const whole = (['tls-ca', 'tls-cert', 'tls-key'] as const).flatMap((flag) => {
    const path = flags[flag];
    return path === undefined || path === '' ? [] : [[flag, resolve(path)] as const];
  });
  return { ...flags, ...Object.fromEntries(whole) };
};

function refused([first, ...others]: readonly string[], where: string): Error {
  return usageError(others.length === 0 ? `${first}` : `${first} (and ${others.length} more; ${where})`);
}
