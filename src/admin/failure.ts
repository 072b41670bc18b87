import { codeOf, type ErrorCode, messageOf } from '../base/errors.js';
import type { ErrorDocument } from '../ports/admin.js';

/** A request that is refused, with the status that says so. */
export class Refused extends Error {
  override readonly name = 'Refused';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

const statuses: Readonly<Record<ErrorCode, number>> = {
  KEYSPACE_NOT_FOUND: 404,
  NOT_FOUND: 404,
  DATA_SOURCE_CIRCUIT_OPEN: 503,
  DATA_SOURCE_RATE_LIMITED: 503,
  DATA_SOURCE_FAILED: 502,
  CLUSTER_QUORUM: 503,
  TIMEOUT: 504,
  ABORTED: 503,
  PEER_UNREACHABLE: 502,
  OVERLOADED: 503,
  INVALID_ARGUMENT: 400,
  VALUE_TOO_LARGE: 413,
  NOT_STARTED: 503,
  UNAUTHORIZED: 401,
  PARTIAL_FAILURE: 502,
};

export interface Failure {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly document: ErrorDocument;
}

/** What a client is told of anything thrown. Faults that are not ours tell their text to the log alone. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Refused) {
    const { status, headers, code, message } = error;
    return { status, headers, document: { error: { code, message } } };
  }
  const code = codeOf(error);
  const message = code === undefined ? 'internal error; see the log of the node' : messageOf(error);
  return {
    status: code === undefined ? 500 : statuses[code],
    headers: {},
    document: { error: { code: code ?? 'INTERNAL', message } },
  };
}
