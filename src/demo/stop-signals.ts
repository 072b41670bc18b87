import type { EventEmitter } from 'node:events';
import type { Clock } from '../ports/clock.js';

/** One press of Ctrl-C may arrive twice, from the terminal and from npm; signals this close count as one. */
const sameSignalMs = 500;

export interface StopSignals {
  /** Aborts when the user asks for the end. */
  readonly stop: AbortSignal;
  /** Aborts when the user asks again and will not wait. */
  readonly force: AbortSignal;
  /** Gives the signals back to the system. */
  release(): void;
}

/** `source` is the process. SIGHUP is the terminal being closed. */
export function stopSignals(source: Pick<EventEmitter, 'on' | 'off'>, clock: Clock): StopSignals {
  const stop = new AbortController();
  const force = new AbortController();
  let firstMs = 0;
  const onSignal = (): void => {
    if (!stop.signal.aborted) {
      firstMs = clock.nowMs();
      stop.abort();
    } else if (clock.nowMs() - firstMs >= sameSignalMs) {
      force.abort();
    }
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) source.on(name, onSignal);
  return {
    stop: stop.signal,
    force: force.signal,
    release: () => {
      for (const name of names) source.off(name, onSignal);
    },
  };
}
