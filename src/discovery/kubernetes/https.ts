import type { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { aborted, DistcacheError, messageOf } from '../../base/errors.js';
import type { StopSignal } from '../../base/stop-signal.js';
import { formatDuration } from '../../base/units.js';
import type { Cancel, Clock } from '../../ports/clock.js';

export interface SecureGet {
  readonly url: URL;
  readonly token: string;
  /** Certificates in PEM, the only ones trusted. */
  readonly ca: string;
  /** From the start, connecting included, to the first line of the answer. */
  readonly answerMs: number;
  /** Between two pieces of the body. */
  readonly idleMs: number;
  /** From the start to the end of the body. */
  readonly totalMs: number;
  readonly signal: StopSignal;
  readonly clock: Clock;
}

export interface SecureAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Throws when the connection ends before the body does. */
  readonly body: AsyncIterable<Buffer>;
}

/**
 * Asks once, on a connection of its own, and hands the answer to `use`; the connection is closed when that is done. Rejects
 * with PEER_UNREACHABLE, TIMEOUT or, when the signal ended it, ABORTED; and with whatever `use` rejects with. A redirect
 * is an answer like any other: nothing follows it.
 */
export async function secureGet<T>(get: SecureGet, use: (answer: SecureAnswer) => Promise<T>): Promise<T> {
  const { url, signal, clock } = get;
  if (signal.aborted) throw aborted(`asking ${url.host}`, signal.reason);
  const request = httpsRequest(url, {
    // Not pooled: requests are few and far between, and a kept connection may be dead without anyone knowing.
    agent: false,
    ca: get.ca,
    rejectUnauthorized: true,
    headers: {
      accept: 'application/json',
      'accept-encoding': 'identity',
      authorization: `Bearer ${get.token}`,
      'user-agent': 'distcache',
    },
  });
  /** Why we ended it ourselves: what Node reports after that tells less. */
  let ended: DistcacheError | undefined;
  let response: IncomingMessage | undefined;
  const end = (why: DistcacheError): void => {
    ended ??= why;
    response?.destroy(ended);
    request.destroy(ended);
  };
  const late = (what: string, ms: number): Cancel =>
    clock.after(ms, () => end(new DistcacheError('TIMEOUT', `${what} within ${formatDuration(ms)}`)));
  const onAbort = (): void => end(aborted(`asking ${url.host}`, signal.reason));
  signal.addEventListener('abort', onAbort, { once: true });
  const cancels = [
    late('did not end its answer', get.totalMs),
    () => signal.removeEventListener('abort', onAbort),
    () => request.destroy(),
  ];
  const cancelAnswer = late('did not answer', get.answerMs);
  cancels.push(cancelAnswer);
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request.on('response', resolve);
      // Stays for good: what breaks later reports here too.
      request.on('error', (error) => reject(brokenBy(error)));
      request.end();
    });
    response = answer;
    response.on('error', () => {});
    cancelAnswer();
    // Half of a connection may vanish without a word; a watch would not miss it for minutes.
    response.socket.setKeepAlive(true, keepAliveMs);
    const body = piecesOf(answer, () => late('sent nothing more', get.idleMs));
    return await use({ status: answer.statusCode ?? 0, headers: answer.headers, body });
  } catch (error) {
    throw ended ?? error;
  } finally {
    for (const cancel of cancels) cancel();
  }
}

const keepAliveMs = 30_000;

async function* piecesOf(response: IncomingMessage, arm: () => Cancel): AsyncGenerator<Buffer> {
  let cancel = arm();
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      cancel();
      yield piece;
      cancel = arm();
    }
  } catch (error) {
    throw brokenBy(error);
  } finally {
    cancel();
  }
}

const hints: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection; is it running, and is the port right?',
  ECONNRESET: 'broke the connection',
  ENOTFOUND: 'is a name that cannot be resolved',
  EAI_AGAIN: 'is a name that cannot be resolved now',
  ENETUNREACH: 'cannot be reached from here; check network policies',
  EHOSTUNREACH: 'cannot be reached from here; check network policies',
};

/** Anything that went wrong below TLS or in it. Certificates are the usual fault and are named. */
function brokenBy(cause: unknown): DistcacheError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const isTrust = /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code);
  const trust = `has a certificate that is not trusted (${code}); the CA file must hold what signed it`;
  const what = hints[code] ?? (isTrust ? trust : `did not answer properly: ${code || messageOf(cause)}`);
  return new DistcacheError('PEER_UNREACHABLE', what, { cause });
}
