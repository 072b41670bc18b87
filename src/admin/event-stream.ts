import type { ServerResponse } from 'node:http';
import type { ClusterEvent } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import { eventDocument } from './documents.js';

/** Connections that say nothing are cut by what stands between, and a client that is gone is noticed by writing only. */
const heartbeatMs = 10_000;

export interface EventStream {
  readonly events: AsyncIterable<ClusterEvent>;
  /** Name of this node. */
  readonly node: () => string;
  readonly clock: Clock;
  /** Aborts when the client has gone, or the server stops. */
  readonly signal: AbortSignal;
}

/**
 * Server-sent events until the node stops or the client goes. Nothing is written while the client does not read: what
 * comes meanwhile waits, and is counted as a gap, where events are kept; and a socket on which nothing moves is closed.
 */
export async function streamEvents(
  response: ServerResponse,
  { events, node, clock, signal }: EventStream,
): Promise<void> {
  let isFull = false;
  const write = async (text: string): Promise<void> => {
    if (response.write(text) || signal.aborted) return;
    isFull = true;
    await drained(response, signal);
    isFull = false;
  };
  const tell = (event: ClusterEvent | { readonly type: 'listening' }): Promise<void> => {
    const document = eventDocument(event, node(), new Date(clock.wallMs()).toISOString());
    return write(`event: ${event.type}\ndata: ${JSON.stringify(document)}\n\n`);
  };
  let cancelBeat = (): void => {};
  const beat = (): void => {
    if (!isFull) response.write(': still here\n\n');
    cancelBeat = clock.after(heartbeatMs, beat, { background: true });
  };
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  cancelBeat = clock.after(heartbeatMs, beat, { background: true });
  try {
    await tell({ type: 'listening' });
    for await (const event of events) {
      await tell(event);
      if (signal.aborted) break;
    }
  } finally {
    cancelBeat();
    response.end();
  }
}

/** Resolves when there is room again, or nobody reads any more. */
function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    response.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
