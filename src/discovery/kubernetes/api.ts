import { Buffer } from 'node:buffer';
import { DistcacheError, messageOf } from '../../base/errors.js';
import type { StopSignal } from '../../base/stop-signal.js';
import type { Clock } from '../../ports/clock.js';
import { CredentialFiles } from './credentials.js';
import { type SecureAnswer, secureGet } from './https.js';
import { LineSplitter } from './lines.js';
import type { KubernetesAccess } from './options.js';
import { type PodEvent, type PodPage, readEvent, readPage, readStatus } from './pods.js';

/** The API's history does not reach back so far: list anew. */
export interface Gone {
  readonly is: 'gone';
}

export interface ApiFailure {
  readonly is: 'failed';
  /** PEER_UNREACHABLE, TIMEOUT or ABORTED; the message says what to check. */
  readonly error: DistcacheError;
  /** Asked not to come back before. */
  readonly retryAfterMs?: number | undefined;
}

export type ListAnswer = { readonly is: 'page'; readonly page: PodPage } | Gone | ApiFailure;
/** `ended`: by the server, in good order, as it does when the time asked for is over. */
export type WatchAnswer = { readonly is: 'ended' } | Gone | ApiFailure;

/** The two questions that are asked about pods. They never reject: what may go wrong is an answer. */
export interface PodApi {
  /** One page of the pods; '' asks for the first. `totalMs`: how long it may take. */
  list(continueToken: string, totalMs: number, signal: StopSignal): Promise<ListAnswer>;
  /** Tells what changed since, until the server ends it, something breaks, or `watchMs` and some grace are over. */
  watch(from: string, watchMs: number, tell: (event: SeenEvent) => void, signal: StopSignal): Promise<WatchAnswer>;
}

/** Events with a version to go on from. */
export type SeenEvent = Extract<PodEvent, { readonly resourceVersion: string }>;

const pageLimit = 500;
/** A pod is at most 1.5 MiB and seldom more than 10 KiB. */
const pageBytesMax = 64 * 1024 * 1024;
const lineBytesMax = 8 * 1024 * 1024;
const errorBytesMax = 64 * 1024;
const answerMs = 10_000;
const idleMs = 10_000;
/** How much later than agreed a server may end a watch. */
const watchGraceMs = 15_000;
const retryAfterMaxMs = 60_000;

export interface PodApiOptions {
  readonly server: URL;
  readonly access: KubernetesAccess;
  readonly namespace: string;
  readonly selector: string;
  readonly portName: string;
}

/** A refusal that carries when to come back. */
class Refused extends Error {
  constructor(readonly answer: Gone | ApiFailure) {
    super(answer.is);
  }
}

export class HttpsPodApi implements PodApi {
  readonly #credentials: CredentialFiles;

  constructor(
    private readonly options: PodApiOptions,
    private readonly clock: Clock,
  ) {
    this.#credentials = new CredentialFiles(clock, options.access);
  }

  list(continueToken: string, totalMs: number, signal: StopSignal): Promise<ListAnswer> {
    const url = this.#url({ limit: String(pageLimit), ...(continueToken === '' ? {} : { continue: continueToken }) });
    return this.#ask(url, { totalMs, idleMs }, signal, async (body) => {
      const json = parse(await readAll(body, pageBytesMax));
      const page = readPage(json, this.options.portName);
      if (page === undefined) throw unexpected('sent what is no list of pods');
      return { is: 'page', page };
    });
  }

  async watch(
    from: string,
    watchMs: number,
    tell: (event: SeenEvent) => void,
    signal: StopSignal,
  ): Promise<WatchAnswer> {
    const url = this.#url({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(Math.ceil(watchMs / 1000)),
    });
    const totalMs = watchMs + watchGraceMs;
    let isOpen = false;
    const end = await this.#ask(url, { totalMs, idleMs: totalMs }, signal, async (body) => {
      isOpen = true;
      const lines = new LineSplitter(lineBytesMax);
      for await (const chunk of body) for (const line of lines.push(chunk)) this.#tell(line, tell);
      if (lines.unfinished) throw unexpected('ended its answer in the middle of a line');
      return { is: 'ended' } as const;
    });
    // What came until then was whole, so a watch that outlived its time is gone on from where it stood.
    return isOpen && end.is === 'failed' && end.error.code === 'TIMEOUT' ? { is: 'ended' } : end;
  }

  #tell(line: string, tell: (event: SeenEvent) => void): void {
    const event = readEvent(parse(line), this.options.portName);
    if (event === undefined) throw unexpected('sent a line that is no change of a pod');
    if (event.is === 'error') throw new Refused(this.#refusal(event.status, event.message, undefined));
    if (event.is !== 'other') tell(event);
  }

  #url(query: Readonly<Record<string, string>>): URL {
    const { server, namespace, selector } = this.options;
    const url = new URL(server);
    url.pathname = `${server.pathname.replace(/\/+$/, '')}/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
    url.search = new URLSearchParams({ labelSelector: selector, ...query }).toString();
    return url;
  }

  /** Asks with the token at hand and, refused, once more with what its file holds then. */
  async #ask<T extends { readonly is: string }>(
    url: URL,
    limits: { readonly totalMs: number; readonly idleMs: number },
    signal: StopSignal,
    use: (body: SecureAnswer['body']) => Promise<T>,
  ): Promise<T | Gone | ApiFailure> {
    const { clock } = this;
    const once = async (): Promise<T | 'unauthorized'> =>
      secureGet({ url, ...(await this.#credentials.read()), answerMs, ...limits, signal, clock }, async (answer) => {
        if (answer.status === 401) return 'unauthorized';
        if (answer.status !== 200) throw new Refused(await this.#refusalOf(answer));
        const encoding = answer.headers['content-encoding'] ?? 'identity';
        if (encoding !== 'identity') throw unexpected(`sent content-encoding ${encoding}, which was not asked for`);
        return use(answer.body);
      });
    try {
      let answer = await once();
      if (answer === 'unauthorized') {
        this.#credentials.forget();
        answer = await once();
      }
      if (answer !== 'unauthorized') return answer;
      this.#credentials.forget();
      return this.#refusal(401, '', undefined);
    } catch (error) {
      if (error instanceof Refused) return error.answer;
      return { is: 'failed', error: this.#named(error) };
    }
  }

  /** Says who did it; what was ended by its caller needs no name. */
  #named(cause: unknown): DistcacheError {
    const code = cause instanceof DistcacheError ? cause.code : 'PEER_UNREACHABLE';
    if (code === 'ABORTED') return cause as DistcacheError;
    const message = `the Kubernetes API at ${this.options.server.host}: ${messageOf(cause)}`;
    return new DistcacheError(code, message, { cause });
  }

  async #refusalOf(answer: SecureAnswer): Promise<Gone | ApiFailure> {
    let said = '';
    try {
      said = readStatus(parse(await readAll(answer.body, errorBytesMax))).message;
    } catch (error) {
      // What kind of answer it is, its status tells; the body would only have explained it.
      if ((error as DistcacheError).code === 'ABORTED') throw error;
    }
    return this.#refusal(answer.status, said, answer.headers['retry-after']);
  }

  #refusal(status: number, said: string, retryAfter: string | undefined): Gone | ApiFailure {
    if (status === 410) return { is: 'gone' };
    const what = `answered ${status}${said === '' ? '' : ` (${said})`}${this.#advice(status)}`;
    const error = this.#named(new DistcacheError('PEER_UNREACHABLE', what));
    const seconds = /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) : undefined;
    const retryAfterMs = seconds === undefined ? undefined : Math.min(seconds * 1000, retryAfterMaxMs);
    return { is: 'failed', error, retryAfterMs };
  }

  #advice(status: number): string {
    const { namespace, access } = this.options;
    if (status === 401) {
      return `: it does not accept the token in ${access.tokenFile}; check that its service account still exists and that the token is meant for this cluster`;
    }
    if (status === 403) {
      return `: the service account of this pod needs a Role in namespace ${namespace} that allows the verbs get, list and watch on pods, and a RoleBinding to it`;
    }
    if (status >= 300 && status < 400) return ': redirects are not followed; give the address of the API server itself';
    return '';
  }
}

const unexpected = (what: string): DistcacheError => new DistcacheError('PEER_UNREACHABLE', what);

async function readAll(body: AsyncIterable<Buffer>, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw unexpected(`sent an answer longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own words quote what was sent.
    throw unexpected('sent what is not JSON');
  }
}
