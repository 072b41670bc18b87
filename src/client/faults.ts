import { type ServiceError, status } from '@grpc/grpc-js';
import { codeOf, DistcacheError, isErrorCode } from '../base/errors.js';
import { formatDuration, formatSize } from '../base/units.js';

import { whyNoTls } from '../transport/tls-faults.js';
import { codeMetadata, nodeMetadata } from '../wire/status.js';

/** What a call was about, for messages: `get "paris" of cities`. */
export interface CallContext {
  readonly what: string;
  readonly address: string;
  readonly timeoutMs: number;
  readonly maxMessageBytes: number;
  /** The client shows a certificate of its own. */
  readonly showsCertificate: boolean;
}

/** The node never took the call, or its answer got lost on the way: another address may do better. */
export class LinkLost extends Error {
  override readonly name = 'LinkLost';
  constructor(
    readonly address: string,
    readonly reason: string,
    /** False where the call cannot have reached the node. */
    readonly mayHaveRun: boolean,
    /** TLS did not come about: a matter of who is trusted, not of who is there. */
    readonly isTls = false,
  ) {
    super(`${address}: ${reason}`);
  }
}

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && typeof (error as Partial<ServiceError>).code === 'number' && 'details' in error;

/** `distcache-code` of the trailing metadata decides; gRPC's own status only where no node of ours has spoken. */
export function faultOf(error: unknown, context: CallContext): Error {
  if (codeOf(error) !== undefined) return error as Error;
  if (!isServiceError(error)) return error instanceof Error ? error : new Error(String(error));
  const code = error.metadata?.get(codeMetadata)[0];
  const node = error.metadata?.get(nodeMetadata)[0];
  if (isErrorCode(code)) {
    return new DistcacheError(code, error.details, {
      cause: error,
      ...(typeof node === 'string' && node !== '' ? { node } : {}),
    });
  }
  return foreignFault(error, context);
}

function foreignFault(error: ServiceError, context: CallContext): Error {
  const { what, address, timeoutMs, maxMessageBytes } = context;
  const fail = (code: ConstructorParameters<typeof DistcacheError>[0], message: string): DistcacheError =>
    new DistcacheError(code, message, { cause: error });
  switch (error.code) {
    case status.DEADLINE_EXCEEDED:
      return fail(
        'TIMEOUT',
        `${what}: ${address} did not answer within ${formatDuration(timeoutMs)}; wait longer (timeoutMs, --timeout) or look at the node`,
      );
    // Not by us, which is told apart before: a node that is stopping breaks off what is under way.
    case status.CANCELLED:
      return new LinkLost(address, 'broke the call off; it may be stopping', true);
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return fail('UNAUTHORIZED', `${what}: ${address} refused access: ${error.details}`);
    case status.RESOURCE_EXHAUSTED:
      return /larger than max/i.test(error.details)
        ? fail('VALUE_TOO_LARGE', `${what}: ${tooLarge(error.details, address, maxMessageBytes)}`)
        : fail('OVERLOADED', `${what}: ${address} is overloaded: ${error.details}`);
    case status.UNIMPLEMENTED:
      return fail(
        'PEER_UNREACHABLE',
        `${what}: ${address} is not the gRPC port of a distcache node, or runs another release`,
      );
    case status.UNAVAILABLE:
      return lost(context, error.details);
    default:
      return new LinkLost(address, `failed with ${status[error.code]}: ${error.details}`, true);
  }
}

function lost({ address, showsCertificate }: CallContext, details: string): LinkLost {
  const tls = whyNoTls(details, showsCertificate);
  return new LinkLost(address, tls ?? reasonOf(details), !neverSent(details), tls !== undefined);
}

/** grpc-js says `larger than max (HAS vs ALLOWED)` of what either side received. */
function tooLarge(details: string, address: string, maxMessageBytes: number): string {
  const allowedBytes = Number(/vs (\d+)/.exec(details)?.[1]);
  return allowedBytes === maxMessageBytes
    ? `the answer is larger than ${formatSize(maxMessageBytes)}, which maxMessageBytes of this client allows`
    : `larger than ${address} takes in one message, which is its limits.maxValueBytes and a little (${details})`;
}

/** grpc-js fails a call this way when no connection stands, before anything is sent. */
const neverSent = (details: string): boolean => /^(No connection established|Name resolution failed)/.test(details);

/** The system's words without grpc-js's wrapping: `connect ECONNREFUSED 127.0.0.1:1`. */
function reasonOf(details: string): string {
  const inner = /Last error: (?:Error: )?(.+?)(?: \(\d{4}-.*)?$/.exec(details)?.[1] ?? details;
  if (/ECONNREFUSED/.test(inner)) return 'connection refused';
  if (/Name resolution failed/.test(details)) return 'its name does not resolve';
  if (/Protocol error/i.test(inner))
    return 'what answers there does not speak gRPC in the clear; if it speaks TLS, give --tls-ca';
  return inner.trim();
}

export function unreachable(what: string, tried: readonly LinkLost[]): DistcacheError {
  const list = tried.map((lost) => `${lost.address} (${lost.reason})`).join(', ');
  if (tried.some(({ isTls }) => isTls)) {
    return new DistcacheError('UNAUTHORIZED', `${what}: no TLS with ${list}`, { cause: tried.at(-1) });
  }
  const unsure = tried.some((lost) => lost.mayHaveRun) ? '; it may have been carried out' : '';
  return new DistcacheError(
    'PEER_UNREACHABLE',
    `${what}: no node within reach at ${list}${unsure}; check that a node runs there, and the addresses (--addr, DISTCACHE_ADDR)`,
    { cause: tried.at(-1) },
  );
}
