import { connect } from '../client/client.js';
import type { Clock } from '../ports/clock.js';
import type { Random } from '../ports/random.js';
import type { RunningNode } from './node-process.js';

const everyMs = 100;
const readsPerTurn = 10;
const timeoutMs = 2_000;

export interface ReadersDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/**
 * Some hundred reads per second, through all nodes, so that there is something to watch. The first keys are read by far the
 * most, as people do. Ends when `signal` aborts; a node that is gone is asked again and again, as clients would.
 */
export async function readAsPeopleDo(
  nodes: readonly RunningNode[],
  keyspace: string,
  keys: readonly string[],
  { clock, random, signal }: ReadersDeps,
): Promise<void> {
  const clients = nodes.map(({ grpc }) => connect({ addresses: [grpc], timeoutMs }));
  try {
    while (!signal.aborted) {
      const reads = clients.flatMap((client) =>
        Array.from({ length: readsPerTurn }, () =>
          client.lookup(keyspace, someKey(keys, random), { signal }).catch(() => undefined),
        ),
      );
      await Promise.all(reads);
      await pause(clock, signal);
    }
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

/** Zipf's law, near enough: as likely to be among the first ten as among the next ninety. */
export const someKey = (keys: readonly string[], random: Random): string =>
  keys[Math.min(keys.length - 1, Math.floor(keys.length ** random.next()) - 1)] ?? '';

function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(everyMs, () => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
    const stop = (): void => {
      cancel();
      resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}
