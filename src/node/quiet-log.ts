import type { Log } from '../ports/log.js';

/** Keeps what a user's logger throws, now or later, from reaching the engine; there is nowhere to tell of it. */
export function quietLog(log: Log): Log {
  return {
    write(level, message, fields) {
      try {
        // A logger in JavaScript may well be an async function, whose failure would otherwise end the process.
        const written: unknown = log.write(level, message, fields);
        if (written instanceof Promise) written.catch(() => {});
      } catch {
        // As above.
      }
    },
  };
}
