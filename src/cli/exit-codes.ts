import type { ErrorCode, PartialFailure } from '../base/errors.js';

/** What the process says to the shell. Scripts rely on these numbers; the same with and without `--json`. */
export const exitCodes = {
  done: 0,
  unexpected: 1,
  usage: 2,
  notFound: 3,
  outOfReach: 4,
  refused: 5,
  unauthorized: 6,
  /** `doctor` has found something that fails. */
  findings: 7,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const ofCode: Readonly<Record<ErrorCode, ExitCode>> = {
  KEYSPACE_NOT_FOUND: exitCodes.notFound,
  NOT_FOUND: exitCodes.notFound,
  DATA_SOURCE_CIRCUIT_OPEN: exitCodes.refused,
  DATA_SOURCE_RATE_LIMITED: exitCodes.refused,
  DATA_SOURCE_FAILED: exitCodes.unexpected,
  CLUSTER_QUORUM: exitCodes.outOfReach,
  TIMEOUT: exitCodes.outOfReach,
  ABORTED: exitCodes.interrupted,
  PEER_UNREACHABLE: exitCodes.outOfReach,
  OVERLOADED: exitCodes.refused,
  INVALID_ARGUMENT: exitCodes.usage,
  VALUE_TOO_LARGE: exitCodes.usage,
  NOT_STARTED: exitCodes.outOfReach,
  UNAUTHORIZED: exitCodes.unauthorized,
  PARTIAL_FAILURE: exitCodes.outOfReach,
};

/** Of several failures the one that asks most of the user decides: mend access, then the cluster, then wait, then the rest. */
const gravest: readonly ExitCode[] = [
  exitCodes.unauthorized,
  exitCodes.outOfReach,
  exitCodes.refused,
  exitCodes.unexpected,
  exitCodes.usage,
  exitCodes.notFound,
];

export function exitCodeOf(code: ErrorCode): ExitCode {
  return ofCode[code];
}

/** A batch exits as its gravest failure does. */
export function exitCodeOfBatch(failure: PartialFailure): ExitCode {
  const seen = new Set(failure.failures.map(({ code }) => exitCodeOf(code)));
  return gravest.find((exit) => seen.has(exit)) ?? exitCodeOf(failure.code);
}
