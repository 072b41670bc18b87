import { keyspaceArg, requiredArgs } from '../src/cli/arguments.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { connectionFlags } from '../src/cli/connection-flags.js';
import { keysFromArguments, keysFromStdin } from '../src/cli/keys.js';
import { integerFlag } from '../src/cli/value-flags.js';
import { checkWarmed, warmJson, warmKeys, warmText } from '../src/cli/warm-keys.js';

export default class Warm extends BaseCommand {
  static override summary = 'Load keys ahead of need.';
  static override description =
    `Each key is loaded by the node that owns it, once however many ask, and within what protects the data source. Keys that some
node holds already are left as they are. Values are not sent here. --timeout is for each key.

When some keys fail the others are loaded all the same; the exit code is that of the first failure.`;
  static override examples = [
    '<%= config.bin %> warm cities paris rome',
    {
      description: 'Keys from a file, eight loads at a time',
      command: '<%= config.bin %> warm cities - --concurrency 8 < keys.txt',
    },
    {
      description: 'Keys that could not be loaded',
      command: "<%= config.bin %> warm cities paris --json | jq -r '.failures[].key'",
    },
  ];
  static override args = {
    keyspace: keyspaceArg,
    key: requiredArgs('Key to load; several are allowed, - reads them from stdin, one a line.'),
  };
  static override flags = {
    ...connectionFlags,
    concurrency: integerFlag({ description: 'Loads at once. [default: 16]', example: '16', min: 1, max: 1000 }),
  };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(Warm);
    const { keyspace } = args;
    const { concurrency, ...connection } = flags;
    const isStdin = args.key.length === 1 && args.key[0] === '-';
    const keys = isStdin ? keysFromStdin(this.terminal.stdin) : keysFromArguments(args.key);
    const progress = this.progress((count) => `${count} keys done`);
    const result = await this.withClient(connection, async (client, call) => {
      try {
        return await warmKeys(client, keyspace, keys, { ...call, concurrency }, (done) => void progress.show(done));
      } finally {
        await progress.end();
      }
    });
    if (result.failures.length > 0 && !this.wantsJson) await this.note(warmText(warmJson(keyspace, result)));
    checkWarmed(keyspace, result);
    await this.print(warmJson(keyspace, result), warmText);
  }
}
