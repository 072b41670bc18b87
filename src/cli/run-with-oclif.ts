import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Config, loadHelpClass, settings } from '@oclif/core';
import { asksForHelp, commandIn, leadingWords, wordsOf } from './argv.js';
import { usageError } from './failure.js';
import { makeFolder } from './make-folder.js';
import { checkStdoutTaken, silenceStreamErrors, type Terminal } from './terminal.js';

/** Help, `--version`, the commands of plugins, and words that are no command. */
export async function runWithOclif(argv: readonly string[], root: string, terminal: Terminal): Promise<void> {
  silenceStreamErrors();
  settings.enableAutoTranspile = false;
  const pjson = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const config = await Config.load({ root, pjson, devPlugins: false, userPlugins: false });
  if (argv[0] === '--version') return terminal.stdout.write(`${config.userAgent}\n`);

  const words = leadingWords(argv[0] === 'help' ? argv.slice(1) : argv);
  const id = commandIn(words, (candidate) => config.findCommand(candidate) !== undefined);
  if (asksForHelp(argv)) return showHelp(config, id, words);
  if (id === undefined) throw unknownCommand(config, words, argv[0] ?? '');
  // A plugin brings an oclif of its own.
  await config.findCommand(id, { must: true }).load();
  silenceStreamErrors();
  await makeFolder(config.cacheDir, 'HOME (or XDG_CACHE_HOME)');
  await config.runCommand(id, argv.slice(wordsOf(id)));
  checkStdoutTaken();
}

async function showHelp(config: Config, id: string | undefined, words: readonly string[]): Promise<void> {
  const subject = id ?? words.join(':');
  if (subject !== '' && id === undefined && config.findTopic(subject) === undefined) {
    throw unknownCommand(config, words, '');
  }
  const Help = await loadHelpClass(config);
  await new Help(config, config.pjson.oclif.helpOptions).showHelp(subject === '' ? [] : subject.split(':'));
  checkStdoutTaken();
}

/** What other programs know by a letter. */
const shortFor: Readonly<Record<string, string>> = { '-h': '--help', '-v': '--version', '-V': '--version' };

function unknownCommand(config: Config, words: readonly string[], first: string): Error {
  const { bin } = config;
  const [name] = words;
  if (name === undefined) {
    const meant = shortFor[first];
    if (meant !== undefined) return usageError(`unknown flag ${first}; write ${bin} ${meant}`);
    return usageError(`${first} stands before any command; write ${bin} COMMAND ${first}`);
  }
  const topic = config.findTopic(name);
  if (topic === undefined) return usageError(`unknown command ${name}; ${bin} --help lists all`);
  const help = `${bin} ${topic.name} --help lists them`;
  if (words.length === 1) return usageError(`${name} wants a command behind it; ${help}`);
  return usageError(`unknown command ${words.slice(0, 2).join(' ')}; ${help}`);
}
