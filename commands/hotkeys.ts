import { optionalArg } from '../src/cli/arguments.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { connectionFlags } from '../src/cli/connection-flags.js';
import { hotKeysJson, hotKeysText } from '../src/cli/hot-keys-view.js';
import { integerFlag } from '../src/cli/value-flags.js';

export default class HotKeys extends BaseCommand {
  static override summary = 'Show the keys that are asked for most.';
  static override description =
    `Over all nodes, each get counted where it was asked. Hits are those of the last minute or two, older ones weighing less;
where there are many gets a part of them is looked at, so hits and shares are estimates. A node that could not be asked is
named on stderr. Exits with 3 when there is no such keyspace.`;
  static override examples = [
    '<%= config.bin %> hotkeys',
    { description: 'The three hottest keys of one keyspace', command: '<%= config.bin %> hotkeys cities --limit 3' },
    {
      description: 'Keyspace and name of the hottest keys',
      command: "<%= config.bin %> hotkeys --json | jq '.keyspaces[] | .name, .keys[].key'",
    },
  ];
  static override args = { keyspace: optionalArg('Name of the keyspace. [default: all]') };
  static override flags = {
    ...connectionFlags,
    limit: integerFlag({ description: 'Keys of each keyspace. [default: 20]', example: '20', min: 1, max: 10_000 }),
  };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(HotKeys);
    const { limit, ...connection } = flags;
    const hot = await this.withClient(connection, (client, call) =>
      client.hotKeys({ ...call, keyspace: args.keyspace, limit }),
    );
    if (hot.unreached.length > 0) await this.note(`not asked, being out of reach: ${hot.unreached.join(', ')}`);
    await this.print(hotKeysJson(hot), (data) => hotKeysText(data, this.terminal.stdout));
  }
}
