import { keyspaceArg, requiredArgs } from '../src/cli/arguments.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { connectionFlags } from '../src/cli/connection-flags.js';
import { ackFlag } from '../src/cli/consistency-flags.js';
import { keysFromArguments, keysFromStdin } from '../src/cli/keys.js';
import { checkReached, deleteKeys } from '../src/cli/writes.js';

export default class Delete extends BaseCommand {
  static override summary = 'Remove keys everywhere.';
  static override description =
    `Once it returns with 0, no node answers with the removed value; the next read loads the key again.
Exits with 4 and names the nodes that could not be told. A key that is nowhere is no error.`;
  static override examples = [
    '<%= config.bin %> delete cities paris',
    { description: 'Several keys', command: '<%= config.bin %> delete cities paris rome' },
    { description: 'Keys from a file', command: '<%= config.bin %> delete cities - < keys.txt' },
  ];
  static override args = {
    keyspace: keyspaceArg,
    key: requiredArgs('Key to remove; several are allowed, - reads them from stdin, one a line.'),
  };
  static override flags = { ...connectionFlags, ack: ackFlag };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(Delete);
    const { keyspace } = args;
    const isStdin = args.key.length === 1 && args.key[0] === '-';
    const keys = isStdin ? keysFromStdin(this.terminal.stdin) : keysFromArguments(args.key);
    const { written, unreached } = await this.withClient(flags, (client, call) =>
      deleteKeys(client, keyspace, keys, { ...call, ack: flags.ack }),
    );
    const json = { keyspace, deleted: written, unreached };
    checkReached(unreached, 'deleted', json);
    await this.print(json, () => '');
  }
}
