import { Stop } from '../../base/stop-signal.js';
import { type Cancel, type Clock, remainingMs, type Wait } from '../../ports/clock.js';

export type Outcome<T> =
  | { readonly is: 'done'; readonly value: T }
  | { readonly is: 'failed'; readonly error: unknown }
  /** The wait ended first, by its deadline or its signal. What comes later is nobody's any more. */
  | { readonly is: 'late' };

/** Lets `run` have until the wait ends, whether it keeps to that or not. Never rejects, whatever `run` throws. */
export function within<T>(clock: Clock, wait: Wait, run: (wait: Wait) => Promise<T>): Promise<Outcome<T>> {
  return new Promise((resolve) => {
    const stop = new Stop();
    const cancels: Cancel[] = [];
    const end = (outcome: Outcome<T>): void => {
      for (const cancel of cancels.splice(0)) cancel();
      resolve(outcome);
    };
    const late = (reason: unknown): void => {
      end({ is: 'late' });
      stop.abort(reason);
    };
    const { signal } = wait;
    if (signal?.aborted === true) return late(signal.reason);
    cancels.push(onAbort(signal, () => late(signal?.reason)));
    cancels.push(clock.after(remainingMs(wait, clock), () => late(undefined)));
    let promise: Promise<T>;
    try {
      promise = Promise.resolve(run({ deadlineMs: wait.deadlineMs, signal: stop }));
    } catch (error) {
      return end({ is: 'failed', error });
    }
    promise.then(
      (value) => end({ is: 'done', value }),
      (error: unknown) => end({ is: 'failed', error }),
    );
  });
}

/** For what frees things: begun in any case, even when the wait is over already, and waited for until then. Never rejects. */
export async function begun(clock: Clock, wait: Wait, run: (wait: Wait) => Promise<unknown>): Promise<void> {
  const running = (async () => run(wait))().catch(() => {});
  await within(clock, wait, () => running);
}

/** Conditions that are asked again whenever something happened. */
export class Watchers {
  readonly #clock: Clock;
  readonly #checks = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something happened. */
  ask(): void {
    for (const check of [...this.#checks]) check();
  }

  /** True as soon as `met`; false when the wait ended first. */
  until(met: () => boolean, wait: Wait): Promise<boolean> {
    return new Promise((resolve) => {
      const cancels: Cancel[] = [];
      const end = (outcome: boolean): void => {
        for (const cancel of cancels.splice(0)) cancel();
        resolve(outcome);
      };
      const check = (): void => {
        if (met()) end(true);
      };
      if (met()) return resolve(true);
      if (wait.signal?.aborted === true) return resolve(false);
      this.#checks.add(check);
      cancels.push(
        () => this.#checks.delete(check),
        onAbort(wait.signal, () => end(false)),
        this.#clock.after(remainingMs(wait, this.#clock), () => end(false)),
      );
    });
  }
}

export function onAbort(signal: Wait['signal'], run: () => void): Cancel {
  signal?.addEventListener('abort', run, { once: true });
  return () => signal?.removeEventListener('abort', run);
}

/** Ends `stop` when any of the signals ends, until it is released. */
export function endWith(stop: Stop, signals: readonly Wait['signal'][]): Cancel {
  const cancels = signals.map((signal) => {
    if (signal?.aborted === true) stop.abort(signal.reason);
    return onAbort(signal, () => stop.abort(signal?.reason));
  });
  return () => {
    for (const cancel of cancels) cancel();
  };
}
