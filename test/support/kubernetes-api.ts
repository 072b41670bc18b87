import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testAuthority } from './certificates.js';
import { type PodObject, type PodShape, podObject, statusObject } from './kubernetes-pods.js';

export type Asked = 'list' | 'watch';

export interface SeenRequest {
  readonly kind: Asked;
  readonly query: URLSearchParams;
  readonly token: string;
}

/** What the next request of a kind meets instead of its answer. */
export type Fault = (response: ServerResponse, request: SeenRequest) => void;

interface Change {
  readonly version: number;
  readonly before: PodObject | undefined;
  readonly after: PodObject | undefined;
  /** For a deletion: the last state, with the version of the deletion. */
  readonly last: PodObject;
}

interface OpenWatch {
  readonly response: ServerResponse;
  readonly selector: string;
  readonly wantsBookmarks: boolean;
}

interface Snapshot {
  readonly version: number;
  readonly pods: readonly PodObject[];
}

const namespace = 'prod';

/**
 * The part of the Kubernetes API that discovery asks, over HTTPS with a certificate of its own and a bearer token, written
 * after its public description: lists in pages of one snapshot, watches from a version on, bookmarks, a history that can
 * be forgotten. It has no time of its own: watches end when a test says so.
 */
export class KubernetesApi {
  readonly requests: SeenRequest[] = [];
  /** Tokens that are accepted. */
  readonly tokens = new Set(['first-token']);
  /** How a history that is gone is told to a watch: by the status or by an event. */
  goneAs: 'status' | 'event' = 'event';
  /** Pages are no longer than this, whatever limit was asked for. */
  pageMax = Number.POSITIVE_INFINITY;
  /** Writes events in pieces of so many bytes, each sent by itself. */
  pieceBytes = Number.POSITIVE_INFINITY;
  #version = 100;
  #forgottenBefore = 0;
  readonly #pods = new Map<string, PodObject>();
  readonly #changes: Change[] = [];
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #watches = new Set<OpenWatch>();
  readonly #faults: Record<Asked, (Fault | undefined)[]> = { list: [], watch: [] };
  readonly #sockets = new Set<Socket>();
  #isSilent = false;
  #server: Server | undefined;
  #port = 0;

  private constructor(
    readonly folder: string,
    private readonly tls: { readonly key: Buffer; readonly cert: Buffer },
  ) {}

  /** Listens on a free port of the loopback. Needs `openssl`. */
  static async open(...hosts: readonly string[]): Promise<KubernetesApi> {
    const folder = await mkdtemp(join(tmpdir(), 'kubernetes-api-'));
    const authority = await testAuthority(folder, 'ca');
    const { certFile, keyFile } = await authority.issue('server', ...(hosts.length > 0 ? hosts : ['IP:127.0.0.1']));
    await writeFile(join(folder, 'token'), 'first-token\n');
    await writeFile(join(folder, 'namespace'), namespace);
    const api = new KubernetesApi(folder, { key: await readFile(keyFile), cert: await readFile(certFile) });
    await api.up();
    return api;
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get access() {
    return {
      server: `https://${this.host}`,
      tokenFile: join(this.folder, 'token'),
      caFile: join(this.folder, 'ca.pem'),
      namespaceFile: join(this.folder, 'namespace'),
    };
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  get watches(): number {
    return this.#watches.size;
  }

  count(kind: Asked): number {
    return this.requests.filter((request) => request.kind === kind).length;
  }

  last(kind: Asked): SeenRequest | undefined {
    return this.requests.findLast((request) => request.kind === kind);
  }

  /** Adds the pod or puts it in place of the one of this name. */
  put(shape: PodShape): void {
    const object = podObject(shape, String(++this.#version));
    this.#change({ version: this.#version, before: this.#pods.get(shape.name), after: object, last: object });
    this.#pods.set(shape.name, object);
  }

  remove(name: string): void {
    const before = this.#pods.get(name);
    if (before === undefined) throw new Error(`there is no pod ${name}`);
    const metadata = { ...before.metadata, resourceVersion: String(++this.#version) };
    this.#change({ version: this.#version, before, after: undefined, last: { ...before, metadata } });
    this.#pods.delete(name);
  }

  /** Something else in the cluster changes, which no watch of pods hears of. */
  touch(by = 1): void {
    this.#version += by;
  }

  /** What happened until now is forgotten: watches from before it, and lists half read, are too old. */
  compact(): void {
    this.#forgottenBefore = this.#version;
    this.#changes.length = 0;
    this.#snapshots.clear();
  }

  bookmark(): void {
    const object = { kind: 'Pod', apiVersion: 'v1', metadata: { resourceVersion: String(this.#version) } };
    for (const watch of this.#watches)
      if (watch.wantsBookmarks) this.#send(watch.response, { type: 'BOOKMARK', object });
  }

  /** To all watches open now: any text, as a line or not. */
  writeRaw(text: string | Buffer): void {
    for (const watch of this.#watches) watch.response.write(text);
  }

  sendGone(): void {
    const object = statusObject(410, 'Expired', 'too old resource version: 1 (2)');
    for (const watch of this.#watches) this.#send(watch.response, { type: 'ERROR', object });
  }

  /** As when the time asked for is over. */
  endWatches(): void {
    for (const watch of this.#watches) watch.response.end();
    this.#watches.clear();
  }

  /** Connections break. */
  cut(): void {
    this.#watches.clear();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The next requests of this kind, after those that have faults already, meet these; undefined: none. */
  fail(kind: Asked, ...faults: readonly (Fault | undefined)[]): void {
    this.#faults[kind].push(...faults);
  }

  /** Takes what it is asked and does not answer. What was open breaks. */
  silence(): void {
    this.#isSilent = true;
    this.cut();
  }

  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    this.cut();
    await closed;
  }

  async up(): Promise<void> {
    if (this.#isSilent) this.cut();
    this.#isSilent = false;
    if (this.#server !== undefined) return;
    const server = createServer(this.tls, (request, response) => this.#serve(request, response));
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    // Whoever trusts another authority hangs up in the middle of the handshake.
    server.on('tlsClientError', () => {});
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    await this.down();
    await rm(this.folder, { recursive: true, force: true });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'https://host');
    const kind: Asked = url.searchParams.get('watch') === 'true' ? 'watch' : 'list';
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    const seen: SeenRequest = { kind, query: url.searchParams, token };
    this.requests.push(seen);
    response.on('error', () => {});
    if (this.#isSilent) return;
    const isKnown = request.method === 'GET' && url.pathname === `/api/v1/namespaces/${namespace}/pods`;
    const fault = this.tokens.has(token) && isKnown ? this.#faults[kind].shift() : undefined;
    if (!this.tokens.has(token)) refuse(response, 401, 'Unauthorized', 'Unauthorized');
    else if (!isKnown) refuse(response, 404, 'NotFound', `there is no ${url.pathname}`);
    else if (fault !== undefined) fault(response, seen);
    else if (kind === 'watch') this.#watch(response, url.searchParams);
    else this.#list(response, url.searchParams);
  }

  #list(response: ServerResponse, query: URLSearchParams): void {
    const [id = '', offset = '0'] = (query.get('continue') ?? '').split('-');
    const selector = query.get('labelSelector') ?? '';
    const snapshot = id === '' ? this.#snapshot(selector) : this.#snapshots.get(id);
    if (snapshot === undefined) {
      refuse(response, 410, 'Expired', 'The provided continue parameter is too old');
      return;
    }
    const limit = Math.min(Number(query.get('limit') ?? '0') || Number.POSITIVE_INFINITY, this.pageMax);
    const from = Number(offset);
    const next = from + limit;
    const isLast = next >= snapshot.pods.length;
    const tokenId = id === '' ? `s${this.#snapshots.size + 1}` : id;
    if (!isLast) this.#snapshots.set(tokenId, snapshot);
    json(response, 200, {
      kind: 'PodList',
      apiVersion: 'v1',
      metadata: { resourceVersion: String(snapshot.version), ...(isLast ? {} : { continue: `${tokenId}-${next}` }) },
      items: snapshot.pods.slice(from, next),
    });
  }

  #snapshot(selector: string): Snapshot {
    const pods = [...this.#pods.values()].filter((pod) => matches(selector, pod));
    return { version: this.#version, pods };
  }

  #watch(response: ServerResponse, query: URLSearchParams): void {
    const from = Number(query.get('resourceVersion'));
    const isGone = from < this.#forgottenBefore;
    const gone = ['Expired', `too old resource version: ${from} (${this.#version})`] as const;
    if (isGone && this.goneAs === 'status') {
      refuse(response, 410, ...gone);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (isGone) {
      this.#send(response, { type: 'ERROR', object: statusObject(410, ...gone) });
      response.end();
      return;
    }
    const watch: OpenWatch = {
      response,
      selector: query.get('labelSelector') ?? '',
      wantsBookmarks: query.get('allowWatchBookmarks') === 'true',
    };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    for (const change of this.#changes) if (change.version > from) this.#tell(watch, change);
  }

  #change(change: Change): void {
    this.#changes.push(change);
    for (const watch of this.#watches) this.#tell(watch, change);
  }

  /** A pod that comes to carry the labels is added for those who watch by them; one that no longer does is deleted. */
  #tell({ response, selector }: OpenWatch, { before, after, last }: Change): void {
    const was = before !== undefined && matches(selector, before);
    const is = after !== undefined && matches(selector, after);
    if (!was && !is) return;
    const type = is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED';
    this.#send(response, { type, object: { kind: 'Pod', apiVersion: 'v1', ...last } });
  }

  #send(response: ServerResponse, event: unknown): void {
    const bytes = Buffer.from(`${JSON.stringify(event)}\n`);
    for (let at = 0; at < bytes.length; at += this.pieceBytes) response.write(bytes.subarray(at, at + this.pieceBytes));
  }
}

/** `a=b,c=d`, the one kind of selector that discovery uses. */
const matches = (selector: string, pod: PodObject): boolean =>
  selector.split(',').every((term) => {
    const [key = '', value] = term.split('=');
    return pod.metadata.labels[key] === value;
  });

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function refuse(response: ServerResponse, code: number, reason: string, message: string): void {
  json(response, code, statusObject(code, reason, message));
}

/** Faults to hand to `fail`. */
export const faults = {
  status:
    (code: number, message = 'injected', headers: Record<string, string> = {}): Fault =>
    (response) =>
      json(response, code, statusObject(code, 'Injected', message), headers),
  /** Nothing at all. */
  hang: (): Fault => () => {},
  /** The head and the first bytes, and then nothing more. */
  stall:
    (text = '{"kind":'): Fault =>
    (response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).write(text),
  body:
    (text: string | Buffer, headers: Record<string, string> = {}): Fault =>
    (response) =>
      void response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(text),
  /** The connection breaks after these bytes. */
  breakAfter:
    (text: string): Fault =>
    (response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).write(text, () => response.destroy()),
  redirect:
    (location: string): Fault =>
    (response) =>
      void response.writeHead(302, { location }).end(),
} as const;
