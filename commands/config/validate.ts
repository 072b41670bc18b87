import { Args } from '@oclif/core';
import { messageOf } from '../../src/base/errors.js';
import { formatDuration, formatSize } from '../../src/base/units.js';
import { BaseCommand } from '../../src/cli/base-command.js';
import { readConfigStream, readConfigText } from '../../src/cli/config-file.js';
import { FailureWithData, oneLine, usageError } from '../../src/cli/failure.js';
import { load } from '../../src/config/load.js';
import type { NodeConfig } from '../../src/config/node-config.js';
import { formatProblem, type Problem } from '../../src/config/problems.js';
import { totalMemoryBytes } from '../../src/platform/machine.js';

export default class ConfigValidate extends BaseCommand {
  static override summary = 'Check a config file without starting anything.';
  static override description =
    'Tells all problems at once, one a line, as FILE:LINE:COLUMN PATH: PROBLEM, and exits 2. Variables are taken from the environment, as node start does. It looks at the file alone, not at databases or ports.';
  static override examples = [
    '<%= config.bin %> config validate distcache.yaml',
    {
      description: 'For scripts',
      command: "<%= config.bin %> config validate distcache.yaml --json | jq '.problems[]'",
    },
  ];
  static override args = {
    file: Args.string({ description: 'config file, YAML or JSON; - for stdin', required: true, ignoreStdin: true }),
  };

  protected async execute(): Promise<void> {
    const { args } = await this.parse(ConfigValidate);
    const file = args.file === '-' ? 'stdin' : args.file;
    const read =
      args.file === '-' ? readConfigStream(`config file ${file}`, this.terminal.stdin) : readConfigText(file);
    const text = await read.catch((error: unknown) => {
      throw rejected(file, [{ file, line: 1, column: 1, path: '', message: messageOf(error) }], error);
    });
    const machine = { env: process.env, totalMemoryBytes: totalMemoryBytes() };
    const loaded = load(text, { file, ...machine });
    if (!loaded.ok) {
      for (const problem of loaded.problems) await this.note(oneLine(formatProblem(problem)));
      const count = loaded.problems.length === 1 ? '1 problem' : `${loaded.problems.length} problems`;
      throw rejected(file, loaded.problems, usageError(`${file} has ${count}; mend what is listed above`));
    }
    const { config, warnings } = loaded;
    for (const warning of warnings) await this.note(`Warning: ${oneLine(formatProblem(warning))}`);
    const keyspaces = config.keyspaces.map(({ name }) => name);
    await this.print({ valid: true, file, keyspaces, warnings, problems: [] }, () => summary(file, config));
  }
}

const rejected = (file: string, problems: readonly Problem[], error: unknown): FailureWithData =>
  new FailureWithData(error, { valid: false, file, problems });

function summary(file: string, { name, bind, gossip, discovery, keyspaces }: NodeConfig): string {
  const peers =
    discovery.provider === 'static' && discovery.peers.length > 0 ? ` with ${discovery.peers.join(', ')}` : '';
  const gossiping =
    gossip === false
      ? ''
      : `, gossip on port ${gossip.port === 0 ? '0 (a free one)' : gossip.port}${gossip.secrets.length > 0 ? ', encrypted' : ''}`;
  const where = [bind.addr, bind.interface].filter((part) => part !== undefined).join(' of ');
  return [
    `${file}: valid`,
    `node ${name ?? '(named after host and port)'} on ${where} port ${bind.port === 0 ? '0 (a free one)' : bind.port}, discovery ${discovery.provider}${peers}${gossiping}`,
    ...(keyspaces.length === 0 ? ['no keyspaces'] : []),
    ...keyspaces.map(({ name, maxBytes, defaultTtlMs, source }) => {
      const life = defaultTtlMs === undefined ? 'without expiry' : `for ${formatDuration(defaultTtlMs)}`;
      return `keyspace ${oneLine(name)}: ${formatSize(maxBytes)} ${life}, source ${source.type}`;
    }),
  ].join('\n');
}
