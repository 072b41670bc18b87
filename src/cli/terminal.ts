import { fstatSync } from 'node:fs';
import { messageOf } from '../base/errors.js';
import { OutputClosed } from './failure.js';

/** A stream of the process, with back-pressure: a resolved `write` means that the system has taken the bytes. */
export interface Sink {
  readonly isTerminal: boolean;
  /** Width to lay out for; 80 where it is unknown. */
  readonly columns: number;
  readonly hasColor: boolean;
  /** Rejects with OutputClosed once the reader went away, otherwise with the system's reason (disk full). */
  write(data: string | Uint8Array): Promise<void>;
}

/** What a command sees of the process around it, so that it can be run in a test without one. */
export interface Terminal {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdinIsTerminal: boolean;
  /** Nothing was ever to come: stdin is /dev/null, as which Node opens a closed one too. */
  readonly stdinIsNull: boolean;
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

/** What whoever wrote is told of a write that failed. */
function writeFailure(error: unknown, name: string): Error {
  if (isClosedPipe(error)) return new OutputClosed(`${name} was closed`, { cause: error });
  const reason = messageOf(error).replace(/^[A-Z0-9]+: |, write$/g, '');
  return new Error(`cannot write to ${name}: ${reason}`, { cause: error });
}

/**
 * Leaves failed writes to whoever wrote: without a listener they would end the process with a stack, and the listener that
 * oclif adds on loading throws for all but closed pipes. To be called again after anything of oclif was loaded.
 */
export function silenceStreamErrors(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error');
    stream.on('error', () => {});
  }
}

/** Throws what `Sink.write` rejects with when something that others wrote to stdout (oclif's help) was not taken. */
export function checkStdoutTaken(): void {
  const { errored } = process.stdout;
  if (errored != null) throw writeFailure(errored, 'stdout');
}

function sinkOf(stream: NodeJS.WriteStream, name: string, env: NodeJS.ProcessEnv): Sink {
  return {
    isTerminal: stream.isTTY === true,
    columns: stream.columns ?? (Number(env.COLUMNS) || 80),
    hasColor: wantsColor(env, stream.isTTY === true),
    write: (data) =>
      new Promise((resolve, reject) => {
        if (data.length === 0) return resolve();
        stream.write(data, (error) => {
          if (error == null) resolve();
          else reject(writeFailure(stream.errored ?? error, name));
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
    get stdinIsNull() {
      return !process.stdin.isTTY && fstatSync(0).isCharacterDevice();
    },
    stdout: sinkOf(process.stdout, 'stdout', process.env),
    stderr: sinkOf(process.stderr, 'stderr', process.env),
  };
}
