import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { TLSSocket, Server as TlsServer } from 'node:tls';
import { joinAddress } from '../base/addresses.js';
import { messageOf } from '../base/errors.js';
import { namesOf } from '../certificates/names.js';
import { adminPaths } from '../ports/admin.js';
import { remainingMs, type Wait } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { listenError } from '../transport/listen-error.js';
import { contextOptions, listenerOptions, type ServerTls } from '../transport/tls.js';
import type { Access } from './access.js';
import { RecentAnswers, type Rendered, rendered, send } from './answers.js';
import { bodyOf } from './body.js';
import { streamEvents } from './event-stream.js';
import { failureOf, Refused } from './failure.js';
import { Router, targetOf } from './router.js';
import { type RouteDeps, routesOf } from './routes.js';
import { Throttle } from './throttle.js';

export interface AdminLimits {
  /** Connections open at a time; more are closed at once. */
  readonly connectionsMax: number;
  /** Of these, clients that follow events. */
  readonly followersMax: number;
  /** For the head of a request to be whole, and for the whole request. */
  readonly headMs: number;
  readonly requestMs: number;
  /** For an answer to be read, events aside. */
  readonly answerMs: number;
  /** A connection on which nothing moves is closed. */
  readonly idleMs: number;
  readonly headBytesMax: number;
  readonly bodyBytesMax: number;
  /** Requests that are answered at once; the others are told to come again, after a pause. Probes have as many of their own. */
  readonly perSecond: number;
  readonly burst: number;
  readonly pauseMs: number;
  /** An answer is used again so long. */
  readonly sameAnswerMs: number;
}

export const adminLimits: AdminLimits = {
  connectionsMax: 128,
  followersMax: 32,
  headMs: 5000,
  requestMs: 10_000,
  answerMs: 30_000,
  idleMs: 30_000,
  headBytesMax: 16 * 1024,
  bodyBytesMax: 32 * 1024,
  perSecond: 200,
  burst: 400,
  pauseMs: 250,
  sameAnswerMs: 200,
};

export interface AdminServerOptions extends RouteDeps {
  readonly addr: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** A free one will do where this one is taken: nobody asked for it. */
  readonly isPortFlexible: boolean;
  readonly basePath: string;
  readonly access: Access;
  /** Without: plain HTTP. */
  readonly tls?: ServerTls | undefined;
  readonly log: Log;
  readonly limits?: Partial<AdminLimits>;
}

export interface AdminCounts {
  readonly requests: number;
  /** Told to come again. */
  readonly throttled: number;
  /** Not let in by `access`, or as they came out of a browser. */
  readonly denied: number;
  readonly failed: number;
  readonly followers: number;
}

const probes: ReadonlySet<string> = new Set([adminPaths.health, adminPaths.ready]);

/**
 * The admin endpoints over HTTP. What they cost the node is bounded, whoever asks however often: connections, heads and
 * bodies have limits; each document is made a few times a second at most, and its bytes are shared; whoever asks too often
 * waits and is told to come again; whoever reads too slowly is cut off.
 */
export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #limits: AdminLimits;
  readonly #server: Server;
  readonly #router: Router;
  readonly #recent: RecentAnswers;
  readonly #throttles: { readonly probes: Throttle; readonly others: Throttle };
  readonly #stopping = new AbortController();
  #requests = 0;
  #throttled = 0;
  #denied = 0;
  #failed = 0;
  #followers = 0;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#limits = { ...adminLimits, ...options.limits };
    const { clock } = options;
    const { headMs, requestMs, headBytesMax, connectionsMax, idleMs, perSecond, burst, sameAnswerMs } = this.#limits;
    this.#router = new Router(routesOf(options, (path) => `${options.basePath}${path}`));
    this.#recent = new RecentAnswers(clock, sameAnswerMs);
    this.#throttles = { probes: new Throttle(clock, perSecond, burst), others: new Throttle(clock, perSecond, burst) };
    const bounds = {
      headersTimeout: headMs,
      requestTimeout: requestMs,
      maxHeaderSize: headBytesMax,
      keepAliveTimeout: 10_000,
      connectionsCheckingInterval: 1000,
      noDelay: true,
    };
    const serve = (request: IncomingMessage, response: ServerResponse): void => void this.#serve(request, response);
    this.#server =
      options.tls === undefined
        ? createServer(bounds, serve)
        : createTlsServer({ ...bounds, ...listenerOptions(options.tls, 'http/1.1') }, serve);
    this.#server.maxConnections = connectionsMax;
    this.#server.timeout = idleMs;
    this.#server.on('error', (error) => options.log.write('warn', `the admin server: ${messageOf(error)}`));
  }

  counts(): AdminCounts {
    return {
      requests: this.#requests,
      throttled: this.#throttled,
      denied: this.#denied,
      failed: this.#failed,
      followers: this.#followers,
    };
  }

  /** Other certificates from the next connection on. Throws where they cannot be used, and changes nothing then. */
  renewTls(tls: ServerTls): void {
    if (this.#server instanceof TlsServer) this.#server.setSecureContext(contextOptions(tls));
  }

  /** The port that was taken. Rejects with a ListenError. */
  async listen(): Promise<number> {
    const { addr, port, isPortFlexible, log } = this.#options;
    try {
      return await this.#listenOn(port);
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (!isTaken || !isPortFlexible) throw listenError(joinAddress(addr, port), error as Error, '--admin-addr');
      const taken = await this.#listenOn(0);
      log.write('warn', `port ${port} is in use, so the admin endpoints are at ${joinAddress(addr, taken)}`);
      return taken;
    }
  }

  async #listenOn(port: number): Promise<number> {
    const server = this.#server;
    const listening = once(server, 'listening');
    server.listen({ host: this.#options.addr, port, exclusive: true });
    await listening;
    const at = server.address();
    return typeof at === 'object' && at !== null ? at.port : port;
  }

  /** Lets answers that are being read end until the deadline. Idempotent. */
  async stop(wait: Wait): Promise<void> {
    this.#stopping.abort();
    if (!this.#server.listening) return;
    const { clock } = this.#options;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeIdleConnections();
    const cancel = clock.after(Math.min(lingerMs, remainingMs(wait, clock)), () => this.#server.closeAllConnections());
    await closed;
    cancel();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#requests++;
    const isHead = request.method === 'HEAD';
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    // What breaks a connection is of no use to anybody but the client.
    response.on('error', () => {});
    try {
      const answer = await this.#answer(request, response, AbortSignal.any([gone.signal, this.#stopping.signal]));
      if (answer !== undefined) this.#send(response, answer, isHead);
    } catch (error) {
      if (response.headersSent || gone.signal.aborted) {
        response.destroy();
        return;
      }
      this.#failed++;
      const { status, headers, document } = failureOf(error);
      if (status === 500) {
        this.#options.log.write('error', `an admin request failed by a fault of ours: ${messageOf(error)}`, { error });
      }
      this.#send(response, rendered({ status, document }, headers), isHead);
    }
  }

  #send(response: ServerResponse, answer: Rendered, isHead: boolean): void {
    const cancel = this.#options.clock.after(this.#limits.answerMs, () => response.destroy(), { background: true });
    response.on('close', cancel);
    send(response, answer, isHead);
  }

  /** undefined: the answer is a stream, and over. */
  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<Rendered | undefined> {
    const { basePath } = this.#options;
    const { method = 'GET', url = '' } = request;
    const isProbe = probes.has(url.slice(basePath.length));
    await this.#throttle(isProbe ? this.#throttles.probes : this.#throttles.others, signal);
    const { path, query } = targetOf(url, basePath);
    this.#check(request, path);
    if (path === adminPaths.events && method === 'GET') return this.#follow(response, signal);
    const { route, name } = this.#router.match(method, path);
    if (route.method === 'POST') {
      const body = await bodyOf(request, this.#limits.bodyBytesMax);
      return rendered(await route.answer({ name, query, body, signal }));
    }
    // Shared with whoever else asks for it, so it does not end with the one who asked first.
    const asked = { name, query, body: undefined, signal: this.#stopping.signal };
    const make = async (): Promise<Rendered> => rendered(await route.answer(asked));
    return isProbe ? make() : this.#recent.get(url, make);
  }

  async #throttle(throttle: Throttle, signal: AbortSignal): Promise<void> {
    if (throttle.take()) return;
    this.#throttled++;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(this.#limits.pauseMs, resolve);
      const end = (): void => {
        cancel();
        resolve();
      };
      signal.addEventListener('abort', end, { once: true });
    });
    throw new Refused(429, 'OVERLOADED', 'asked too often; try again in a moment', { 'retry-after': '1' });
  }

  #check(request: IncomingMessage, path: string): void {
    const { method = 'GET', headers, socket } = request;
    const isWrite = method !== 'GET' && method !== 'HEAD';
    // No page in a browser is ours: one that writes is somebody else's, who made its reader's browser do it.
    if (isWrite && (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)) {
      this.#denied++;
      throw new Refused(403, 'UNAUTHORIZED', 'writes out of a browser are refused; use a tool such as curl');
    }
    const { authorization } = headers;
    const shown = socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
    const verdict = this.#options.access({
      method,
      path,
      isWrite,
      authorization,
      remoteAddress: socket.remoteAddress ?? '',
      certificate: shown && namesOf(shown),
    });
    if (verdict.is === 'allowed') return;
    this.#denied++;
    if (verdict.is === 'forbidden') throw new Refused(403, 'UNAUTHORIZED', verdict.message);
    throw new Refused(401, 'UNAUTHORIZED', verdict.message, { 'www-authenticate': 'Bearer' });
  }

  async #follow(response: ServerResponse, signal: AbortSignal): Promise<undefined> {
    const { node, clock } = this.#options;
    if (this.#followers >= this.#limits.followersMax) {
      throw new Refused(503, 'OVERLOADED', `${this.#followers} clients follow the events already; end one first`);
    }
    this.#followers++;
    try {
      const events = node.events({ signal });
      await streamEvents(response, { events, node: () => node.status().node, clock, signal });
    } finally {
      this.#followers--;
    }
  }
}

/** Answers under way when the server stops get this long. */
const lingerMs = 1000;
