import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Config, loadHelpClass, settings } from '@oclif/core';
import { wantsJson } from './base-command.js';
import { exitCodes } from './exit-codes.js';
import { describeFailure, OutputClosed, usageError } from './failure.js';
import { processTerminal, type Terminal } from './terminal.js';

/**
 * Runs one command line and ends the process with its exit code. `root` is the folder of package.json.
 * The process is ended rather than left to run dry, so that a stray handle never keeps a finished command from returning;
 * by then every write was awaited.
 */
export async function main(argv: readonly string[], root: string): Promise<never> {
  const terminal = processTerminal();
  // A failed write is told to its writer. Without listeners it would end the process before that.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  let exit: number;
  try {
    await dispatch(argv, root, terminal);
    exit = Number(process.exitCode ?? exitCodes.done);
  } catch (error) {
    exit = await report(error, argv, terminal);
  }
  process.exit(exit);
}

async function dispatch(argv: readonly string[], root: string, terminal: Terminal): Promise<void> {
  const asksHelp = argv.length === 0 || argv[0] === 'help' || beforeDashes(argv).includes('--help');
  const config = await loadConfig(root, asksHelp || argv[0] === 'autocomplete');
  if (argv[0] === '--version') return terminal.stdout.write(`${config.userAgent}\n`);

  const words = leadingWords(argv[0] === 'help' ? argv.slice(1) : argv);
  const { id, length } = longestCommand(words, (candidate) => config.findCommand(candidate) !== undefined);
  if (asksHelp) {
    const topic = id ?? words.join(':');
    if (topic !== '' && id === undefined && config.findTopic(topic) === undefined) throw unknownCommand(words, config);
    const Help = await loadHelpClass(config);
    await new Help(config, config.pjson.oclif.helpOptions).showHelp(topic === '' ? [] : topic.split(':'));
    return;
  }
  if (id === undefined) throw unknownCommand(words, config, argv[0]);
  await config.runCommand(id, argv.slice(length));
}

/** oclif's view of package.json and of oclif.manifest.json; its plugins are read only where they are wanted. */
async function loadConfig(root: string, withPlugins: boolean): Promise<Config> {
  settings.enableAutoTranspile = false;
  const pjson = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  if (!withPlugins) pjson.oclif.plugins = [];
  return Config.load({ root, pjson, devPlugins: false, userPlugins: false });
}

function longestCommand(
  words: readonly string[],
  exists: (id: string) => boolean,
): { readonly id: string | undefined; readonly length: number } {
  for (let length = Math.min(words.length, 3); length > 0; length--) {
    const id = words.slice(0, length).join(':');
    if (words.slice(0, length).every((word) => !word.includes(':')) && exists(id)) return { id, length };
  }
  return { id: undefined, length: 0 };
}

function unknownCommand(words: readonly string[], config: Config, first = words[0] ?? ''): Error {
  if (words.length === 0) return usageError(`${first} stands before any command; write ${config.bin} COMMAND ${first}`);
  const topic = config.findTopic(words[0] ?? '');
  const help = topic === undefined ? `${config.bin} --help` : `${config.bin} ${topic.name} --help`;
  if (topic !== undefined && words.length === 1) {
    return usageError(`${words[0]} wants a command behind it; ${help} lists them`);
  }
  return usageError(`unknown command ${words.slice(0, topic === undefined ? 1 : 2).join(' ')}; ${help} lists all`);
}

/** One line on stderr, and with --json one document on stdout. Returns the exit code. */
async function report(error: unknown, argv: readonly string[], terminal: Terminal): Promise<number> {
  if (error instanceof OutputClosed) return exitCodes.done;
  // oclif ends `--version` and the like by throwing.
  const ended = (error as { code?: unknown; oclif?: { exit?: number } } | null)?.oclif?.exit;
  if (ended !== undefined && (error as { code?: unknown }).code === 'EEXIT') return ended;

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

const beforeDashes = (argv: readonly string[]): readonly string[] => {
  const end = argv.indexOf('--');
  return end === -1 ? argv : argv.slice(0, end);
};

function leadingWords(argv: readonly string[]): readonly string[] {
  const end = argv.findIndex((word) => word.startsWith('-'));
  return end === -1 ? argv : argv.slice(0, end);
}
