import type { Environment } from '../config/environment.js';
import { loadKeyspaceChanges } from '../config/keyspace-changes.js';
import { formatProblem } from '../config/problems.js';
import type { KeyspaceChanges } from '../ports/keyspace-changes.js';
import { readConfigStream, readTextFile } from './config-file.js';
import { usageError } from './failure.js';

/**
 * Settings of a keyspace in a file, or of stdin for `-`. Rejects as bad usage, in one line that names the first problem and
 * counts the others.
 */
export async function readChanges(
  given: string,
  stdin: () => AsyncIterable<Uint8Array>,
  env: Environment,
): Promise<KeyspaceChanges> {
  const file = given === '-' ? 'stdin' : given;
  const what = `--file: ${file}`;
  const text = given === '-' ? readConfigStream(what, stdin()) : readTextFile(file, what);
  const read = loadKeyspaceChanges(await text, file, env);
  if (read.ok) return read.changes;
  const [first, ...others] = read.problems.map(formatProblem);
  throw usageError(others.length === 0 ? `${first}` : `${first} (and ${others.length} more)`);
}
