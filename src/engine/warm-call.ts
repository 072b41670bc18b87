import { invalidArgument, type KeyFailure, timedOut } from '../base/errors.js';
import { Stop } from '../base/stop-signal.js';
import type { WarmOptions, WarmResult } from '../ports/cache.js';
import { type Clock, remainingMs, type Wait } from '../ports/clock.js';
import type { Entry } from '../store/entry.js';
import type { Keyspace } from './keyspace.js';
import type { Reads } from './reads.js';
import { type WarmTask, warmAll } from './warm-keys.js';
import type { ResolvedWarmup } from './warmup-options.js';

export interface WarmCallDeps {
  readonly clock: Clock;
  readonly reads: Pick<Reads, 'refresh'>;
  readonly defaults: ResolvedWarmup;
  readonly mayServe: (entry: Entry) => boolean;
}

const concurrencyMax = 1000;

/** Loads the keys that are not in memory; each key once, however often it is listed. */
export async function warmCall(
  { clock, reads, defaults, mayServe }: WarmCallDeps,
  space: Keyspace,
  listed: readonly string[],
  options: WarmOptions,
  wait: Wait,
): Promise<WarmResult> {
  const { concurrency = defaults.concurrency, keyTimeoutMs = defaults.timeoutMs } = options;
  if (!(Number.isSafeInteger(concurrency) && concurrency >= 1 && concurrency <= concurrencyMax)) {
    throw invalidArgument(`concurrency is ${concurrency}, must be a whole number from 1 to ${concurrencyMax}`);
  }
  if (!(keyTimeoutMs > 0)) throw invalidArgument(`keyTimeoutMs is ${keyTimeoutMs}, must be above 0`);
  const keys = [...new Set(listed)];
  const isDue = ({ key }: WarmTask): boolean => {
    const entry = space.fresh(key);
    return entry === undefined || !mayServe(entry);
  };
  const counts = { loaded: 0, held: 0, missing: 0 };
  const failures: KeyFailure[] = [];
  const left = new Set(keys);
  const stop = new Stop();
  const onAbort = (): void => stop.abort(wait.signal?.reason);
  wait.signal?.addEventListener('abort', onAbort, { once: true });
  const cancel = clock.after(remainingMs(wait, clock), () => stop.abort('the time is up'));
  try {
    const tasks = keys.map((key) => ({ space, key }));
    await warmAll({ clock, reads }, tasks, { concurrency, timeoutMs: keyTimeoutMs, signal: stop, isDue }, (outcome) => {
      left.delete(outcome.task.key);
      if (outcome.is !== 'failed') counts[outcome.is]++;
      else {
        const { code, message, node = '' } = outcome.error;
        failures.push({ key: outcome.task.key, code, message, node });
      }
    });
  } finally {
    cancel();
    wait.signal?.removeEventListener('abort', onAbort);
  }
  const { code, message } = timedOut('warming all keys', options.timeoutMs ?? 0);
  for (const key of left) failures.push({ key, code, message, node: '' });
  return { ...counts, failures };
}
