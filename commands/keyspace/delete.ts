import { Flags } from '@oclif/core';
import { requiredArgs } from '../../src/cli/arguments.js';
import { BaseCommand } from '../../src/cli/base-command.js';
import { confirm } from '../../src/cli/confirm.js';
import { connectionFlags } from '../../src/cli/connection-flags.js';
import { printResults, resultsJson, resultsText } from '../../src/cli/keyspace-results.js';

export default class KeyspaceDelete extends BaseCommand {
  static override summary = 'Remove keyspaces on every node.';
  static override description =
    `All are checked before the first is removed. Exits with 3 when there is none of a name, and with 4 when a node could
not be told; it removes them when it is back. Take them out of the nodes' files as well: a cluster that was stopped
as a whole starts with what the files say.`;
  static override examples = [
    '<%= config.bin %> keyspace delete scratch',
    { description: 'Several, in a script', command: '<%= config.bin %> keyspace delete old older --yes' },
  ];
  static override args = { keyspace: requiredArgs('Name of the keyspace; several are allowed.') };
  static override flags = {
    ...connectionFlags,
    yes: Flags.boolean({ char: 'y', description: 'Do not ask. Needed where there is no terminal.' }),
  };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(KeyspaceDelete);
    const names: readonly string[] = args.keyspace;
    const what = names.map((name) => `'${name}'`).join(', ');
    await confirm(
      `Remove ${names.length === 1 ? 'keyspace' : 'keyspaces'} ${what} on every node?`,
      flags.yes,
      this.terminal,
    );
    await printResults(
      () => this.withClient(flags, (client, call) => client.deleteKeyspaces(names, call)),
      (results) => this.print(resultsJson(results), () => resultsText(results, this.terminal.stdout)),
      this.wantsJson,
    );
  }
}
