import { codeOf, DistcacheError, type ErrorCode, messageOf, PartialFailure } from '../base/errors.js';
import { type ExitCode, exitCodeOf, exitCodeOfBatch, exitCodes } from './exit-codes.js';

/** What people and scripts are told of anything thrown. */
export interface Failure {
  readonly exit: ExitCode;
  /** An ErrorCode, or INTERNAL for faults that have none. */
  readonly code: ErrorCode | 'INTERNAL';
  /** One line. */
  readonly message: string;
  /** Fields of the JSON document beside `error`. */
  readonly data: Readonly<Record<string, unknown>>;
  /** The JSON document was begun on stdout; see FailureWithData. */
  readonly begun: boolean;
}

/** Bad usage: exits 2. */
export const usageError = (message: string, cause?: unknown): DistcacheError =>
  new DistcacheError('INVALID_ARGUMENT', message, { cause });

/** The user pressed Ctrl-C, or something sent SIGTERM. */
export const interrupted = (): DistcacheError => new DistcacheError('ABORTED', 'interrupted');

/**
 * An error that comes with a result: `data` are the fields of the one JSON document, `error` joins them there. Without
 * `--json` the command has printed its text before it throws this.
 */
export class FailureWithData extends Error {
  /** `begun`: the document stands on stdout already and lacks only `,"error":…}`. */
  constructor(
    readonly error: unknown,
    readonly data: Readonly<Record<string, unknown>>,
    readonly begun = false,
  ) {
    super(messageOf(error), { cause: error });
    this.name = 'FailureWithData';
  }
}

/** The reader of our stdout went away (`| head`): nothing is wrong, and nothing is left to do. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

/** The system's words without the call and the path that Node adds: `ENOENT: no such file or directory`. */
export const systemReason = (error: unknown): string => messageOf(error).replace(/, \w+ '[^']*'( -> '[^']*')?$/, '');

/** Control characters (of keys, of servers' texts) must neither break the line nor drive the terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

export const oneLine = (text: string): string =>
  text
    .trim()
    .replace(/\s*[\r\n]+\s*/g, '; ')
    .replace(controls, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

export function describeFailure(thrown: unknown): Failure {
  if (thrown instanceof FailureWithData) {
    return { ...describeFailure(thrown.error), data: thrown.data, begun: thrown.begun };
  }
  const usage = usageMessage(thrown);
  if (usage !== undefined) {
    return { exit: exitCodes.usage, code: 'INVALID_ARGUMENT', message: oneLine(usage), data: {}, begun: false };
  }
  const code = codeOf(thrown);
  const exit =
    thrown instanceof PartialFailure
      ? exitCodeOfBatch(thrown)
      : code === undefined
        ? exitCodes.unexpected
        : exitCodeOf(code);
  return {
    exit,
    code: code ?? 'INTERNAL',
    message: oneLine(parserText(messageOf(thrown))) || 'unknown failure',
    data: {},
    begun: false,
  };
}

interface ParserFault {
  readonly flags?: readonly unknown[];
  readonly args?: readonly unknown[];
  readonly message: string;
}

/** The parser's own errors are paragraphs with a list; told by their shape, since bundles may hold two copies of the class. */
function usageMessage(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('oclif' in thrown)) return undefined;
  const fault = thrown as ParserFault;
  const [flag] = fault.flags ?? [];
  if (flag === '-h') return `unknown flag -h; write --help, or -- -h where it is a value`;
  if (typeof flag === 'string') return `unknown flag ${flag}; a value that starts with a dash goes behind --`;
  const [arg] = fault.args ?? [];
  if (typeof arg === 'string') return `unexpected argument ${JSON.stringify(arg)}`;
  if (typeof arg === 'object' && arg !== null) {
    const { name, description } = arg as { name: string; description?: string };
    return `missing argument ${name.toUpperCase()}${description === undefined ? '' : ` (${description})`}`;
  }
  return parserText(fault.message);
}

/** `Parsing --ttl ↵ message ↵ See more help with --help`, as the parser wraps errors of flags, ours too, to `message`. */
export const parserText = (message: string): string =>
  message
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes of the parser
    .replace(/\u001b\[[0-9;]*m/g, '')
    .replace(/\n?See more help with --help/g, '')
    .replace(/^Parsing --\S+\s+/, '')
    .replace(/^The following errors? occurred:\s*/, '')
    .trim();
