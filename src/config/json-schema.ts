import { z } from 'zod';
import { fileSchema } from './schema.js';

/** JSON Schema (draft 2020-12) of the config file, for editors. Knows no machine, so it bounds no keyspace by memory. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(fileSchema(Number.MAX_SAFE_INTEGER), {
    target: 'draft-2020-12',
    // What people write, not what it is resolved to.
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      const { json, ...own } = jsonSchema as Record<string, unknown>;
      for (const key of Object.keys(jsonSchema)) delete (jsonSchema as Record<string, unknown>)[key];
      Object.assign(jsonSchema, own, json);
    },
  });
  return {
    $schema,
    title: 'distcache node',
    description: 'Config file of `distcache node start`, YAML or JSON.',
    ...schema,
    examples: [
      { keyspaces: { scratch: { maxBytes: '64MiB', source: { type: 'none' } } } },
      {
        name: 'cache-1',
        bind: { addr: '127.0.0.1', port: 3320 },
        discovery: { provider: 'static', peers: ['127.0.0.1:3330', '127.0.0.1:3340'] },
        keyspaces: {
          cities: {
            maxBytes: '64MiB',
            defaultTtl: '5m',
            source: { type: 'sqlite', file: 'cities.db', query: 'select json from city where id = :key' },
          },
        },
      },
    ],
  };
}
