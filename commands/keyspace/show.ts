import { keyspaceArg } from '../../src/cli/arguments.js';
import { BaseCommand } from '../../src/cli/base-command.js';
import { keyspaceJson, keyspaceText } from '../../src/cli/cluster-views.js';
import { connectionFlags } from '../../src/cli/connection-flags.js';

export default class KeyspaceShow extends BaseCommand {
  static override summary = 'Show the settings and counters of a keyspace.';
  static override description =
    'Counters are those of the node that answers. Exits with 3 when there is no such keyspace.';
  static override examples = [
    '<%= config.bin %> keyspace show cities',
    {
      description: 'How many reads were answered from memory',
      command: "<%= config.bin %> keyspace show cities --json | jq '.stats.cache_hits'",
    },
  ];
  static override args = { keyspace: keyspaceArg };
  static override flags = { ...connectionFlags };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(KeyspaceShow);
    const keyspace = await this.withClient(flags, (client, call) => client.keyspace(args.keyspace, call));
    await this.print(keyspaceJson(keyspace), keyspaceText);
  }
}
