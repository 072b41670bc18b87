import type { DistcacheError } from '../base/errors.js';
import type { StopSignal } from '../base/stop-signal.js';
import type { Clock } from '../ports/clock.js';
import { asDistcacheError } from './batches.js';
import type { Answer, Keyspace } from './keyspace.js';
import type { Reads } from './reads.js';

export interface WarmTask {
  readonly space: Keyspace;
  readonly key: string;
}

export type Warmed =
  /** `held`: some node had it in memory, or it was not due any more. `missing`: the data source has no such key. */
  | { readonly task: WarmTask; readonly is: 'loaded' | 'held' | 'missing' }
  | { readonly task: WarmTask; readonly is: 'failed'; readonly error: DistcacheError };

export interface WarmLimits {
  readonly concurrency: number;
  /** For each key. */
  readonly timeoutMs: number;
  readonly signal: StopSignal;
  /** Asked when its turn comes: by then a reader may have loaded it, and it would be loaded twice. */
  readonly isDue: (task: WarmTask) => boolean;
}

/**
 * Reads keys ahead of need, some at a time, each within its time, by the way that reads take: the owner loads, once
 * however many ask, and within what protects the data source. Ends early when the signal fires; the rest is left out.
 */
export async function warmAll(
  deps: { readonly clock: Clock; readonly reads: Pick<Reads, 'refresh'> },
  tasks: readonly WarmTask[],
  { concurrency, timeoutMs, signal, isDue }: WarmLimits,
  warmed: (outcome: Warmed) => void,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let task = tasks[next++]; task !== undefined && !signal.aborted; task = tasks[next++]) {
      if (!isDue(task)) {
        warmed({ task, is: 'held' });
        continue;
      }
      const wait = { deadlineMs: deps.clock.nowMs() + timeoutMs, signal };
      try {
        warmed({ task, is: outcomeOf(await deps.reads.refresh(task.space, task.key, wait)) });
      } catch (error) {
        if (!signal.aborted) warmed({ task, is: 'failed', error: asDistcacheError(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, tasks.length) }, work));
}

const outcomeOf = ({ value, outcome }: Answer): 'loaded' | 'held' | 'missing' =>
  value === null ? 'missing' : outcome === 'load' ? 'loaded' : 'held';
