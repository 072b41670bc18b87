import { peerDocument } from '../src/admin/documents.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { peersText } from '../src/cli/cluster-views.js';
import { connectionFlags } from '../src/cli/connection-flags.js';

export default class Peers extends BaseCommand {
  static override summary = 'List the nodes of the cluster.';
  static override description =
    'As the node that answers sees them (marked *): alive, suspect, dead, left or draining, and which part of the ring each owns.';
  static override examples = [
    '<%= config.bin %> peers',
    {
      description: 'Names and states',
      command: "<%= config.bin %> peers --json | jq -r '.peers[] | .name, .state'",
    },
  ];
  static override flags = { ...connectionFlags };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(Peers);
    const peers = await this.withClient(flags, (client, call) => client.peers(call));
    await this.print({ peers: peers.map(peerDocument) }, (data) => peersText(data.peers, this.terminal.stdout));
  }
}
