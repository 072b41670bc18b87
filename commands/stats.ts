import { Flags } from '@oclif/core';
import { optionalArg } from '../src/cli/arguments.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { connectionFlags } from '../src/cli/connection-flags.js';
import { repeatedly } from '../src/cli/repeatedly.js';
import { statsOf, statsText } from '../src/cli/stats-view.js';
import { durationFlag, integerFlag } from '../src/cli/value-flags.js';
import { systemClock } from '../src/platform/clock.js';

export default class Stats extends BaseCommand {
  static override summary = 'Show the counters of keyspaces, node by node.';
  static override description =
    `Counters are since the start of each node; loads are those from data sources (local_loads in --json, whose
loads are the reads that memory could not answer), coalesced those that joined a load under way.
Latencies are of the last minute or so; reads that memory answered count as 0. --json has all counters, removals by reason
among them. A node that could not be asked is named on stderr. Exits with 3 when there is no such keyspace.`;
  static override examples = [
    '<%= config.bin %> stats',
    { description: 'One keyspace, every two seconds', command: '<%= config.bin %> stats cities --watch' },
    {
      description: 'Hits in the whole cluster',
      command: "<%= config.bin %> stats --json | jq '.keyspaces[0].totals | .cache_hits'",
    },
  ];
  static override args = { keyspace: optionalArg('Name of the keyspace. [default: all]') };
  static override flags = {
    ...connectionFlags,
    watch: Flags.boolean({ char: 'w', description: 'Show them again and again, until it is interrupted (exit 130).' }),
    interval: durationFlag({ description: 'Time between two looks. [default: 2s]', above: 0, example: '2s' }),
    count: integerFlag({ description: 'End after so many looks.', example: '10', min: 1, max: 1_000_000_000 }),
  };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(Stats);
    const { watch, interval = 2000, count = watch ? Number.POSITIVE_INFINITY : 1, ...connection } = flags;
    const now = (): string => new Date(systemClock.wallMs()).toISOString();
    await this.withClient(connection, (client, call) =>
      repeatedly({ everyMs: interval, count, signal: call.signal, clock: systemClock }, async () => {
        const stats = await statsOf(client, args.keyspace, call, now);
        if (stats.unreached.length > 0) await this.note(`not asked, being out of reach: ${stats.unreached.join(', ')}`);
        const { stdout } = this.terminal;
        const isScreen = watch && stdout.isTerminal && !this.wantsJson;
        await this.print(stats, (data) => `${isScreen ? clearScreen : ''}${statsText(data, stdout)}`);
      }),
    );
  }
}

const clearScreen = '\u001b[H\u001b[2J';
