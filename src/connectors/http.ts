import { Buffer } from 'node:buffer';
import {
  Agent,
  type ClientRequest,
  get as httpGet,
  type IncomingMessage,
  type RequestOptions,
  STATUS_CODES,
} from 'node:http';
import { get as httpsGet, Agent as TlsAgent } from 'node:https';
import { DistcacheError } from '../base/errors.js';
import type { DataSource, FetchResult } from '../ports/data-source.js';
import { lifetimeMs } from './cache-lifetime.js';
import type { HttpDefinition, SourceContext } from './definition.js';
import { parseTemplate, plainHeaders, type UrlTemplate } from './http-template.js';
import { connectionProblem, endIfAborted, sourceFailed, tooLarge } from './outcome.js';
import { redirectTarget } from './redirect.js';
import { tagsOfHeader } from './tags.js';

const redirectsMax = 5;
// Every load in flight has a connection of its own, so their number is bounded where loads are: by the source's bulkhead.
const idleSocketsMax = 16;
const idleMs = 30_000;
/** An answer whose body is of no interest is read to its end, to keep the connection, up to this length. */
const drainBytesMax = 64 * 1024;

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

interface Exchange {
  readonly response: IncomingMessage;
  readonly request: ClientRequest;
}

/**
 * Documents of a web server by key. 404 and 410: not found; other answers but 2xx, and no answer: DATA_SOURCE_FAILED.
 * Follows at most 5 redirects, never from https to http, and sends no configured header to another origin. Bodies are
 * taken as they come, unpacked. Messages name the origin only: paths, headers and credentials stay out of them.
 */
export function createHttp(definition: HttpDefinition, context: SourceContext): DataSource {
  const template = parseTemplate(definition, context.keyspace);
  const pool = { keepAlive: true, maxFreeSockets: idleSocketsMax, timeout: idleMs };
  const agents = { 'http:': new Agent(pool), 'https:': new TlsAgent(pool) };
  const client = new HttpClient(template, context, agents, definition.tagsHeader?.toLowerCase());
  return {
    fetch: (key, { signal }) => client.fetch(key, signal),
    close: async () => {
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}

class HttpClient {
  constructor(
    private readonly template: UrlTemplate,
    private readonly context: SourceContext,
    private readonly agents: { readonly 'http:': Agent; readonly 'https:': TlsAgent },
    private readonly tagsHeader: string | undefined,
  ) {}

  async fetch(key: string, signal: AbortSignal): Promise<FetchResult> {
    const { keyspace } = this.context;
    endIfAborted(signal, keyspace);
    const url = this.template.urlOf(key);
    if (url === undefined) return null;
    try {
      return await this.#load(url, signal);
    } catch (error) {
      endIfAborted(signal, keyspace);
      if (error instanceof DistcacheError) throw error;
      // The cause is left behind: Node's errors may quote request lines and headers.
      throw sourceFailed(keyspace, `${this.template.origin} ${problemOf(error)}`);
    }
  }

  async #load(start: URL, signal: AbortSignal): Promise<FetchResult> {
    let url = start;
    let headers = this.template.headers;
    for (let hops = 0; hops <= redirectsMax; hops++) {
      const { response, request } = await this.#ask(url, headers, signal);
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return this.#accept(response, request);
      await drain(response);
      if (status === 404 || status === 410) return null;
      if (!redirects.has(status)) throw this.#failed(`answered ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd());
      const next = redirectTarget(response.headers.location, url);
      if (typeof next === 'string') throw this.#failed(next);
      // Once away from the configured origin the configured headers stay behind, also should a redirect lead back.
      if (next.origin !== url.origin) headers = plainHeaders;
      url = next;
    }
    throw this.#failed(`redirected more than ${redirectsMax} times`);
  }

  /** A kept connection may turn out closed by the server just as it is used; then the request goes out once more on a new one. */
  async #ask(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Exchange> {
    const options: RequestOptions = { headers, signal };
    const first = await exchange(url, { ...options, agent: this.agents[url.protocol as 'http:' | 'https:'] });
    const answer = first.is === 'stale' && !signal.aborted ? await exchange(url, { ...options, agent: false }) : first;
    if (answer.is === 'answered') return answer;
    throw answer.error;
  }

  async #accept(response: IncomingMessage, request: ClientRequest): Promise<FetchResult> {
    const { maxValueBytes, honourCacheHeaders, clock } = this.context;
    const encoding = response.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity' && this.template.headers['accept-encoding'] === 'identity') {
      request.destroy();
      throw this.#failed(`answered with content-encoding ${JSON.stringify(encoding)} although identity was asked for`);
    }
    const announcedBytes = Number(response.headers['content-length'] ?? 0);
    const chunks: Buffer[] = [];
    let length = announcedBytes > maxValueBytes ? announcedBytes : 0;
    if (length === 0) {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        length += chunk.byteLength;
        if (length > maxValueBytes) break;
        chunks.push(chunk);
      }
    }
    if (length > maxValueBytes) {
      request.destroy();
      throw tooLarge(this.context, length);
    }
    const value = Buffer.concat(chunks, length);
    const ttlMs = honourCacheHeaders ? lifetimeMs(response.headers, clock.wallMs()) : undefined;
    const tags = this.tagsHeader === undefined ? [] : tagsOfHeader(response.headers[this.tagsHeader]);
    if (ttlMs === undefined && tags.length === 0) return value;
    return { value, ...(ttlMs !== undefined && { ttlMs }), ...(tags.length > 0 && { tags }) };
  }

  #failed(what: string): DistcacheError {
    return sourceFailed(this.context.keyspace, `${this.template.origin} ${what}`);
  }
}

type Answer = ({ readonly is: 'answered' } & Exchange) | { readonly is: 'stale' | 'failed'; readonly error: unknown };

function exchange(url: URL, options: RequestOptions): Promise<Answer> {
  return new Promise((resolve) => {
    const request = (url.protocol === 'https:' ? httpsGet : httpGet)(url, options);
    request.on('response', (response) => resolve({ is: 'answered', response, request }));
    // Stays for the request's life: a connection that breaks later reports here as well as to the reader of the body.
    request.on('error', (error: NodeJS.ErrnoException) => {
      const stale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      resolve({ is: stale ? 'stale' : 'failed', error });
    });
  });
}

/** What happens to this body changes nothing about the answer; the caller's signal ends it through the request. */
async function drain(response: IncomingMessage): Promise<void> {
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.byteLength;
      if (length > drainBytesMax) return;
    }
  } catch {
    // The connection is gone, and with it the reason to read on.
  }
}

/** Only codes: texts of connection errors may hold more of the address than its origin. */
function problemOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return connectionProblem(code) ?? `did not answer properly (${code ?? 'unknown error'})`;
}
