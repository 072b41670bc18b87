import { invalidArgument } from '../base/errors.js';
import type { DataSource } from '../ports/data-source.js';
import { type SourceContext, type SourceDefinition, sourceTypes } from './definition.js';

/** Known by name so that a config written for a later release is refused with a useful sentence. */
const comingTypes: readonly string[] = ['postgres', 'redis'];

/**
 * Makes the data source that a definition describes, ready for its first fetch. Rejects with INVALID_ARGUMENT, naming
 * keyspace and field, when the definition cannot work without being changed (no such file, no such module, a query
 * without the key). A server that is merely down is not asked here. Only the connector in use is loaded.
 */
export async function createDataSource(definition: SourceDefinition, context: SourceContext): Promise<DataSource> {
  switch (definition.type) {
    case 'sqlite':
      return (await import('./sqlite.js')).openSqlite(definition, context);
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
  const field = `keyspaces.${keyspace}.source.type`;
  if (typeof type === 'string' && comingTypes.includes(type)) {
    return invalidArgument(
      `${field} is ${type}, which this release does not have yet; use one of ${allowed}, or reach it through a module`,
    );
  }
  return invalidArgument(`${field} is ${JSON.stringify(type)}; allowed are ${allowed}`);
}
