import { aborted, codeOf, DistcacheError, invalidArgument, messageOf } from '../base/errors.js';
import { formatSize } from '../base/units.js';
import type { SourceContext } from './definition.js';

/** Throws what ended the caller's wait, once it has ended. */
export function endIfAborted(signal: AbortSignal, keyspace: string): void {
  if (!signal.aborted) return;
  const reason: unknown = signal.reason;
  if (codeOf(reason) !== undefined) throw reason;
  throw aborted(`loading from the data source of keyspace '${keyspace}'`, reason);
}

/**
 * The work's result, or the end of the caller's wait, whichever comes first. For work that cannot be interrupted
 * itself (a hung mount, somebody else's function): it goes on unheard, and its late failure is nobody's business.
 */
export async function untilAborted<T>(work: () => Promise<T>, signal: AbortSignal, keyspace: string): Promise<T> {
  endIfAborted(signal, keyspace);
  let stop: () => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    stop = () => {
      try {
        endIfAborted(signal, keyspace);
      } catch (error) {
        reject(error);
      }
    };
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work(), ended]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** The result, or the error instead of it: for one key among many. */
export function attempt<T>(work: () => T): T | Error {
  try {
    return work();
  } catch (error) {
    return error as Error;
  }
}

/** The source could not answer; the same load may succeed later. `what` must not contain secrets. */
export const sourceFailed = (keyspace: string, what: string, cause?: unknown): DistcacheError =>
  new DistcacheError('DATA_SOURCE_FAILED', `the data source of keyspace '${keyspace}': ${what}`, { cause });

export function tooLarge(context: SourceContext, atLeastBytes: number): DistcacheError {
  const limit = `${context.maxValueBytes} bytes (${formatSize(context.maxValueBytes)})`;
  return new DistcacheError(
    'VALUE_TOO_LARGE',
    `the data source of keyspace '${context.keyspace}': the value has at least ${atLeastBytes} bytes, ` +
      `limits.maxValueBytes allows ${limit}; raise it on every node or keep such values out of the cache`,
  );
}

/** A definition that cannot work until somebody changes it: keeps the node from starting. */
export function badDefinition(keyspace: string, field: string, problem: string, cause?: unknown): DistcacheError {
  const why = cause === undefined ? '' : `: ${messageOf(cause).split('\n', 1)[0]}`;
  return invalidArgument(`keyspaces.${keyspace}.source.${field}: ${problem}${why}`);
}

/** What the code of a failed connection means to who runs the source; texts of such errors may hold secrets. */
export function connectionProblem(code: string | undefined): string | undefined {
  switch (code) {
    case 'ECONNREFUSED':
    // Of a socket that is a file.
    case 'ENOENT':
      return 'refused the connection; is it running?';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `could not be found by name (${code})`;
    case 'ETIMEDOUT':
      return 'gave no connection in time';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'broke the connection before the whole answer was there';
    default:
      return undefined;
  }
}
