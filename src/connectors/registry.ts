import { invalidArgument } from '../base/errors.js';
import type { DataSource } from '../ports/data-source.js';
import { type SourceContext, type SourceDefinition, sourceTypes } from './definition.js';

/**
 * Makes the data source that a definition describes, ready for its first fetch. Rejects with INVALID_ARGUMENT, naming
 * keyspace and field, when the definition cannot work without being changed (no such file, no such module, a query
 * without the key). A server that is merely down is not asked here. Only the connector in use is loaded.
 */
export async function createDataSource(definition: SourceDefinition, context: SourceContext): Promise<DataSource> {
  switch (definition.type) {
    case 'sqlite':
      return (await import('./sqlite.js')).openSqlite(definition, context);
    case 'postgres':
      return (await import('./postgres.js')).createPostgres(definition, context);
    case 'redis':
      return (await import('./redis.js')).createRedis(definition, context);
    case 'http':
      return (await import('./http.js')).createHttp(definition, context);
    case 'directory':
      return (await import('./directory.js')).openDirectory(definition, context);
    case 'module':
      return (await import('./module.js')).loadModule(definition, context);
    case 'none':
      return (await import('./none.js')).createNone();
    default:
      throw unknownType((definition as { type?: unknown }).type, context.keyspace);
  }
}

function unknownType(type: unknown, keyspace: string): Error {
  const allowed = sourceTypes.join(', ');
  return invalidArgument(`keyspaces.${keyspace}.source.type is ${JSON.stringify(type)}; allowed are ${allowed}`);
}
