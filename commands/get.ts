import { Flags } from '@oclif/core';
import { keyspaceArg, requiredArgs } from '../src/cli/arguments.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { connectionFlags } from '../src/cli/connection-flags.js';
import { readFlags, readTermsOf } from '../src/cli/consistency-flags.js';
import { type GetOutput, getMany, getOne } from '../src/cli/get-values.js';
import { keysFromArguments, keysFromStdin } from '../src/cli/keys.js';
import type { Sink } from '../src/cli/terminal.js';

export default class Get extends BaseCommand {
  static override summary = 'Print the value of a key.';
  static override description =
    `One key: its bytes as they are; a newline is added on a terminal only. Several keys, or - to read them from stdin:
a line KEY<TAB>VALUE for each that was found, in order. Values with newlines are told apart in --json.

Keys from stdin are what stands between newlines, byte for byte: a carriage return belongs to its key.
Exits with 3 when the data source has no such key; of several keys the others are printed all the same.`;
  static override examples = [
    '<%= config.bin %> get cities paris',
    {
      description: 'Several keys, and where each came from',
      command: '<%= config.bin %> get cities paris rome --json',
    },
    { description: 'Keys from a file', command: '<%= config.bin %> get cities - < keys.txt' },
    {
      description: 'No older than a write that returned this version',
      command: '<%= config.bin %> get cities paris --min-version 374617313525761',
    },
    { description: 'A binary value into a file', command: '<%= config.bin %> get images logo.png --output logo.png' },
  ];
  static override args = {
    keyspace: keyspaceArg,
    key: requiredArgs('Key to read; several are allowed, - reads them from stdin, one a line.'),
  };
  static override flags = {
    ...connectionFlags,
    output: Flags.string({
      char: 'o',
      description: 'Write the value there instead of stdout, which is -. The file changes all at once or not at all.',
      helpValue: 'FILE',
    }),
    ...readFlags,
    meta: Flags.boolean({ description: 'Tell on stderr where each value came from; --json tells it too.' }),
  };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(Get);
    const { stdout } = this.terminal;
    const files = flags.output === undefined ? undefined : await import('../src/cli/file-output.js');
    const file = flags.output === undefined || files?.isStdout(flags.output) ? undefined : flags.output;
    const read = (values: Sink): Promise<void> => {
      const out: GetOutput = {
        values,
        stdout,
        json: this.wantsJson,
        file,
        meta: flags.meta ? (line) => this.note(line) : undefined,
      };
      const terms = readTermsOf(flags);
      return this.withClient(flags, (client, wait) => {
        const call = { ...wait, ...terms };
        const [first = '', ...others] = args.key;
        const isOne = others.length === 0;
        if (isOne && first !== '-') return getOne(client, args.keyspace, first, call, out);
        const keys = isOne ? keysFromStdin(this.terminal.stdin) : keysFromArguments(args.key);
        return getMany(client, args.keyspace, keys, call, out);
      });
    };
    if (files === undefined || file === undefined) return read(stdout);
    await files.writeFileAtomically(file, (cleanUp) => this.onInterrupt(cleanUp), read);
  }
}
