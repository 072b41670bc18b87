import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultAdminBasePath, type EventDocument } from '../../src/ports/admin.js';
import { documentsOf, type MadeCluster, type MadeDocuments } from './admin-documents.js';

type Behaviour = 'answers' | 'hangs' | 'is down';

const documentAt: Readonly<Record<string, keyof MadeDocuments>> = {
  '/node': 'node',
  '/peers': 'peers',
  '/keyspaces': 'keyspaces',
  '/hotkeys': 'hotKeys',
  '/breakers': 'breakers',
};

/** Admin servers of a made-up cluster, on free ports of this machine, whose counters grow with real time. */
export class FakeAdmin {
  readonly #servers = new Map<string, Server>();
  readonly #streams = new Set<ServerResponse>();
  readonly #startMs = performance.now();
  readonly #behaviour = new Map<string, Behaviour>();
  /** What was written: `POST /keyspaces/users/clear {}`. */
  readonly writes: string[] = [];

  private constructor(private readonly made: Omit<MadeCluster, 'seconds'>) {}

  static async start(made: Omit<MadeCluster, 'seconds'>): Promise<FakeAdmin> {
    const admin = new FakeAdmin(made);
    await Promise.all(made.nodes.map(({ name }) => admin.#listen(name)));
    return admin;
  }

  urlOf(name: string): string {
    return `http://${this.#addressOf(name)}`;
  }

  /** From now on; one that is down refuses connections. */
  async let(name: string, behaviour: Behaviour): Promise<void> {
    const before = this.#behaviour.get(name) ?? 'answers';
    this.#behaviour.set(name, behaviour);
    const server = this.#servers.get(name)!;
    if (behaviour === 'is down') {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    } else if (before === 'is down') await this.#listen(name, this.#ports.get(name));
  }

  tell(event: EventDocument): void {
    for (const stream of this.#streams) stream.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#servers.values()].map((server) => {
        server.closeAllConnections();
        return new Promise((resolve) => server.close(resolve));
      }),
    );
  }

  readonly #ports = new Map<string, number>();

  async #listen(name: string, port = 0): Promise<void> {
    const server = createServer((request, response) => this.#answer(name, request, response));
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    this.#ports.set(name, (server.address() as AddressInfo).port);
    this.#servers.set(name, server);
  }

  #addressOf(name: string): string {
    return `127.0.0.1:${this.#ports.get(name)}`;
  }

  async #answer(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#behaviour.get(name) === 'hangs') return;
    const path = (request.url ?? '').replace(defaultAdminBasePath, '');
    if (request.method === 'POST') return this.#write(path, request, response);
    if (path === '/events') return this.#follow(name, response);
    const document = documentAt[path];
    if (document === undefined) {
      response.writeHead(404).end('{"error":{"code":"NOT_FOUND","message":"no such path"}}');
      return;
    }
    const seconds = (performance.now() - this.#startMs) / 1000;
    const nodes = this.made.nodes.map((node) => ({ ...node, admin: this.#addressOf(node.name) }));
    response.end(JSON.stringify(documentsOf({ ...this.made, nodes, seconds }, name)[document]));
  }

  #follow(name: string, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
    const event: EventDocument = { time: '2026-01-01T00:00:00.000Z', type: 'listening', told_by: name };
    response.write(`event: listening\ndata: ${JSON.stringify(event)}\n\n`);
  }

  async #write(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const piece of request) body += piece;
    this.writes.push(`POST ${path} ${body}`.trim());
    response.end('{"unreached":[],"nodes":[],"handed_over":12,"left":0}');
  }
}
