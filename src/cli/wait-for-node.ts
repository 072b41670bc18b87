import { codeOf, DistcacheError, messageOf, timedOut } from '../base/errors.js';
import type { Client } from '../client/client.js';
import type { NodeStatus } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import { paused } from './repeatedly.js';

export interface NodeWait {
  readonly ready: boolean;
  /** Members that serve, the node included; undefined: any number. */
  readonly peers: number | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

const everyMs = 200;

/** Asks until it holds. Rejects with TIMEOUT, saying what was missing; at once with what waiting does not mend. */
export async function waitForNode(client: Pick<Client, 'status'>, wait: NodeWait): Promise<NodeStatus> {
  const { timeoutMs, signal, clock } = wait;
  const endMs = clock.nowMs() + timeoutMs;
  let missing: string | undefined;
  while (!signal.aborted) {
    const leftMs = endMs - clock.nowMs();
    if (leftMs <= 0)
      throw new DistcacheError(
        'TIMEOUT',
        `${timedOut('waiting for the node', timeoutMs).message}: ${missing ?? 'it was not asked yet'}`,
      );
    try {
      const status = await client.status({ signal, timeoutMs: Math.max(1, leftMs) });
      const what = missingOf(status, wait);
      if (what === undefined) return status;
      missing = what;
    } catch (error) {
      if (!passing.has(codeOf(error) ?? '')) throw error;
      // The last question may have had no time for its answer: what was seen before says more.
      if (missing === undefined || codeOf(error) !== 'TIMEOUT') missing = messageOf(error);
    }
    await paused(Math.min(everyMs, Math.max(0, endMs - clock.nowMs())), signal, clock);
  }
  throw new DistcacheError('ABORTED', 'waiting for the node was interrupted');
}

/** What a node that starts, or a network that comes up, may say for a while. */
const passing: ReadonlySet<string> = new Set(['PEER_UNREACHABLE', 'TIMEOUT', 'NOT_STARTED', 'OVERLOADED']);

function missingOf({ node, ready, state, peers }: NodeStatus, wanted: NodeWait): string | undefined {
  if (wanted.ready && !ready) return `${node} is ${state} and not ready`;
  if (wanted.peers !== undefined && peers < wanted.peers) return `${node} sees ${peers} of ${wanted.peers} nodes`;
  return undefined;
}
