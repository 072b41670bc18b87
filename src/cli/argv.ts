/** Command lines as far as they are read before, or without, the parser of a command. */

/** What stands before `--`; behind it all is arguments. */
export function beforeDashes(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end === -1 ? argv : argv.slice(0, end);
}

/** Decided without the parser, since errors of the parser are told in JSON too. */
export const wantsJson = (argv: readonly string[]): boolean => beforeDashes(argv).includes('--json');

export const asksForHelp = (argv: readonly string[]): boolean =>
  argv.length === 0 || argv[0] === 'help' || beforeDashes(argv).includes('--help');

/** Words up to the first flag: the command, and perhaps arguments. */
export function leadingWords(argv: readonly string[]): readonly string[] {
  const end = argv.findIndex((word) => word.startsWith('-'));
  return end === -1 ? argv : argv.slice(0, end);
}

/** Words of the longest name of a command: `keyspace show`. */
const wordsMax = 3;

/** The longest id, `keyspace:show`, that the first words name; undefined where they name none. */
export function commandIn(words: readonly string[], exists: (id: string) => boolean): string | undefined {
  for (let length = Math.min(words.length, wordsMax); length > 0; length--) {
    const name = words.slice(0, length);
    const id = name.join(':');
    if (!name.some((word) => word.includes(':')) && exists(id)) return id;
  }
  return undefined;
}

export const wordsOf = (id: string): number => id.split(':').length;
