export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Events as data: a sentence for people and fields for machines. A logger that throws never reaches the engine. */
export interface Log {
  write(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export const silent: Log = { write: () => {} };
