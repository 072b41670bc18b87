import { writeFile } from 'node:fs/promises';
import { Flags } from '@oclif/core';
import { messageOf } from '../../src/base/errors.js';
import { BaseCommand } from '../../src/cli/base-command.js';
import { usageError } from '../../src/cli/failure.js';
import { starterFile } from '../../src/config/starter.js';

export default class ConfigInit extends BaseCommand {
  static override summary = 'Write a commented config file to start from.';
  static override description = 'Goes to stdout unless --output names a file. It runs a node as it is.';
  static override examples = [
    '<%= config.bin %> config init --output distcache.yaml',
    { description: 'Then', command: '<%= config.bin %> node start --config distcache.yaml' },
  ];
  static override flags = {
    output: Flags.string({
      char: 'o',
      description: 'File to write; one that is there stays as it is.',
      helpValue: 'FILE',
    }),
    force: Flags.boolean({ description: 'Overwrite the file.', dependsOn: ['output'] }),
  };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(ConfigInit);
    const { output } = flags;
    if (output === undefined) return this.print({ config: starterFile }, ({ config }) => config);
    await write(output, flags.force);
    await this.print({ file: output }, () => '');
    await this.note(`Wrote ${output}. Next: ${this.config.bin} node start --config ${output}`);
  }
}

async function write(file: string, isForced: boolean): Promise<void> {
  try {
    await writeFile(file, starterFile, { flag: isForced ? 'w' : 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw usageError(`${file} is there already; --force overwrites it`, error);
    }
    throw usageError(`${file} cannot be written: ${messageOf(error)}`, error);
  }
}
