import { BaseCommand } from '../../src/cli/base-command.js';
import { configJsonSchema } from '../../src/config/json-schema.js';

export default class ConfigSchema extends BaseCommand {
  static override summary = 'Print the JSON Schema of the config file, for editors.';
  static override description =
    'Editors that know JSON Schema then complete keys, show what they mean, and underline mistakes. The first line of the starter file names it.';
  static override examples = ['<%= config.bin %> config schema > distcache.schema.json'];

  protected async execute(): Promise<void> {
    await this.parse(ConfigSchema);
    await this.print(configJsonSchema(), (schema) => JSON.stringify(schema, undefined, 2));
  }
}
