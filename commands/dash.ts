import { Flags } from '@oclif/core';
import { adminConnectionOf, adminFlags } from '../src/cli/admin-flags.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { usageError } from '../src/cli/failure.js';
import { durationFlag } from '../src/cli/value-flags.js';

const views = ['nodes', 'keyspaces', 'hotkeys', 'sources', 'events'] as const;

export default class Dash extends BaseCommand {
  static override summary = 'Watch the cluster on a full screen.';
  static override description =
    `Shows nodes, keyspaces, hot keys, data sources and events, each one key away, as the admin servers of all nodes tell them; ? lists the keys.
Finds the others through the node it is given. Changes nothing, unless --allow-writes is given: then it can delete a key, clear a keyspace, close a breaker and drain a node, each after a question.
With --once, or where stdout is no terminal, prints one frame and ends; it looks twice, a second apart, to tell rates. Exits with 4 when no node answers.`;
  static override examples = [
    '<%= config.bin %> dash',
    '<%= config.bin %> dash --admin http://10.0.0.2:3321 --interval 5s',
    { description: 'One frame of the keyspaces', command: '<%= config.bin %> dash --once --view keyspaces' },
    {
      description: 'Which nodes answer, for scripts',
      command: "<%= config.bin %> dash --once --json | jq '.nodes[] | .name, .reachable'",
    },
  ];
  static override flags = {
    ...adminFlags,
    once: Flags.boolean({ description: 'Print one frame and end.' }),
    view: Flags.option({ description: 'What to show first; nodes without.', options: views })(),
    interval: durationFlag({ description: 'How often to ask the nodes; 2s without.', above: 99, example: '2s' }),
    'allow-writes': Flags.boolean({ description: 'Allow to change things, each after a question.' }),
  };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(Dash);
    const { once, view = 'nodes', interval: intervalMs = 2_000, 'allow-writes': allowWrites, ...connection } = flags;
    const { target: seed, ...connected } = await adminConnectionOf(connection);
    const { stdout } = this.terminal;
    const isOnce = once || this.wantsJson || !stdout.isTerminal || process.env.TERM === 'dumb';
    if (!isOnce && !this.terminal.stdinIsTerminal) {
      throw usageError('stdin is no terminal, so there are no keys to press; print one frame with --once');
    }
    const [{ runDashboard, dashOnce }, { AdminClient }, { systemClock: clock }] = await Promise.all([
      import('../tui/dash.js'),
      import('../src/client/admin.js'),
      import('../src/platform/clock.js'),
    ]);
    const api = new AdminClient(connected);
    const options = {
      ...{ api, clock, seed, intervalMs, view, allowWrites, timeoutMs: connected.timeoutMs },
      ...{ hasColor: stdout.hasColor, env: process.env, signal: this.signal },
    };
    try {
      if (isOnce) {
        await stdout.write(await dashOnce({ ...options, columns: stdout.columns, json: this.wantsJson }));
      } else {
        await runDashboard(options, { stdin: process.stdin, stdout: process.stdout, process, signal: this.signal });
      }
    } finally {
      api.close();
    }
  }
}
