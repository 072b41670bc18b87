/**
 * Everything that can go wrong and reach a caller, as one class with a closed set of codes.
 * Codes are stable and never reused; nobody matches on message texts. They cross the wire as they are.
 */

export const errorCodes = [
  'KEYSPACE_NOT_FOUND',
  'NOT_FOUND',
  'DATA_SOURCE_CIRCUIT_OPEN',
  'DATA_SOURCE_RATE_LIMITED',
  'DATA_SOURCE_FAILED',
  'CLUSTER_QUORUM',
  'TIMEOUT',
  'ABORTED',
  'PEER_UNREACHABLE',
  'OVERLOADED',
  'INVALID_ARGUMENT',
  'VALUE_TOO_LARGE',
  'NOT_STARTED',
  'UNAUTHORIZED',
  'PARTIAL_FAILURE',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

const known: ReadonlySet<string> = new Set(errorCodes);
export const isErrorCode = (code: unknown): code is ErrorCode => typeof code === 'string' && known.has(code);

/** Codes after which the same call may succeed a moment later without anybody mending anything. */
const retryableCodes: ReadonlySet<ErrorCode> = new Set([
  'DATA_SOURCE_CIRCUIT_OPEN',
  'DATA_SOURCE_RATE_LIMITED',
  'DATA_SOURCE_FAILED',
  'TIMEOUT',
  'PEER_UNREACHABLE',
  'OVERLOADED',
]);

export interface ErrorDetails {
  /** What caused it, for logs; never shown to users of other nodes. */
  readonly cause?: unknown;
  /** Name of the node where it happened, where that is not the caller's own. */
  readonly node?: string;
}

export class DistcacheError extends Error {
  readonly node: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'DistcacheError';
    this.node = details.node;
  }

  /** True when the same call may succeed later without a change of arguments or configuration. */
  get retryable(): boolean {
    return retryableCodes.has(this.code);
  }
}

export interface KeyFailure {
  readonly key: string;
  readonly code: ErrorCode;
  readonly message: string;
  /** Name of the node that failed, or '' when the failure is the caller's own node's. */
  readonly node: string;
}

/** What a change that every node is told of came to at one of them. */
export interface NodeOutcome {
  /** Name of the node. */
  readonly node: string;
  /** `unchanged`: it was so already, or the node does not have the keyspace. */
  readonly outcome: 'applied' | 'unchanged' | 'failed';
  /** Of a node that failed. */
  readonly error?: { readonly code: ErrorCode; readonly message: string } | undefined;
}

/** What a change of a keyspace came to, the nodes sorted by name. */
export interface KeyspaceResult {
  readonly keyspace: string;
  readonly nodes: readonly NodeOutcome[];
}

/** A batch of which a part went through: names the keys and the nodes that failed. */
export class PartialFailure extends DistcacheError {
  /** @param results of changes of keyspaces: what they came to at every node; `key` in `failures` is the keyspace then */
  constructor(
    message: string,
    readonly failures: readonly KeyFailure[],
    readonly results: readonly KeyspaceResult[] = [],
  ) {
    super('PARTIAL_FAILURE', message);
    this.name = 'PartialFailure';
  }

  /** Names of the nodes involved, each once, sorted. */
  get nodes(): readonly string[] {
    return [...new Set(this.failures.map((failure) => failure.node).filter((node) => node !== ''))].sort();
  }
}

/** A wrong JavaScript type at the library's edge: a programming mistake, so a `TypeError`, with our code beside it. */
export class ArgumentTypeError extends TypeError {
  readonly code = 'INVALID_ARGUMENT' as const;
  readonly retryable = false;
}

export const codeOf = (error: unknown): ErrorCode | undefined => {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return isErrorCode(code) ? code : undefined;
};

/** The text of anything thrown, without a stack. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const invalidArgument = (message: string): DistcacheError => new DistcacheError('INVALID_ARGUMENT', message);
export const notStarted = (what: string): DistcacheError =>
  new DistcacheError('NOT_STARTED', `${what}: the engine is not running; call start() first and nothing after stop()`);
export const timedOut = (what: string, afterMs: number): DistcacheError =>
  new DistcacheError('TIMEOUT', `${what} did not finish within ${Math.round(afterMs)} ms`);
export const aborted = (what: string, cause?: unknown): DistcacheError =>
  new DistcacheError('ABORTED', `${what} was cancelled by its caller`, { cause });
