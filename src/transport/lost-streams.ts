import type { Server } from '@grpc/grpc-js';

/** How grpc-js answers a call of a method that there is not, and one that is no gRPC. They are no part of what it promises. */
const refusals = ['_respondWithError', '_verifyContentType'];

/**
 * A stream may be gone by the time that grpc-js hears of it: of a client that sends a head and then nonsense, in one packet.
 * grpc-js refuses it all the same, which throws where nobody can catch it, and would end the process. Nothing is owed to
 * who has gone, so such a refusal says no more than that there is no call.
 */
export function refuseLostStreams(server: Server): void {
  const answers = server as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  for (const name of refusals) {
    const answer = answers[name];
    if (answer === undefined) continue;
    answers[name] = (...args) => {
      try {
        return answer.apply(server, args);
      } catch (error) {
        if (isOfStream(error)) return false;
        throw error;
      }
    };
  }
}

const isOfStream = (error: unknown): boolean =>
  String((error as { readonly code?: unknown } | null)?.code).startsWith('ERR_HTTP2_');
