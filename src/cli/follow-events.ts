import { codeOf, DistcacheError, timedOut } from '../base/errors.js';
import type { Client } from '../client/client.js';
import type { WatchedEvent } from '../client/replies.js';
import type { Clock } from '../ports/clock.js';
import { defaultTimeoutMs } from './connection-flags.js';

export interface Follow {
  /** undefined: until the node stops. */
  readonly forMs: number | undefined;
  /** Events to wait for; gaps, and the line that says it is listening, are none. */
  readonly count: number | undefined;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Tells each event, the first one being `listening`. Resolves when `count` is reached, or `forMs` passed and no count was
 * asked for. Rejects with TIMEOUT when it passed too early, and with PEER_UNREACHABLE when the node goes away.
 */
export async function followEvents(
  client: Pick<Client, 'events'>,
  { forMs, count, signal, clock }: Follow,
  tell: (event: WatchedEvent) => Promise<void>,
): Promise<void> {
  const over = new AbortController();
  const cancelOver = clock.after(forMs ?? Number.POSITIVE_INFINITY, () => over.abort());
  let left = count ?? Number.POSITIVE_INFINITY;
  let teller = '';
  try {
    const options = {
      signal: AbortSignal.any([signal, over.signal]),
      timeoutMs: Math.min(forMs ?? Number.POSITIVE_INFINITY, defaultTimeoutMs),
    };
    for await (const event of client.events(options)) {
      teller = event.node;
      await tell(event);
      if (event.type !== 'listening' && event.type !== 'gap' && --left === 0) return;
    }
  } catch (error) {
    if (!over.signal.aborted || codeOf(error) !== 'ABORTED') throw error;
    if (teller !== '' && count === undefined) return;
    throw timedOut(teller === '' ? 'follow events' : `wait for ${count} events (${left} are missing)`, forMs ?? 0);
  } finally {
    cancelOver();
  }
  throw new DistcacheError(
    'PEER_UNREACHABLE',
    `${teller || 'the node'} stopped, and with it what it tells; follow another node with --addr`,
  );
}
