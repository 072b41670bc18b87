import { BaseCommand } from '../../src/cli/base-command.js';
import { connectionFlags } from '../../src/cli/connection-flags.js';

export default class NodeDrain extends BaseCommand {
  static override summary = 'Take a node out of the ring, its entries handed over.';
  static override description =
    `Hands what the node holds to the nodes that own it from now on, and takes it out of the ring. The process stays up: it
answers whoever asks it, keeps nothing of its own any more, and is ready to be stopped. SIGTERM does the same and then ends it.

What was not handed over in time is asked for by its new owners for as long as the node is up.`;
  static override examples = [
    '<%= config.bin %> node drain --addr 10.0.0.2:3320',
    { description: 'With more time to hand over', command: '<%= config.bin %> node drain --timeout 60s' },
  ];
  static override flags = { ...connectionFlags };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(NodeDrain);
    const { node, handedOver, left } = await this.withClient(flags, (client, call) => client.drain(call));
    await this.print(
      { node, handed_over: handedOver, left },
      () => `drained ${node}: ${handedOver} entries handed over, ${left} left\n`,
    );
  }
}
