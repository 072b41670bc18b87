import { eventDocument } from '../src/admin/documents.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { eventText } from '../src/cli/cluster-views.js';
import { connectionFlags } from '../src/cli/connection-flags.js';
import { followEvents } from '../src/cli/follow-events.js';
import { durationFlag, integerFlag } from '../src/cli/value-flags.js';
import { systemClock } from '../src/platform/clock.js';

export default class Events extends BaseCommand {
  static override summary = 'Show what happens in the cluster, as it happens.';
  static override description =
    `One line per event, as one node sees it: nodes that join, change, fail or leave, and keyspaces deleted.
It is listening once stderr says so; with --json the first line on stdout does, with type listening.
A gap line tells how many events were missed because this command, or what reads it, was too slow.
Runs until it is interrupted (exit 130), or --count or --timeout is reached. Exits with 4 when the node stops or is out of reach, and when --timeout passes before --count.`;
  static override examples = [
    '<%= config.bin %> events --addr 10.0.0.2:3320',
    {
      description: 'What happened to whom, for scripts',
      command: "<%= config.bin %> events --json | jq --unbuffered -r '.type, .node'",
    },
    {
      description: 'Wait for one event, for a minute at most',
      command: '<%= config.bin %> events --count 1 --timeout 1m',
    },
  ];
  static override flags = {
    ...connectionFlags,
    count: integerFlag({ description: 'End after so many events.', example: '1', min: 1, max: 1_000_000_000 }),
    timeout: durationFlag({
      description: 'End after this long. Without: never; the node has 5s to answer. DISTCACHE_TIMEOUT does not count.',
      above: 0,
      example: '1m',
    }),
  };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(Events);
    const { timeout: forMs, count, ...connection } = flags;
    await this.withClient(connection, (client, { signal }) =>
      followEvents(client, { forMs, count, signal, clock: systemClock }, async (event) => {
        if (this.wantsJson) await this.print(eventDocument(event, event.node, event.at.toISOString()), () => '');
        else if (event.type === 'listening') await this.note(`listening to what ${event.node} tells`);
        else await this.print(event, eventText);
      }),
    );
  }
}
