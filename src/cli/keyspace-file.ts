import type { Environment } from '../config/environment.js';
import { loadKeyspaceChanges } from '../config/keyspace-changes.js';
import { formatProblem } from '../config/problems.js';
import type { KeyspaceChanges } from '../ports/keyspace-changes.js';
import { readConfigText } from './config-file.js';
import { usageError } from './failure.js';

/** Settings of a keyspace in a file. Rejects as bad usage, in one line that names the first problem and counts the others. */
export async function readChanges(file: string, env: Environment): Promise<KeyspaceChanges> {
  const read = loadKeyspaceChanges(await readConfigText(file), file, env);
  if (read.ok) return read.changes;
  const [first, ...others] = read.problems.map(formatProblem);
  throw usageError(others.length === 0 ? `${first}` : `${first} (and ${others.length} more)`);
}
