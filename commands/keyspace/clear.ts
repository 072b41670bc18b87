import { Flags } from '@oclif/core';
import { keyspaceArg } from '../../src/cli/arguments.js';
import { BaseCommand } from '../../src/cli/base-command.js';
import { confirm } from '../../src/cli/confirm.js';
import { connectionFlags } from '../../src/cli/connection-flags.js';
import { printResults, resultsJson, resultsText } from '../../src/cli/keyspace-results.js';

export default class KeyspaceClear extends BaseCommand {
  static override summary = 'Empty a keyspace on every node.';
  static override description =
    `Once it returns with 0, no node answers with anything from before; every key is loaded anew when it is next read.
What was only put is gone. Exits with 4 when a node could not be told; it empties itself when it is back.`;
  static override examples = [
    '<%= config.bin %> keyspace clear cities',
    { description: 'In a script', command: '<%= config.bin %> keyspace clear cities --yes --json' },
  ];
  static override args = { keyspace: keyspaceArg };
  static override flags = {
    ...connectionFlags,
    yes: Flags.boolean({ char: 'y', description: 'Do not ask. Needed where there is no terminal.' }),
  };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(KeyspaceClear);
    await confirm(`Empty keyspace '${args.keyspace}' on every node?`, flags.yes, this.terminal);
    await printResults(
      () => this.withClient(flags, async (client, call) => [await client.clearKeyspace(args.keyspace, call)]),
      (results) => this.print(resultsJson(results), () => resultsText(results, this.terminal.stdout)),
      this.wantsJson,
    );
  }
}
