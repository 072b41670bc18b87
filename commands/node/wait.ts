import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.js';
import { statusJson } from '../../src/cli/cluster-views.js';
import { connectionFlags } from '../../src/cli/connection-flags.js';
import { durationFlag, integerFlag } from '../../src/cli/value-flags.js';
import { waitForNode } from '../../src/cli/wait-for-node.js';
import { systemClock } from '../../src/platform/clock.js';

export default class NodeWait extends BaseCommand {
  static override summary = 'Wait until a node is ready.';
  static override description =
    `For entrypoints and CI. Ready is a node that serves, has loaded its warm and hot keys or run out of time for that, and does not
drain. A node that does not answer yet is waited for as well. Without --ready and --peers it waits for readiness.
Exits with 4 when --timeout passes first, and says what was missing.`;
  static override examples = [
    '<%= config.bin %> node wait --ready --peers 3',
    { description: 'For a minute at most', command: '<%= config.bin %> node wait --ready --timeout 1m' },
  ];
  static override flags = {
    ...connectionFlags,
    ready: Flags.boolean({ description: 'Until it is ready.' }),
    peers: integerFlag({
      description: 'Until it sees so many nodes that serve, itself included.',
      example: '3',
      min: 1,
      max: 10_000,
    }),
    timeout: durationFlag({
      description: 'How long to wait in all. DISTCACHE_TIMEOUT does not count. [default: 30s]',
      above: 0,
      example: '1m',
    }),
  };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(NodeWait);
    const { ready: wantsReady, peers, timeout: timeoutMs = 30_000, ...connection } = flags;
    const ready = wantsReady || peers === undefined;
    const status = await this.withClient(connection, (client, { signal }) =>
      waitForNode(client, { ready, peers, timeoutMs, signal, clock: systemClock }),
    );
    await this.print(
      statusJson(status),
      (data) => `${data.node} ${data.ready ? 'is ready' : `is ${data.state}`} and sees ${data.peers} nodes`,
    );
  }
}
