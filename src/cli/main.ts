import { asksForHelp, commandIn, leadingWords, wantsJson, wordsOf } from './argv.js';
import { exitCodes } from './exit-codes.js';
import { describeFailure, OutputClosed } from './failure.js';
import { processTerminal, silenceStreamErrors, type Terminal } from './terminal.js';

/**
 * Runs one command line and ends the process with its exit code. `root` is the folder of package.json.
 * The process is ended rather than left to run dry, so that a stray handle never keeps a finished command from returning;
 * by then every write was awaited.
 */
export async function main(argv: readonly string[], root: string, commands: CommandTable): Promise<never> {
  const terminal = processTerminal();
  silenceStreamErrors();
  let exit: number;
  try {
    await dispatch(argv, root, commands, terminal);
    exit = Number(process.exitCode ?? exitCodes.done);
  } catch (error) {
    exit = await report(error, argv, terminal);
  }
  process.exit(exit);
}

interface RunnableCommand {
  id?: string;
  run(argv: string[], config: unknown): Promise<unknown>;
}

/** How to load each command, by its id (`keyspace:show`). The build makes it from the files of commands/. */
export type CommandTable = Readonly<Record<string, () => Promise<{ readonly default: RunnableCommand }>>>;

/**
 * Our own commands are started without oclif's look at the whole configuration and its plugins, which takes longer than
 * many a command. Everything else (help, plugins, whatever is unknown) goes to oclif.
 */
async function dispatch(
  argv: readonly string[],
  root: string,
  commands: CommandTable,
  terminal: Terminal,
): Promise<void> {
  const id = commandIn(leadingWords(argv), (candidate) => Object.hasOwn(commands, candidate));
  if (id === undefined || asksForHelp(argv)) {
    const { runWithOclif } = await import('./run-with-oclif.js');
    return runWithOclif(argv, root, terminal);
  }
  const { default: command } = await commands[id]!();
  silenceStreamErrors();
  const { leanConfig } = await import('./lean-config.js');
  command.id = id;
  await command.run(argv.slice(wordsOf(id)), leanConfig(root));
}

/** One line on stderr, and with --json one document on stdout. Returns the exit code. */
async function report(error: unknown, argv: readonly string[], terminal: Terminal): Promise<number> {
  if (error instanceof OutputClosed) return exitCodes.done;
  // oclif ends what it has answered itself by throwing.
  const { code: kind, oclif } = (error ?? {}) as { code?: unknown; oclif?: { exit?: number } };
  if (kind === 'EEXIT') return oclif?.exit ?? exitCodes.done;

  const failure = describeFailure(error);
  const { code, message, data, begun } = failure;
  const stack = process.env.DEBUG === '*' && error instanceof Error ? `${error.stack}\n` : '';
  try {
    await terminal.stderr.write(`Error: ${message}\n${stack}`);
    if (wantsJson(argv)) {
      const json = JSON.stringify({ ...data, error: { code, message } });
      await terminal.stdout.write(`${begun ? `,${json.slice(1)}` : json}\n`);
    }
  } catch {
    // Nobody reads us any more; the exit code still tells.
  }
  return failure.exit;
}
