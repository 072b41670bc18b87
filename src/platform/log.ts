import pino from 'pino';
import type { Log, LogLevel } from '../ports/log.js';

export interface LogOptions {
  readonly level: LogLevel;
  /** `pretty` for people at a terminal, `json` for machines: one object a line. */
  readonly format: 'pretty' | 'json';
}

/** Logs go to stderr, written at once, so that nothing is lost when the process ends. Stdout is for data. */
export async function createLog(options: LogOptions): Promise<Log> {
  const stderr = pino.destination({ fd: 2, sync: true });
  const target =
    options.format === 'json'
      ? stderr
      : (await import('pino-pretty')).default({
          destination: stderr,
          ignore: 'pid,hostname',
          translateTime: 'HH:MM:ss.l',
        });
  const logger = pino({ level: options.level, timestamp: pino.stdTimeFunctions.isoTime, base: null }, target);
  return {
    write(level, message, fields) {
      try {
        if (fields === undefined) logger[level](message);
        else logger[level](fields, message);
      } catch {
        // A full disk or a closed pipe behind stderr must not reach the engine, and there is nowhere left to say so.
      }
    },
  };
}
