import { BaseCommand } from '../../src/cli/base-command.js';
import { keyspaceJson, keyspacesText } from '../../src/cli/cluster-views.js';
import { connectionFlags } from '../../src/cli/connection-flags.js';

export default class KeyspaceList extends BaseCommand {
  static override summary = 'List the keyspaces of a node.';
  static override description = 'With their limits; entries and bytes are those of the node that answers.';
  static override examples = [
    '<%= config.bin %> keyspace list',
    { description: 'Names only', command: "<%= config.bin %> keyspace list --json | jq -r '.keyspaces[].name'" },
  ];
  static override flags = { ...connectionFlags };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(KeyspaceList);
    const keyspaces = await this.withClient(flags, (client, call) => client.keyspaces(call));
    await this.print({ keyspaces: keyspaces.map(keyspaceJson) }, (data) =>
      keyspacesText(data.keyspaces, this.terminal.stdout),
    );
  }
}
