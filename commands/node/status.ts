import { BaseCommand } from '../../src/cli/base-command.js';
import { statusJson, statusText } from '../../src/cli/cluster-views.js';
import { connectionFlags } from '../../src/cli/connection-flags.js';

export default class NodeStatus extends BaseCommand {
  static override summary = 'Show the state of a node.';
  static override description = 'Health, readiness, release, uptime, its part of the ring and its addresses.';
  static override examples = [
    '<%= config.bin %> node status --addr 10.0.0.2:3320',
    { description: 'Ready or not, for scripts', command: "<%= config.bin %> node status --json | jq -e '.ready'" },
  ];
  static override flags = { ...connectionFlags };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(NodeStatus);
    const status = await this.withClient(flags, (client, call) => client.status(call));
    await this.print(statusJson(status), statusText);
  }
}
