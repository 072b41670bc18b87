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

let halfOpen: HalfOpen | undefined;
let readers: SlowReaders | undefined;
const none: FloodCounts = { opened: 0, open: 0, dropped: 0 };
// Where the bench is gone, the disconnect tells.
const tell = (): void =>
  void process.send?.({ halfOpen: halfOpen?.counts() ?? none, readers: readers?.counts() ?? none }, () => {});
const timer = setInterval(tell, 100);

process.on('message', (told) => {
  const order = told as FloodOrder;
  const [host, port] = order.address.split(':') as [string, string];
  const target = { host, port: Number(port) };
  halfOpen?.end();
  readers?.end();
  halfOpen = order.halfOpen === 0 ? undefined : new HalfOpen(target, order.halfOpen, 50);
  const secured = { ...target, tls: createSecureContext(order.tls) };
  const { keyspace, keys } = order;
  readers = order.readers === 0 ? undefined : new SlowReaders(secured, order.readers, { keyspace, keys }, 5);
});
process.on('disconnect', () => {
  clearInterval(timer);
  halfOpen?.end();
  readers?.end();
});
