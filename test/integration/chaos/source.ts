import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { History } from '../../support/history/history.js';
import { textFor } from '../../support/history/records.js';
import type { Seeded } from '../../support/seeded.js';

/**
 * The code of a data source that nodes load from a file. It asks over a Unix socket, which every network namespace of the
 * machine shares, and opens a door to its node's own gRPC port the same way: clients reach a node whose network is cut.
 */
export const sourceModule = `
import { rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';

const { CHAOS_NODE, CHAOS_SOURCE, CHAOS_DOOR, CHAOS_HOST, CHAOS_PORT } = process.env;
const text = (key, signal) => new Promise((resolve, reject) => {
  const path = '/' + CHAOS_NODE + '/' + Date.now() + '/' + encodeURIComponent(key);
  const asked = request({ socketPath: CHAOS_SOURCE, path, signal }, (answer) => {
    let body = '';
    answer.setEncoding('utf8').on('data', (part) => { body += part; }).on('error', reject);
    answer.on('end', () => answer.statusCode === 200 ? resolve(body) : reject(new Error('status ' + answer.statusCode)));
  });
  asked.on('error', reject).end();
});
const door = createServer((near) => {
  const far = connect(Number(CHAOS_PORT), CHAOS_HOST);
  for (const [from, to] of [[near, far], [far, near]]) {
    from.setNoDelay(true);
    from.on('error', () => {}).on('close', () => to.destroy());
    from.pipe(to);
  }
  near.unref();
  far.unref();
});
export default {
  open: async () => {
    if (CHAOS_DOOR === undefined) return;
    rmSync(CHAOS_DOOR, { force: true });
    door.listen(CHAOS_DOOR).unref();
  },
  fetch: (key, { signal }) => text(key, signal),
};
`;

/** What all nodes load from: it counts, records every load, and never is older than an acknowledged write. */
export class ChaosSource {
  readonly #seqs = new Map<string, number>();
  readonly #server: Server;
  #open = 0;

  private constructor(
    readonly path: string,
    private readonly history: History,
    private readonly random: Seeded,
    private readonly nowMs: () => number,
  ) {
    this.#server = createServer((request, response) => this.#serve(request.url ?? '/', response));
  }

  /** @param nowMs the clock of the history */
  static async start(path: string, history: History, random: Seeded, nowMs: () => number): Promise<ChaosSource> {
    const source = new ChaosSource(path, history, random, nowMs);
    source.#server.listen(path);
    await once(source.#server, 'listening');
    return source;
  }

  /** Keys of which nothing was set stay at 0 for ever. */
  set(key: string, seq: number): void {
    this.#seqs.set(key, Math.max(seq, this.#seqs.get(key) ?? 0));
  }

  get underway(): number {
    return this.#open;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #serve(url: string, response: ServerResponse): void {
    const [, node = '', askedWallMs, ...rest] = url.split('/').map(decodeURIComponent);
    const key = rest.join('/');
    const ended = this.history.load(key, node, Number(askedWallMs) - (Date.now() - this.nowMs()));
    this.#open++;
    response.on('close', () => {
      this.#open--;
      ended();
    });
    // The value is of the time of asking, and the answer may take long: what the fill guard is there for.
    const value = textFor(key, this.#seqs.get(key) ?? 0);
    const delayMs = this.random.chance(0.1) ? this.random.between(50, 300) : this.random.between(0, 10);
    setTimeout(() => response.end(value), delayMs);
  }
}
