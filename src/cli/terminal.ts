import { OutputClosed } from './failure.js';

/** A stream of the process, with back-pressure: a resolved `write` means that the system has taken the bytes. */
export interface Sink {
  readonly isTerminal: boolean;
  /** Width to lay out for; 80 where it is unknown. */
  readonly columns: number;
  readonly hasColor: boolean;
  /** Rejects with OutputClosed once the reader went away, with the system's error otherwise (disk full). */
  write(data: string | Uint8Array): Promise<void>;
}

/** What a command sees of the process around it, so that it can be run in a test without one. */
export interface Terminal {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdinIsTerminal: boolean;
  readonly stdout: Sink;
  readonly stderr: Sink;
}

/** NO_COLOR (any value but the empty one) beats FORCE_COLOR, which beats what the stream is. */
export function wantsColor(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0';
  return isTerminal && env.TERM !== 'dumb';
}

const isClosedPipe = (error: unknown): boolean => {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED' || code === 'ECONNRESET';
};

function sinkOf(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Sink {
  return {
    isTerminal: stream.isTTY === true,
    columns: stream.columns ?? (Number(env.COLUMNS) || 80),
    hasColor: wantsColor(env, stream.isTTY === true),
    write: (data) =>
      new Promise((resolve, reject) => {
        if (data.length === 0) return resolve();
        stream.write(data, (error) => {
          if (error == null) resolve();
          else reject(isClosedPipe(error) ? new OutputClosed('stdout was closed', { cause: error }) : error);
        });
      }),
  };
}

export function processTerminal(): Terminal {
  return {
    // A getter: to touch process.stdin opens it, and a `while read` loop's list must stay unread unless asked for.
    get stdin() {
      return process.stdin;
    },
    get stdinIsTerminal() {
      return process.stdin.isTTY === true;
    },
    stdout: sinkOf(process.stdout, process.env),
    stderr: sinkOf(process.stderr, process.env),
  };
}
