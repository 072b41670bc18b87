import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DataSource, FetchOptions, FetchResult } from '../ports/data-source.js';
import type { ModuleDefinition, SourceContext } from './definition.js';
import { badDefinition, untilAborted } from './outcome.js';

const shape =
  'export default a function (key, { signal }) or an object with fetch(key, { signal }) and perhaps ' +
  'fetchMany(keys, { signal }), open() and close()';

/**
 * The user's own code: the module's default export is a function or an object with `fetch`. It runs in the node's
 * process with all its rights. Rejects with INVALID_ARGUMENT when it is missing, does not load or exports neither.
 */
export async function loadModule(definition: ModuleDefinition, context: SourceContext): Promise<DataSource> {
  const { keyspace } = context;
  const file = await moduleFile(definition, context);
  let exported: unknown;
  try {
    const loaded: { default?: unknown } = await import(pathToFileURL(file).href);
    exported = loaded.default;
  } catch (error) {
    throw badDefinition(keyspace, 'path', `${file} does not load`, error);
  }
  return guarded(checked(exported, file, keyspace), keyspace);
}

/** Where the module lies. Rejects with INVALID_ARGUMENT when there is no such file. */
export async function moduleFile(
  definition: ModuleDefinition,
  { baseDir, keyspace }: Pick<SourceContext, 'baseDir' | 'keyspace'>,
): Promise<string> {
  const file = resolve(baseDir, definition.path);
  const kind = await stat(file).catch(() => undefined);
  if (kind?.isFile() !== true) throw badDefinition(keyspace, 'path', `there is no module file ${file}`);
  return file;
}

function checked(exported: unknown, file: string, keyspace: string): DataSource {
  if (typeof exported === 'function') return { fetch: exported as DataSource['fetch'] };
  if (exported === undefined) throw badDefinition(keyspace, 'path', `${file} has no default export; ${shape}`);
  const candidate = exported as Partial<Record<'fetch' | 'fetchMany' | 'open' | 'close', unknown>> | null;
  if (typeof candidate !== 'object' || candidate === null || typeof candidate.fetch !== 'function') {
    throw badDefinition(
      keyspace,
      'path',
      `the default export of ${file} is neither function nor object with fetch; ${shape}`,
    );
  }
  for (const name of ['fetchMany', 'open', 'close'] as const) {
    if (candidate[name] !== undefined && typeof candidate[name] !== 'function') {
      throw badDefinition(keyspace, 'path', `${name} in the default export of ${file} is no function; ${shape}`);
    }
  }
  return candidate as unknown as DataSource;
}

/** User code may not look at the signal, so the wait for it ends here. */
function guarded(source: DataSource, keyspace: string): DataSource {
  const call = async (key: string, options: FetchOptions): Promise<FetchResult> => source.fetch(key, options);
  const many: DataSource['fetchMany'] = (keys, options) =>
    untilAborted(async () => source.fetchMany!(keys, options), options.signal, keyspace);
  return {
    fetch: (key, options) => untilAborted(() => call(key, options), options.signal, keyspace),
    fetchMany: source.fetchMany === undefined ? undefined : many,
    open: async () => source.open?.(),
    close: async () => source.close?.(),
  };
}
