import { Flags } from '@oclif/core';
import { keyspaceArg, optionalArgs } from '../src/cli/arguments.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { connectionFlags } from '../src/cli/connection-flags.js';
import { ackFlag } from '../src/cli/consistency-flags.js';
import { usageError } from '../src/cli/failure.js';
import { keysFromArguments, keysFromStdin } from '../src/cli/keys.js';
import { checkReached, deleteKeys } from '../src/cli/writes.js';
import type { Ack } from '../src/ports/peers.js';

export default class Delete extends BaseCommand {
  static override summary = 'Remove keys everywhere: by name, by tag or by prefix.';
  static override description =
    `Once it returns with 0, no node answers with the removed value; the next read loads the key again.
Exits with 4 and names the nodes that could not be told. A key that is nowhere is no error.

By tag or prefix it is one message to each node, however many entries there are; deleted in --json is how many
it removed. By name it counts the keys whose deletion was acknowledged, those that were nowhere among them.
Loads that are under way are not kept either. To remove all entries of a keyspace: distcache keyspace clear.`;
  static override examples = [
    '<%= config.bin %> delete cities paris',
    { description: 'Several keys', command: '<%= config.bin %> delete cities paris rome' },
    { description: 'All with a tag', command: '<%= config.bin %> delete pages --tag site' },
    { description: 'All below a prefix', command: '<%= config.bin %> delete users --prefix session/' },
    { description: 'Keys from a file', command: '<%= config.bin %> delete cities - < keys.txt' },
  ];
  static override args = {
    keyspace: keyspaceArg,
    key: optionalArgs('Key to remove; several are allowed, - reads them from stdin, one a line.'),
  };
  static override flags = {
    ...connectionFlags,
    ack: ackFlag,
    tag: Flags.string({
      description: 'Remove all entries that bear this tag: put with it, or loaded with it.',
      helpValue: 'T',
    }),
    prefix: Flags.string({
      description: 'Remove all entries whose key begins so. Looks at every key of the keyspace.',
      helpValue: 'P',
      exclusive: ['tag'],
    }),
  };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(Delete);
    const { keyspace } = args;
    if (flags.tag !== undefined || flags.prefix !== undefined) return this.#sweep(keyspace, args.key, flags);
    if (args.key === undefined) throw usageError('missing argument KEY; or say --tag or --prefix');
    const isStdin = args.key.length === 1 && args.key[0] === '-';
    const keys = isStdin ? keysFromStdin(this.terminal.stdin) : keysFromArguments(args.key);
    const { written, unreached } = await this.withClient(flags, (client, call) =>
      deleteKeys(client, keyspace, keys, { ...call, ack: flags.ack }),
    );
    const json = { keyspace, deleted: written, unreached };
    checkReached(unreached, 'deleted', json);
    await this.print(json, () => '');
  }

  async #sweep(
    keyspace: string,
    keys: readonly string[] | undefined,
    flags: {
      readonly tag?: string | undefined;
      readonly prefix?: string | undefined;
      readonly ack?: Ack | undefined;
    } & Parameters<BaseCommand['withClient']>[0],
  ): Promise<void> {
    const { tag, prefix } = flags;
    const given = tag === undefined ? '--prefix' : '--tag';
    if (keys !== undefined) throw usageError(`both KEY and ${given} are given; leave one of them out`);
    if (flags.ack !== undefined)
      throw usageError(`--ack has no meaning with ${given}: every node is told and waited for`);
    const { removed, unreached } = await this.withClient(flags, (client, call) =>
      tag === undefined ? client.deleteByPrefix(keyspace, prefix!, call) : client.deleteByTag(keyspace, tag, call),
    );
    const json = { keyspace, ...(tag === undefined ? { prefix } : { tag }), deleted: removed, unreached };
    checkReached(unreached, 'deleted', json);
    await this.print(json, () => '');
  }
}
