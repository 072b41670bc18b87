import { aborted, timedOut } from '../base/errors.js';
import { type Clock, remainingMs, type Wait } from '../ports/clock.js';

/**
 * Settles as `work` does, but rejects with TIMEOUT at the deadline and with ABORTED when the wait's signal ends it. What
 * `work` comes to after that is dropped.
 */
export function within<T>(clock: Clock, wait: Wait, what: string, work: Promise<T>): Promise<T> {
  const { signal } = wait;
  const givenMs = remainingMs(wait, clock);
  return new Promise<T>((resolve, reject) => {
    const release = (): void => {
      cancelTimer();
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      release();
      reject(aborted(what, signal?.reason));
    };
    const cancelTimer = clock.after(givenMs, () => {
      release();
      reject(timedOut(what, givenMs));
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    work.then(
      (value) => {
        release();
        resolve(value);
      },
      (error) => {
        release();
        reject(error);
      },
    );
  });
}
