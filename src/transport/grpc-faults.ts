import { status } from '@grpc/grpc-js';
import { whyNoConnection } from './connect-faults.js';
import { whyNoTls } from './tls-faults.js';

const reasons: readonly (readonly [RegExp, string])[] = [
  [/Last error: Failed to connect/, 'it took the connection and dropped it; does it speak gRPC?'],
  [/ETIMEDOUT|Deadline exceeded/i, 'no answer to the connection attempt'],
  [/ECONNRESET|EPIPE|Connection dropped|GOAWAY|socket hang up/i, 'the connection broke'],
  [/Protocol error|ERR_HTTP2|Parse Error|wrong version number/i, 'what answers there does not speak gRPC'],
];

/** One line for people out of what grpc-js tells of a call that failed. */
export function whyUnavailable(code: number | undefined, details: string, showsCertificate: boolean): string {
  const noConnection = whyNoConnection(details) ?? whyNoTls(details, showsCertificate);
  if (noConnection !== undefined) return noConnection;
  for (const [pattern, reason] of reasons) if (pattern.test(details)) return reason;
  if (code === status.UNIMPLEMENTED) return 'what answers there is no distcache node';
  if (code === status.UNAUTHENTICATED || code === status.PERMISSION_DENIED) return `it refused: ${details}`;
  if (code === status.CANCELLED) return 'broken off';
  return details.split('\n', 1)[0] ?? 'the connection failed';
}
