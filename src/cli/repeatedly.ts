import type { Clock } from '../ports/clock.js';

export interface Repetition {
  readonly everyMs: number;
  /** Infinity: until the signal fires. */
  readonly count: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** Does it `count` times, `everyMs` from one start to the next or when it has ended. Rejects with its first error. */
export async function repeatedly(
  { everyMs, count, signal, clock }: Repetition,
  look: () => Promise<void>,
): Promise<void> {
  for (let done = 0; done < count && !signal.aborted; ) {
    const startedMs = clock.nowMs();
    await look();
    if (++done < count) await paused(startedMs + everyMs - clock.nowMs(), signal, clock);
  }
}

/** Resolves after so long, or when the signal fires. */
export function paused(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  });
}
