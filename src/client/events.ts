import { DistcacheError, timedOut } from '../base/errors.js';
import { remainingMs } from '../ports/clock.js';
import { type Call, serverStream } from './calls.js';
import { LinkLost } from './faults.js';
import type { Link } from './links.js';
import { methods } from './methods.js';
import { type WatchedEvent, watchedEventOf } from './replies.js';

/**
 * Subscribes at one node: resolves when it listens, within the call's deadline. What follows has no deadline; it ends when
 * the node stops, rejects with PEER_UNREACHABLE when the connection breaks, and with ABORTED when the signal fires.
 */
export async function watchEvents(link: Link, call: Call): Promise<AsyncGenerator<WatchedEvent, void>> {
  const late = new AbortController();
  const signal = call.wait.signal === undefined ? late.signal : AbortSignal.any([call.wait.signal, late.signal]);
  const untimed = { ...call, wait: { deadlineMs: Number.POSITIVE_INFINITY, signal } };
  const messages = serverStream(link, methods.watchEvents, {}, untimed);
  const onTime = call.clock.after(remainingMs(call.wait, call.clock), () => late.abort());
  try {
    const first = await messages.next();
    if (first.done) throw new LinkLost(link.address, 'it is stopping', false);
    return events(link, call, first.value, messages);
  } catch (error) {
    throw late.signal.aborted ? timedOut(call.what, call.timeoutMs) : error;
  } finally {
    onTime();
  }
}

type Message = Parameters<typeof watchedEventOf>[0];

async function* events(
  link: Link,
  { what }: Call,
  first: Message,
  messages: AsyncGenerator<Message>,
): AsyncGenerator<WatchedEvent, void> {
  try {
    const listening = watchedEventOf(first);
    if (listening !== undefined) yield listening;
    for await (const message of messages) {
      const event = watchedEventOf(message);
      if (event !== undefined) yield event;
    }
  } catch (error) {
    if (!(error instanceof LinkLost)) throw error;
    const message = `${what}: the connection to ${link.address} broke (${error.reason}); look at that node, or follow another`;
    throw new DistcacheError('PEER_UNREACHABLE', message, { cause: error });
  } finally {
    await messages.return(undefined);
  }
}
