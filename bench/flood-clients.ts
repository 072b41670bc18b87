/** The process of `flood.ts` that floods: it is told how many of what to keep open, and tells how many there are. */
import { createSecureContext } from 'node:tls';
import { type FloodCounts, HalfOpen, SlowReaders } from '../test/support/flood.js';

export interface FloodOrder {
  readonly address: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly keyspace: string;
  readonly keys: readonly string[];
  readonly halfOpen: number;
  readonly readers: number;
}

export interface FloodReport {
  readonly halfOpen: FloodCounts;
  readonly readers: FloodCounts;
}

/** What there is of the two now. */
class Flooding {
  #halfOpen: HalfOpen | undefined;
  #readers: SlowReaders | undefined;

  follow({ address, tls, keyspace, keys, halfOpen, readers }: FloodOrder): void {
    const [host, port] = address.split(':') as [string, string];
    const target = { host, port: Number(port) };
    this.end();
    this.#halfOpen = halfOpen === 0 ? undefined : new HalfOpen(target, halfOpen, 50);
    const secured = { ...target, tls: createSecureContext(tls) };
    this.#readers = readers === 0 ? undefined : new SlowReaders(secured, readers, { keyspace, keys }, 5);
  }

  report(): FloodReport {
    const none: FloodCounts = { opened: 0, open: 0, dropped: 0 };
    return { halfOpen: this.#halfOpen?.counts() ?? none, readers: this.#readers?.counts() ?? none };
  }

  end(): void {
    this.#halfOpen?.end();
    this.#readers?.end();
  }
}

const flooding = new Flooding();
// Where the bench is gone, the disconnect tells.
const timer = setInterval(() => void process.send?.(flooding.report(), () => {}), 100);
process.on('message', (told) => flooding.follow(told as FloodOrder));
process.on('disconnect', () => {
  clearInterval(timer);
  flooding.end();
});
