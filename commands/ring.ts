import { keyspaceArg, requiredArg } from '../src/cli/arguments.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { locationJson, locationText } from '../src/cli/cluster-views.js';
import { connectionFlags } from '../src/cli/connection-flags.js';

export default class Ring extends BaseCommand {
  static override summary = 'Show which node owns a key, and how even the ring is.';
  static override description =
    'As the node that answers sees it: the owner (marked *), the replicas, the share of the key space that each node owns, and how far the hottest one stands above the mean. The key need not be cached.';
  static override examples = [
    '<%= config.bin %> ring cities paris',
    { description: 'The name of the owner', command: '<%= config.bin %> ring cities paris --json | jq -r .owner' },
  ];
  static override args = { keyspace: keyspaceArg, key: requiredArg('Key to place.') };
  static override flags = { ...connectionFlags };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(Ring);
    const location = await this.withClient(flags, (client, call) => client.locate(args.keyspace, args.key, call));
    const data = locationJson(args.keyspace, args.key, location);
    await this.print(data, (shown) => locationText(shown, this.terminal.stdout));
  }
}
