import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a key's document is now; undefined: 404. */
export type Documents = (key: string) => string | Uint8Array | undefined;

/** A web server as the data source of nodes, which counts what it is asked and can hold its answers back. */
export class CountingSource {
  documents: Documents;
  /** Answers leave this much later, as they were when the request came. */
  delayMs = 0;
  /** Answers 503 to everything. */
  isDown = false;
  readonly #requests = new Map<string, number>();
  readonly #server: Server;
  #held: (() => void)[] = [];
  #isHolding = false;
  #open = 0;

  private constructor(documents: Documents) {
    this.documents = documents;
    this.#server = createServer((request, response) => this.#serve(decodeURIComponent(request.url ?? '/'), response));
  }

  static async start(documents: Documents = (key) => `document of ${key}`, port = 0): Promise<CountingSource> {
    const source = new CountingSource(documents);
    source.#server.listen(port, '127.0.0.1');
    await once(source.#server, 'listening');
    return source;
  }

  /** For the `url` of a keyspace's source. */
  get template(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/{key}`;
  }

  /** Requests for a key, or for all of them, since the last `forget`. */
  requests(key?: string): number {
    if (key !== undefined) return this.#requests.get(key) ?? 0;
    return [...this.#requests.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Requests that came and were not answered yet. */
  get underway(): number {
    return this.#open;
  }

  forget(): void {
    this.#requests.clear();
  }

  /** From now on requests come, read the document as it is then, and wait for `release`. */
  hold(): void {
    this.#isHolding = true;
  }

  /** Further requests are answered at once; those that are held stay so. */
  letPass(): void {
    this.#isHolding = false;
  }

  release(): void {
    this.#isHolding = false;
    for (const answer of this.#held.splice(0)) answer();
  }

  async stop(): Promise<void> {
    this.release();
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #serve(path: string, response: ServerResponse): void {
    const key = path.slice(1);
    this.#requests.set(key, this.requests(key) + 1);
    const body = this.documents(key);
    this.#open++;
    response.on('close', () => this.#open--);
    const answer = (): void => {
      if (this.isDown) response.writeHead(503).end();
      else response.writeHead(body === undefined ? 404 : 200).end(body);
    };
    if (this.#isHolding) this.#held.push(answer);
    else if (this.delayMs > 0) setTimeout(answer, this.delayMs);
    else answer();
  }
}
