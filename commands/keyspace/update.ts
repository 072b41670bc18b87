import { Flags } from '@oclif/core';
import { keyspaceArg } from '../../src/cli/arguments.js';
import { BaseCommand } from '../../src/cli/base-command.js';
import { connectionFlags } from '../../src/cli/connection-flags.js';
import { usageError } from '../../src/cli/failure.js';
import { changeFlags, changesOf } from '../../src/cli/keyspace-flags.js';
import { previewJson, previewText, printResults, resultsJson, resultsText } from '../../src/cli/keyspace-results.js';
import type { Terminal } from '../../src/cli/terminal.js';

export default class KeyspaceUpdate extends BaseCommand {
  static override summary = 'Change a keyspace on every node while it runs.';
  static override description =
    `Prints a line per node: applied, unchanged, or failed. Exits with 4 when a node could not be told; it learns the
change when it is back. Entries that are valid stay. A change lives as long as the cluster: write into the
nodes' files what is to last, and what a keyspace loads from, which is not changed here.

none clears a setting, as if no file had it; of --rate-limit and --breaker-failures it is "off".`;
  static override examples = [
    '<%= config.bin %> keyspace update cities --default-ttl 10m',
    {
      description: 'What would be different',
      command: '<%= config.bin %> keyspace update cities --max-bytes 32MiB --dry-run',
    },
    {
      description: 'Protect a database in trouble',
      command: '<%= config.bin %> keyspace update users --rate-limit 50/s',
    },
    { description: 'From a file', command: '<%= config.bin %> keyspace update cities --file cities.yaml' },
  ];
  static override args = { keyspace: keyspaceArg };
  static override flags = {
    ...connectionFlags,
    ...changeFlags,
    file: Flags.string({
      char: 'f',
      description:
        "YAML or JSON with keys as below a keyspace's name in a node's file, but for source, eviction and batch; - is stdin. Flags beat it.",
      helpValue: 'F.yaml',
    }),
    'dry-run': Flags.boolean({ description: 'Show the difference on the node that answers, and change nothing.' }),
  };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(KeyspaceUpdate);
    const { keyspace } = args;
    const changes = {
      ...(flags.file === undefined ? {} : await changesInFile(flags.file, this.terminal)),
      ...changesOf(flags),
    };
    if (Object.keys(changes).length === 0) {
      throw usageError('nothing is to be changed; give a flag such as --default-ttl 10m, or a file with --file');
    }
    if (flags['dry-run']) {
      const preview = await this.withClient(flags, (client, call) => client.previewKeyspace(keyspace, changes, call));
      return this.print(previewJson(preview), () => previewText(preview));
    }
    await printResults(
      () => this.withClient(flags, async (client, call) => [await client.updateKeyspace(keyspace, changes, call)]),
      (results) => this.print(resultsJson(results), () => resultsText(results, this.terminal.stdout)),
      this.wantsJson,
    );
  }
}

/** Loads what reads YAML only where there is a file. */
async function changesInFile(file: string, terminal: Terminal) {
  const { readChanges } = await import('../../src/cli/keyspace-file.js');
  return readChanges(file, () => terminal.stdin, process.env);
}
