import { Flags } from '@oclif/core';
import { ttlMaxMs } from '../src/base/lifetimes.js';
import { keyspaceArg, optionalArg } from '../src/cli/arguments.js';
import { BaseCommand } from '../src/cli/base-command.js';
import { connectionFlags } from '../src/cli/connection-flags.js';
import { ackFlag } from '../src/cli/consistency-flags.js';
import { usageError } from '../src/cli/failure.js';
import { putLines } from '../src/cli/put-lines.js';
import { durationFlag } from '../src/cli/value-flags.js';
import { openSource, readValue } from '../src/cli/value-source.js';
import { checkReached } from '../src/cli/writes.js';
import type { Ack } from '../src/ports/peers.js';

export default class Put extends BaseCommand {
  static override summary = 'Store a value under a key.';
  static override description =
    `Once it returns with 0, no node answers with the older value. Exits with 4 and names the nodes that did not confirm.

The value is the argument, a file, or stdin when there is neither or VALUE is -. It is stored byte for byte.
With --from many entries are stored, one JSON object a line: {"key":"a","value":"1","ttl":"30s","tags":["t"]}, or value_base64 for bytes.`;
  static override examples = [
    '<%= config.bin %> put sessions alice "logged in" --ttl 30m',
    { description: 'A value from a pipe', command: 'date | <%= config.bin %> put notes today' },
    {
      description: 'Tagged, to be deleted with others',
      command: '<%= config.bin %> put pages home "<h1>hi</h1>" --tag site',
    },
    { description: 'A binary value from a file', command: '<%= config.bin %> put images logo.png --file logo.png' },
    { description: 'Many entries', command: '<%= config.bin %> put cities --from cities.ndjson' },
  ];
  static override args = {
    keyspace: keyspaceArg,
    key: optionalArg('Key to store under; left out with --from.'),
    value: optionalArg('The value; - or none reads stdin. A value that starts with a dash goes behind --.'),
  };
  static override flags = {
    ...connectionFlags,
    file: Flags.string({ char: 'f', description: 'Read the value from there; - is stdin.', helpValue: 'FILE' }),
    from: Flags.string({
      description: 'Store the entries of that NDJSON file; - is stdin.',
      helpValue: 'FILE.ndjson',
      exclusive: ['file'],
    }),
    ack: ackFlag,
    tag: Flags.string({
      description:
        'Name by which it is deleted together with others; with --from for lines that have none. At most 16, of 1 to 128 bytes.',
      helpValue: 'TAG',
      multiple: true,
    }),
    ttl: durationFlag({
      description: 'Time to live; with --from for lines that have none. Else the default of the keyspace.',
      above: 0,
      most: ttlMaxMs,
      example: '30s',
    }),
  };

  protected async execute(): Promise<void> {
    const { args, flags } = await this.parse(Put);
    const { keyspace, key } = args;
    if (flags.from !== undefined) {
      if (key !== undefined) throw usageError('both KEY and --from are given; keys come from the file, leave KEY out');
      return this.#putMany(keyspace, flags.from, flags);
    }
    if (key === undefined) throw usageError('missing argument KEY; or give a file of entries with --from');

    const value = await readValue({ argument: args.value, file: flags.file }, this.terminal, (line) => this.note(line));
    const entry = { key, value, ttlMs: flags.ttl, tags: flags.tag };
    const { version, node, unreached } = await this.withClient(flags, (client, call) =>
      client.put(keyspace, entry, { ...call, ack: flags.ack }),
    );
    const json = { keyspace, key, size_bytes: value.byteLength, version: String(version), node, unreached };
    checkReached(unreached, 'stored', json);
    await this.print(json, () => '');
  }

  async #putMany(
    keyspace: string,
    from: string,
    flags: {
      readonly ttl: number | undefined;
      readonly tag: readonly string[] | undefined;
      readonly ack: Ack | undefined;
    } & Parameters<BaseCommand['withClient']>[0],
  ): Promise<void> {
    const bytes = await openSource(from, '--from', this.terminal);
    const progress = this.progress((count: number) => `${count} entries stored`);
    const json = await this.withClient(flags, (client, call) =>
      putLines(
        client,
        keyspace,
        { name: from === '-' ? 'stdin' : from, bytes },
        { ttlMs: flags.ttl, tags: flags.tag, call: { ...call, ack: flags.ack } },
        progress.show,
      ),
    ).finally(progress.end);
    checkReached(json.unreached, `${json.written} entries stored`, { ...json });
    await this.print(json, () => '');
  }
}
