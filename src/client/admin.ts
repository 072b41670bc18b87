import type { Buffer } from 'node:buffer';
import { DistcacheError, isErrorCode } from '../base/errors.js';
import { systemClock } from '../platform/clock.js';
import {
  adminPaths,
  type BreakersDocument,
  type ConfigDocument,
  type DrainedDocument,
  type EventDocument,
  type HotKeysDocument,
  type IndexDocument,
  type KeyDeletedDocument,
  type KeyspaceClearedDocument,
  type KeyspaceDocument,
  type KeyspacesDocument,
  type NodeDocument,
  type PeersDocument,
  type ReadyDocument,
  type RingDocument,
  type SourceDocument,
} from '../ports/admin.js';
import type { Clock } from '../ports/clock.js';
import { type AdminAnswer, AdminHttp, type AdminTls } from './admin-http.js';
import type { AdminTarget } from './admin-target.js';
import { EventStreamReader } from './event-stream.js';

export interface AdminOptions {
  readonly timeoutMs?: number | undefined;
  readonly token?: string | undefined;
  readonly tls?: AdminTls | undefined;
  readonly clock?: Clock | undefined;
  /** Of one answer; 32 MiB without. */
  readonly answerBytesMax?: number | undefined;
}

export interface AdminCall {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

const defaultTimeoutMs = 5_000;
const defaultAnswerBytesMax = 32 * 1024 * 1024;

/**
 * Asks admin servers for their documents; see src/ports/admin.ts. Each call names the server, so that one client asks all
 * nodes. Rejects with the code the server gave; with PEER_UNREACHABLE where none answers, TIMEOUT, UNAUTHORIZED, and
 * ABORTED when the signal fired.
 */
export class AdminClient {
  readonly #http: AdminHttp;
  readonly #timeoutMs: number;

  constructor({ timeoutMs, token, tls, clock, answerBytesMax }: AdminOptions = {}) {
    this.#timeoutMs = timeoutMs ?? defaultTimeoutMs;
    this.#http = new AdminHttp({
      clock: clock ?? systemClock,
      token,
      tls,
      answerBytesMax: answerBytesMax ?? defaultAnswerBytesMax,
    });
  }

  index = (target: AdminTarget, call?: AdminCall): Promise<IndexDocument> => this.#get(target, adminPaths.index, call);

  node = (target: AdminTarget, call?: AdminCall): Promise<NodeDocument> => this.#get(target, adminPaths.node, call);

  peers = (target: AdminTarget, call?: AdminCall): Promise<PeersDocument> => this.#get(target, adminPaths.peers, call);

  keyspaces = (target: AdminTarget, call?: AdminCall): Promise<KeyspacesDocument> =>
    this.#get(target, adminPaths.keyspaces, call);

  keyspace = (target: AdminTarget, name: string, call?: AdminCall): Promise<KeyspaceDocument> =>
    this.#get(target, named(adminPaths.keyspace, name), call);

  hotKeys = (target: AdminTarget, call?: AdminCall): Promise<HotKeysDocument> =>
    this.#get(target, adminPaths.hotKeys, call);

  breakers = (target: AdminTarget, call?: AdminCall): Promise<BreakersDocument> =>
    this.#get(target, adminPaths.breakers, call);

  ring = (target: AdminTarget, call?: AdminCall): Promise<RingDocument> => this.#get(target, adminPaths.ring, call);

  config = (target: AdminTarget, call?: AdminCall): Promise<ConfigDocument> =>
    this.#get(target, adminPaths.config, call);

  /** A node that is not ready answers too, and says why. */
  ready = (target: AdminTarget, call?: AdminCall): Promise<ReadyDocument> =>
    this.#ask(target, 'GET', adminPaths.ready, call, undefined, [200, 503]);

  deleteKey = (target: AdminTarget, keyspace: string, key: string, call?: AdminCall): Promise<KeyDeletedDocument> =>
    this.#ask(target, 'POST', named(adminPaths.deleteKey, keyspace), call, { key });

  clearKeyspace = (target: AdminTarget, keyspace: string, call?: AdminCall): Promise<KeyspaceClearedDocument> =>
    this.#ask(target, 'POST', named(adminPaths.clearKeyspace, keyspace), call);

  resetBreaker = (target: AdminTarget, keyspace: string, call?: AdminCall): Promise<SourceDocument> =>
    this.#ask(target, 'POST', named(adminPaths.resetBreaker, keyspace), call);

  drain = (target: AdminTarget, call?: AdminCall): Promise<DrainedDocument> =>
    this.#ask(target, 'POST', adminPaths.drain, call);

  /**
   * What happens, as this node sees it. The time-out is that of subscribing. Ends when the server ends it; rejects with
   * PEER_UNREACHABLE when the connection breaks, with ABORTED when the signal fires.
   */
  async *events(target: AdminTarget, call: AdminCall = {}): AsyncGenerator<EventDocument, void> {
    const url = urlOf(target, adminPaths.events);
    const { timeoutMs = this.#timeoutMs, signal } = call;
    const answer = await this.#http.open({ url, method: 'GET', timeoutMs, signal });
    if ('text' in answer) throw refusalOf(url, answer);
    const onAbort = (): void => void answer.destroy();
    signal?.addEventListener('abort', onAbort, { once: true });
    const reader = new EventStreamReader();
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        for (const data of reader.push(chunk)) yield jsonOf<EventDocument>(url, data);
      }
    } catch (error) {
      if (error instanceof DistcacheError) throw error;
      if (signal?.aborted) throw new DistcacheError('ABORTED', `following ${url.host} was cancelled`, { cause: error });
      throw new DistcacheError('PEER_UNREACHABLE', `the connection to ${url.host} broke`, { cause: error });
    } finally {
      signal?.removeEventListener('abort', onAbort);
      answer.destroy();
    }
  }

  /** Ends the connections. */
  close(): void {
    this.#http.close();
  }

  #get<T>(target: AdminTarget, path: string, call: AdminCall | undefined): Promise<T> {
    return this.#ask(target, 'GET', path, call);
  }

  async #ask<T>(
    target: AdminTarget,
    method: 'GET' | 'POST',
    path: string,
    call: AdminCall = {},
    body?: unknown,
    accepted: readonly number[] = [200],
  ): Promise<T> {
    const url = urlOf(target, path);
    const { timeoutMs = this.#timeoutMs, signal } = call;
    const answer = await this.#http.ask({ url, method, body, timeoutMs, signal });
    if (!accepted.includes(answer.status)) throw refusalOf(url, answer);
    return jsonOf<T>(url, answer.text);
  }
}

const named = (path: string, name: string): string => path.replace('{name}', encodeURIComponent(name));

const urlOf = ({ origin, basePath }: AdminTarget, path: string): URL => new URL(`${basePath}${path}`, origin);

function jsonOf<T>(url: URL, text: string): T {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as T;
  } catch {
    // Told below.
  }
  throw notOurs(url);
}

const notOurs = (url: URL): DistcacheError =>
  new DistcacheError(
    'PEER_UNREACHABLE',
    `${url.host} is not the admin server of a distcache node, or serves it below another path than ${url.pathname}`,
  );

/** The server's own words and code where it is one of ours. */
function refusalOf(url: URL, { status, text }: AdminAnswer): DistcacheError {
  let told: { readonly code?: unknown; readonly message?: unknown } | undefined;
  try {
    told = (JSON.parse(text) as { error?: typeof told } | null)?.error;
  } catch {
    // No document of ours: the status is all there is.
  }
  const message = typeof told?.message === 'string' ? told.message : undefined;
  // Of a path, not of a key: it has no such endpoint where we ask for one.
  if (told?.code === 'NOT_FOUND') return notOurs(url);
  if (isErrorCode(told?.code)) return new DistcacheError(told.code, message ?? told.code);
  if (status === 401 || status === 403) {
    const why = message ?? 'it wants another token (--token, DISTCACHE_TOKEN)';
    return new DistcacheError('UNAUTHORIZED', `${url.host} refused access: ${why}`);
  }
  if (status === 429) return new DistcacheError('OVERLOADED', `${url.host} is asked too often; try again in a moment`);
  if (status === 404 && message === undefined) return notOurs(url);
  return new DistcacheError(
    'PEER_UNREACHABLE',
    `${url.host} answered with status ${status}: ${message ?? 'no reason given'}`,
  );
}
