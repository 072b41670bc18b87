import { Buffer } from 'node:buffer';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { aborted, DistcacheError } from '../base/errors.js';
import { formatDuration, formatSize } from '../base/units.js';
import type { Clock } from '../ports/clock.js';
import { whyBroken } from './admin-faults.js';

/** PEM texts: whom to trust, and who we are. */
export interface AdminTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface AdminHttpOptions {
  readonly clock: Clock;
  readonly token?: string | undefined;
  readonly tls?: AdminTls | undefined;
  /** A longer answer is given up with VALUE_TOO_LARGE. */
  readonly answerBytesMax: number;
}

export interface AdminRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly body?: unknown;
  /** Until the whole answer is there; of a stream, until its first line is. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface AdminAnswer {
  readonly status: number;
  readonly text: string;
}

/** Kept connections: a dashboard asks each node for several documents every two seconds. */
const agentOptions = { keepAlive: true, maxFreeSockets: 4, maxSockets: 16 };

/** Requests to admin servers over HTTP or HTTPS. Rejects with PEER_UNREACHABLE, TIMEOUT, VALUE_TOO_LARGE or ABORTED. */
export class AdminHttp {
  readonly #http = new HttpAgent(agentOptions);
  readonly #https: HttpsAgent;

  constructor(private readonly options: AdminHttpOptions) {
    const { ca, cert, key } = options.tls ?? {};
    this.#https = new HttpsAgent({
      ...agentOptions,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
  }

  /** Reads the whole answer. */
  ask(request: AdminRequest): Promise<AdminAnswer> {
    const { answerBytesMax } = this.options;
    return this.#exchange(request, async (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      for await (const piece of response as AsyncIterable<Buffer>) {
        bytes += piece.length;
        if (bytes > answerBytesMax) {
          const limit = formatSize(answerBytesMax);
          throw new DistcacheError('VALUE_TOO_LARGE', `${request.url.host} answered with more than ${limit}`);
        }
        pieces.push(piece);
      }
      return { status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString('utf8') };
    });
  }

  /** Resolves with the open answer once its head is there; whoever asked destroys it. An error's body is read to its end. */
  open(request: AdminRequest): Promise<AdminAnswer | IncomingMessage> {
    return this.#exchange(request, async (response) => {
      if (response.statusCode === 200) return response;
      let text = '';
      for await (const piece of response as AsyncIterable<Buffer>) {
        if (text.length < errorCharsMax) text += piece.toString('utf8');
      }
      return { status: response.statusCode ?? 0, text };
    });
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  async #exchange<T>(asked: AdminRequest, use: (response: IncomingMessage) => Promise<T>): Promise<T> {
    const { url, method, timeoutMs, signal } = asked;
    const what = `${method} ${url.pathname} of ${url.host}`;
    if (signal?.aborted) throw aborted(what, signal.reason);
    const secure = url.protocol === 'https:';
    const body = asked.body === undefined ? undefined : JSON.stringify(asked.body);
    const request = (secure ? httpsRequest : httpRequest)(url, {
      method,
      agent: secure ? this.#https : this.#http,
      headers: {
        accept: 'application/json, text/event-stream',
        'user-agent': 'distcache',
        ...(this.options.token === undefined ? {} : { authorization: `Bearer ${this.options.token}` }),
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    });
    /** Why we ended it ourselves: what Node reports after that tells less. */
    let ended: DistcacheError | undefined;
    let response: IncomingMessage | undefined;
    const end = (why: DistcacheError): void => {
      ended ??= why;
      response?.destroy(why);
      request.destroy(why);
    };
    const cancel = this.options.clock.after(timeoutMs, () =>
      end(new DistcacheError('TIMEOUT', `${url.host} did not answer within ${formatDuration(timeoutMs)}`)),
    );
    const onAbort = (): void => end(aborted(what, signal?.reason));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      response = await new Promise<IncomingMessage>((resolve, reject) => {
        request.on('response', resolve);
        // Stays for good: what breaks later reports here too.
        request.on('error', reject);
        request.end(body);
      });
      response.on('error', () => {});
      return await use(response);
    } catch (error) {
      request.destroy();
      if (ended !== undefined) throw ended;
      throw error instanceof DistcacheError ? error : await whyBroken(url, error, this.options);
    } finally {
      cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

const errorCharsMax = 64 * 1024;
