import { AccessDenied } from '../access/access.js';
import { codeOf, type ErrorCode } from '../base/errors.js';

/** Trailing metadata that carries our stable code, and the name of the node where it happened if not the asked one. */
export const codeMetadata = 'distcache-code';
export const nodeMetadata = 'distcache-node';

/** gRPC's status numbers, as far as they are used here. */
export const grpcStatus = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** What a client that knows only gRPC makes of our codes: UNAVAILABLE where a retry may help. */
const statuses: Readonly<Record<ErrorCode, number>> = {
  KEYSPACE_NOT_FOUND: grpcStatus.notFound,
  NOT_FOUND: grpcStatus.notFound,
  DATA_SOURCE_CIRCUIT_OPEN: grpcStatus.unavailable,
  DATA_SOURCE_RATE_LIMITED: grpcStatus.resourceExhausted,
  DATA_SOURCE_FAILED: grpcStatus.unavailable,
  CLUSTER_QUORUM: grpcStatus.unavailable,
  TIMEOUT: grpcStatus.deadlineExceeded,
  ABORTED: grpcStatus.cancelled,
  PEER_UNREACHABLE: grpcStatus.unavailable,
  OVERLOADED: grpcStatus.resourceExhausted,
  INVALID_ARGUMENT: grpcStatus.invalidArgument,
  VALUE_TOO_LARGE: grpcStatus.invalidArgument,
  NOT_STARTED: grpcStatus.failedPrecondition,
  UNAUTHORIZED: grpcStatus.unauthenticated,
  PARTIAL_FAILURE: grpcStatus.unavailable,
};

export const statusOf = (code: ErrorCode): number => statuses[code];

/** What travels of anything thrown: a status for everyone and, where the error is one of ours, its code. */
export interface WireFailure {
  readonly status: number;
  readonly message: string;
  readonly code: ErrorCode | undefined;
  readonly node: string;
}

/** Errors that are not ours tell their text to the log alone: it may hold what a client should not read. */
export function failureOf(error: unknown): WireFailure {
  const code = codeOf(error);
  if (code === undefined) {
    return { status: grpcStatus.internal, message: 'internal error; see the log of the node', code, node: '' };
  }
  const { message, node } = error as { message?: unknown; node?: unknown };
  return {
    status: error instanceof AccessDenied && error.isKnown ? grpcStatus.permissionDenied : statuses[code],
    message: typeof message === 'string' ? message : code,
    code,
    node: typeof node === 'string' ? node : '',
  };
}
